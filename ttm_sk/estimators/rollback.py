"""A failed fit leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["unchanged_by_failure"]


@contextmanager
def unchanged_by_failure(estimator: Any) -> Iterator[None]:
    """Inside, an error takes back what has been set on the estimator, and then goes on its way.

    Attributes that are dictionaries are kept as copies: sktime changes some in place, for example the one that keeps
    the name of a series.
    """
    before = {name: value.copy() if isinstance(value, dict) else value for name, value in vars(estimator).items()}
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
