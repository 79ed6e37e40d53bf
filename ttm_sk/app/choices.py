"""What a person chose on the page: columns, horizon, and how hard to try."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttm_sk.app.problem import FIELDS
from ttm_sk.errors import ConfigError
from ttm_sk.estimators.adaptation import STRATEGIES
from ttm_sk.inference.forecasting import EFFORTS

__all__ = ["EFFORT_LABELS", "MOST_STEPS", "MOST_WINDOWS", "STRATEGY_LABELS", "WHOLE", "Choices"]

MOST_STEPS = 2_000  # minutes, where a model of 96 steps is asked for more
MOST_WINDOWS = 20
WHOLE = re.compile(r"[0-9]{1,9}")

EFFORT_LABELS = {
    "fast": "Fast: the usual choice",
    "plain": "Plain: one pass, half the time",
    "best": "Best: more accurate, slower",
}
STRATEGY_LABELS = {
    "zero-shot": "Zero-shot: nothing is trained",
    "auto": "Auto: trains where that helps",
    "head": "Train the head",
    "minimal": "Train decoder and head",
    "bias": "Train the biases",
    "adapter": "Train low-rank adapters",
    "full": "Train everything",
}


@dataclass(frozen=True)
class Choices:
    """One filled form, checked.

    Attributes
    ----------
    horizon
        Steps ahead, from 1 to ``MOST_STEPS``.
    targets
        Columns to forecast; none means the only numeric one.
    time, id, freq
        As in :func:`ttm_sk.data.tables.to_series`; None where nothing was chosen.
    effort, strategy
        As in :class:`~ttm_sk.estimators.forecaster.TTMForecaster`.
    windows
        Of the backtest, as long as the horizon; 0 for none.
    season
        Steps of a season; None lets the frequency say.
    """

    horizon: int
    targets: tuple[str, ...] = ()
    time: str | None = None
    id: str | None = None
    freq: str | None = None
    effort: str = "fast"
    strategy: str = "zero-shot"
    windows: int = 3
    season: int | None = None

    @classmethod
    def of(cls, form: Mapping[str, Sequence[str]]) -> Choices:
        """Read a form of text, every field a list of values.

        Raises
        ------
        ConfigError
            Naming the field, what was found and what was expected.

        Examples
        --------
        >>> Choices.of({"horizon": ["24"], "target": ["sales"]}).targets
        ('sales',)
        """
        season = _text(form, "season")
        return cls(
            horizon=_whole(form, "horizon", least=1, most=MOST_STEPS),
            targets=tuple(form.get("target", ())),
            time=_text(form, "time"),
            id=_text(form, "id"),
            freq=_text(form, "freq"),
            effort=_one_of(form, "effort", EFFORTS, usual="fast"),
            strategy=_one_of(form, "strategy", STRATEGIES, usual="zero-shot"),
            windows=_whole(form, "windows", least=0, most=MOST_WINDOWS) if _text(form, "windows") else 3,
            season=None if season is None else _whole(form, "season", least=1, most=1_000_000),
        )


def _text(form: Mapping[str, Sequence[str]], name: str) -> str | None:
    """The value as it is (a column may be called anything), None for an empty one."""
    values = form.get(name, ())
    return values[0] if values and values[0].strip() else None


def _whole(form: Mapping[str, Sequence[str]], name: str, *, least: int, most: int) -> int:
    text = (_text(form, name) or "").strip()
    if not WHOLE.fullmatch(text) or not least <= int(text) <= most:
        found = repr(text) if text else "nothing"
        raise ConfigError(
            f"found {found} in “{FIELDS[name]}”, expected a whole number from {least:,} to {most:,}; correct it"
        )
    return int(text)


def _one_of(form: Mapping[str, Sequence[str]], name: str, known: Sequence[str], *, usual: str) -> str:
    value = _text(form, name) or usual
    if value not in known:
        raise ConfigError(f"found {value!r} in “{FIELDS[name]}”; choose one of {', '.join(known)}")
    return value
