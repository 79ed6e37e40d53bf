"""``ttm-sk gift-eval compare``: results beside published models, as tables and as a picture."""

from __future__ import annotations

import argparse

import pandas as pd

from ttm_sk.cli.output import PLOT_ENDINGS, check_ending, write_file
from ttm_sk.errors import ConfigError
from ttm_sk.evaluation import leaderboard

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Read, compare, print, write."""
    check_ending(arguments.output, (".md",), option="--output")
    plot_ending = check_ending(arguments.plot, PLOT_ENDINGS, option="--plot")
    if plot_ending:
        import ttm_sk.plotting  # noqa: F401 (without it, nothing is done in vain)
    own = _read_all(arguments.results)
    models = _models(arguments.models)
    costs = pd.concat([leaderboard.read_costs(folder) for folder in arguments.results])
    report = leaderboard.markdown_report(own, models=models, costs=costs)
    image = _picture(own, models, kind=plot_ending[1:]) if plot_ending else b""
    print(report, end="")
    for path, content in ((arguments.output, report.encode()), (arguments.plot, image)):
        if path:
            write_file(path, content)
            print(f"wrote {path}")
    return 0


def _read_all(folders: list[str]) -> pd.DataFrame:
    own = pd.concat([leaderboard.read_results(folder) for folder in folders])
    if own.index.has_duplicates:
        raise ConfigError(
            f"found the model {own.index[own.index.duplicated()][0][0]!r} in two folders; give each its own --name"
        )
    return own


def _models(names: list[str] | None) -> tuple[str, ...]:
    if names == ["all"]:
        known = leaderboard.published_results().index.get_level_values("model").unique()
        return tuple(name for name in known if name != leaderboard.BASELINE)
    return leaderboard.PEERS if names is None else tuple(names)


def _picture(own: pd.DataFrame, models: tuple[str, ...], *, kind: str) -> bytes:
    from ttm_sk.plotting import plot_leaderboard, to_image

    return to_image(plot_leaderboard(leaderboard.compare_models(own, models=models)), kind)
