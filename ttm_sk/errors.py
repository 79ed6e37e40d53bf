"""The exceptions that ttm_sk raises on purpose; each is also the builtin that callers would expect.

::

    TTMError
    ├── ConfigError        (ValueError)   an impossible model or training configuration
    ├── DataError          (ValueError)   input data that cannot be forecast or learnt from
    │   └── PlaceError     (IndexError)   a number at which a sequence has nothing
    ├── HorizonError       (ValueError)   a forecasting horizon that cannot be met
    ├── CheckpointError    (ValueError)   a weights file that is missing, damaged or foreign
    └── MissingExtraError  (ImportError)  an optional dependency that is not installed

Every message says what was found, what was expected, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "HorizonError",
    "LicenceWarning",
    "MissingExtraError",
    "PlaceError",
    "TTMError",
    "UntrainedWarning",
    "did_you_mean",
]


class TTMError(Exception):
    """Anything that ttm_sk raises on purpose."""


class ConfigError(TTMError, ValueError):
    """A configuration that no model or training run can have."""


class DataError(TTMError, ValueError):
    """Input data that cannot be forecast or learnt from."""


class PlaceError(DataError, IndexError):
    """A number at which a sequence has nothing; as an IndexError it also ends a loop over the sequence."""


class HorizonError(TTMError, ValueError):
    """A forecasting horizon that cannot be met."""


class CheckpointError(TTMError, ValueError):
    """A weights file that is missing, damaged, tampered with or of another kind."""


class LicenceWarning(UserWarning):
    """What the licence of foreign weights asks of whoever uses them."""


class UntrainedWarning(UserWarning):
    """Weights are random, so that forecasts mean nothing until they are trained."""


class MissingExtraError(TTMError, ImportError):
    """An optional dependency is not installed.

    Examples
    --------
    >>> print(MissingExtraError("plot", package="matplotlib"))
    matplotlib is not installed; run: pip install "ttm-sk[plot]"
    """

    def __init__(self, extra: str, *, package: str) -> None:
        super().__init__(f'{package} is not installed; run: pip install "ttm-sk[{extra}]"')
        self.extra = extra
        self.package = package

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return _missing_extra, (self.extra, self.package)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest of the known names, in brackets, as part of a message; empty if none is near.

    Examples
    --------
    >>> did_you_mean("sale", ["sales", "day"])
    " (did you mean 'sales'?)"
    """
    near = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _missing_extra(extra: str, package: str) -> MissingExtraError:
    return MissingExtraError(extra, package=package)
