"""One cause, and the judgement of what it gives."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sktime.exceptions import NotFittedError as SktimeNotFittedError

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.cli import BAD_INPUT, main
from ttm_sk.errors import DataError, TTMError
from ttm_sk.models.ttm import TTM, TTMConfig

__all__ = ["SMALL", "Cause", "CommandError", "PageError", "Place", "Verdict", "command", "days", "judge", "panel"]

SMALL = TTMConfig(
    context_length=64,
    prediction_length=8,
    patch_length=16,
    width=8,
    n_levels=1,
    n_layers=1,
    decoder_width=8,
    decoder_layers=1,
    levels=(0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99),
    head_width=8,
)
# A message that says what was expected, or what to do about it, has one of these words.
REMEDY = re.compile(
    r"\b(expected|must|needs|give|choose|use|expects|write|fetch|leave|pass|name|rename|convert|drop|fill|sort|ask|cut"
    r"|replace|knows|spell|merge|remove|copy|add|see|export|download|update|delete|keep|bring|save|train|lower|correct"
    r"|send|open|go back|make it again|try again"
    r"|for example|did you mean|at least|at most|columns are|known (names )?are)\b",
    re.IGNORECASE,
)


# What sktime, skorch and scikit-learn raise on purpose; a KeyError, say, is nobody's contract.
CONTRACT = (TypeError, ValueError, NotImplementedError, AssertionError, SktimeNotFittedError)


class CommandError(TTMError):
    """What a command printed when it ended with the code for bad input."""


class PageError(TTMError):
    """The status and the problem that a page showed."""


@dataclass(frozen=True)
class Cause:
    """Something that goes wrong.

    Attributes
    ----------
    name
        The cause, in a user's words.
    act
        Does it, in a place of its own.
    found
        A pattern for what the message must say was found.
    error
        What must be raised.
    contract
        Whose error it is, where the contract of a library that we stand in demands its own: sktime, scikit-learn.
    """

    name: str
    act: Callable[[Place], object]
    found: str
    error: type[Exception] = DataError
    contract: str = ""


class Place:
    """A folder, small weights and frames, made when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def weights(self) -> Checkpoint:
        """A checkpoint with random weights, small enough to be quick."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Checkpoint(SMALL, TTM(SMALL).state_dict(), {"datasets": []})

    @cached_property
    def model(self) -> str:
        """The same as a file."""
        return str(save_checkpoint(self.weights, self.folder / "small.safetensors"))

    def file(self, name: str, content: str | bytes) -> str:
        """A file with that content."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def csv(self, frame: pd.DataFrame, name: str = "data.csv") -> str:
        """A frame as a CSV file, without its index."""
        return self.file(name, frame.to_csv(index=False))

    @cached_property
    def sales(self) -> str:
        """A CSV file with nothing wrong in it."""
        return self.csv(pd.DataFrame({"day": days(40).index.strftime("%Y-%m-%d"), "sales": days(40).to_numpy()}))


def days(n: int = 40) -> pd.Series:
    """A daily series of that many values."""
    return pd.Series(np.sin(np.arange(n)) + 5, index=pd.date_range("2024-01-01", periods=n, freq="D"), name="y")


def panel(n_series: int = 2, n: int = 20) -> pd.DataFrame:
    """Some daily series in sktime's layout."""
    index = pd.MultiIndex.from_product([[f"s{i}" for i in range(n_series)], days(n).index], names=["shop", "day"])
    return pd.DataFrame({"y": np.arange(n_series * n, dtype=float)}, index=index)


def command(*arguments: str) -> None:
    """Run a command; raise the one line that it printed if it ended as it does for bad input."""
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        code = main(list(arguments))
    lines = said.getvalue().splitlines()
    if code == 0:
        return
    if code != BAD_INPUT or len(lines) != 1 or not lines[0].startswith("ttm-sk: error: "):
        raise AssertionError(f"ended with {code} and printed {said.getvalue()!r}, expected one line of error and 2")
    raise CommandError(lines[0].removeprefix("ttm-sk: error: "))


class Verdict(NamedTuple):
    """What a cause gave, and what is wrong with that; no fault if it is as it should be."""

    error: str
    message: str
    fault: str


def judge(cause: Cause, folder: Path) -> Verdict:
    """Do it, and look at the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cause.act(Place(folder))
    except Exception as error:  # a bare library error is just what is looked for
        message = " ".join("\n".join([str(error), *getattr(error, "__notes__", ())]).split())
        return Verdict(type(error).__name__, message, _fault(cause, error, message))
    return Verdict("", "", "nothing was raised")


def _fault(cause: Cause, error: Exception, message: str) -> str:
    if not isinstance(error, cause.error):
        return f"raised {type(error).__name__}"
    is_ours = isinstance(error, TTMError)
    if not is_ours and not (cause.contract and isinstance(error, CONTRACT)):
        return f"raised a bare {type(error).__name__}"
    if not re.search(cause.found, message):
        return f"does not name what was found ({cause.found})"
    if is_ours and not REMEDY.search(message):
        return "names no remedy"
    return ""
