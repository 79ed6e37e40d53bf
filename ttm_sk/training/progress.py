"""A progress bar where tqdm is installed, silence where it is not."""

from __future__ import annotations

from types import TracebackType
from typing import Any

try:
    from tqdm.auto import tqdm
except ImportError:  # a training machine may have torch alone
    tqdm = None

__all__ = ["Progress"]


class Progress:
    """Steps as a bar that shows the running loss and counts windows; nothing when quiet or without tqdm."""

    def __init__(self, *, total: int, start: int, unit: int, is_quiet: bool) -> None:
        self._bar: Any = None
        self._loss: float | None = None
        self._unit = unit
        if tqdm is not None and not is_quiet:
            self._bar = tqdm(
                total=total * unit,
                initial=start * unit,
                unit=" windows",
                unit_scale=True,
                mininterval=2.0,
                dynamic_ncols=True,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, loss: float, *, n_steps: int = 1) -> None:
        """So many steps done, the last one at this loss."""
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {self._loss:.4f}", refresh=False)
            self._bar.update(self._unit * n_steps)
