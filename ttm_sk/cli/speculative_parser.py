"""The arguments of ``ttm-sk distill`` and ``ttm-sk speculate``."""

from __future__ import annotations

import argparse

from ttm_sk.cli.parser import _add_columns, _command, _Parser, _positive, _share, _whole

__all__ = ["add_speculative"]


def add_speculative(commands: argparse._SubParsersAction) -> None:
    """Add both commands."""
    _add_distill(commands)
    _add_speculate(commands)


def _add_distill(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "distill",
        "teach a draft what a Timer-XL forecasts, so that it can propose for it",
        "ttm-sk distill train.csv --target-model target.safetensors --scale .25 --output draft.safetensors",
    )
    command.add_argument("data", help="what the target was trained on: CSV, parquet, solar_AL.txt or PEMS .npz")
    command.add_argument("--target", nargs="+", metavar="C", help="columns to learn from (default: all numbers)")
    _add_columns(command)
    command.add_argument("--target-model", required=True, metavar="M", help="the Timer-XL to learn from")
    command.add_argument("--draft", metavar="M", help="begin with these weights, a Timer-XL's or a TTM's")
    command.add_argument("--scale", type=_positive, default=0.25, metavar="X", help="of a new draft (default: .25)")
    command.add_argument("--points", action="store_true", help="a new draft without variances")
    command.add_argument("--teacher-noise", type=_share, default=0.05, metavar="X", help="on the target's forecasts")
    command.add_argument("--variance-weight", type=_share, default=0.01, metavar="X", help="of the regulariser")
    command.add_argument(
        "--rollout", type=_whole, default=4, metavar="N", help="patches of its own forecast (default: 4)"
    )
    command.add_argument("--steps", type=_whole, default=1000, metavar="N", help="default: 1000")
    command.add_argument("--batch-size", type=_whole, default=64, metavar="N", help="windows a step (default: 64)")
    command.add_argument("--peak", type=_positive, default=1e-3, metavar="X", help="highest learning rate")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
    command.add_argument("--time-limit", type=_positive, metavar="S", help="stop after S seconds")
    command.add_argument("--threads", type=_whole, metavar="N", help="default: torch's")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    command.add_argument("--output", required=True, metavar="FILE", help="the checkpoint")
    command.add_argument("--force", action="store_true", help="replace the output if it exists")


def _add_speculate(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "speculate",
        "measure what a draft buys a Timer-XL on the test part of a table",
        "ttm-sk speculate run -h",
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    run = _command(
        actions,
        "run",
        "decode without the past kept, with it, and with a draft: seconds, acceptance, errors",
        "ttm-sk speculate run ETTh1.csv --target-model target.safetensors --draft draft.safetensors --tolerance .1",
    )
    several = _command(
        actions,
        "sweep",
        "the same for every combination of k and what the mode reads",
        "ttm-sk speculate sweep ETTh1.csv --target-model target.safetensors --draft draft.safetensors \\\n"
        "             --k 2 4 6 --tolerance 0 .05 .1 .2 --output sweep.csv --plot sweep.png",
    )
    for action, n_values in ((run, None), (several, "+")):
        action.add_argument(
            "data", help="ETT, Weather, Electricity, Traffic CSV, solar_AL.txt, PEMS .npz, or any table"
        )
        action.add_argument("--target-model", required=True, metavar="M", help="a Timer-XL")
        action.add_argument("--draft", required=True, metavar="M", help="a Timer-XL of the same patches, or a TTM")
        action.add_argument("--horizon", type=_whole, default=720, metavar="N", help="steps ahead (default: 720)")
        action.add_argument("--mode", choices=("tolerance", "sample", "relaxed"), default="tolerance", help="the rule")
        action.add_argument("--k", type=_whole, nargs=n_values, default=3, metavar="N", help="proposals a round")
        action.add_argument("--tolerance", type=float, nargs=n_values, default=0.1, metavar="X", help="default: .1")
        action.add_argument("--sigma", type=_positive, nargs=n_values, metavar="X", help="of relaxed (.7) and sample")
        action.add_argument("--accept-bias", type=float, nargs=n_values, default=1.0, metavar="X", help="of relaxed")
        action.add_argument("--adaptive", action="store_true", help="let k grow and shrink with what is kept")
        action.add_argument("--windows", type=_whole, default=32, metavar="N", help="of the test part (default: 32)")
        action.add_argument("--batch-size", type=_whole, default=1, metavar="N", help="series at once (default: 1)")
        action.add_argument("--repeats", type=_whole, default=1, metavar="N", help="the fastest counts (default: 1)")
        action.add_argument("--threads", type=_whole, metavar="N", help="default: torch's")
        action.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
        action.add_argument("--output", metavar="FILE", help="write the table (.csv)")
    run.add_argument("--trace", metavar="FILE", help="write a row for each proposed patch (.csv)")
    run.add_argument("--breakdown", metavar="FILE", help="write the seconds of each batch, part by part (.csv)")
    several.add_argument("--plot", metavar="FILE", help="write a picture (.png, .svg, .pdf; needs the extra 'plot')")
