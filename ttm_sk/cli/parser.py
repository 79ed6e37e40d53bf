"""The arguments of every command, with an example of each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn, TypeVar

from ttm_sk import __version__
from ttm_sk.errors import ConfigError

__all__ = ["make_parser"]

Number = TypeVar("Number", int, float)


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong as this package's own error."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} -h")


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``ttm-sk``; ``command`` of what it returns names the file that runs it.

    Examples
    --------
    >>> make_parser().parse_args(["forecast", "sales.csv", "--horizon", "7"]).levels
    [0.1, 0.5, 0.9]
    """
    from ttm_sk.cli.speculative_parser import add_speculative  # it uses what stands here

    parser = _Parser(prog="ttm-sk", description="Forecasts by a small pretrained TinyTimeMixer.")
    parser.add_argument("--version", action="version", version=f"ttm-sk {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_forecast(commands)
    _add_info(commands)
    _add_convert(commands)
    _add_demo(commands)
    _add_pretrain(commands)
    _add_gift_eval(commands)
    _add_finetune(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_app(commands)
    add_speculative(commands)
    return parser


def _add_forecast(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "forecast",
        "forecast the series in a CSV or parquet file",
        "ttm-sk forecast sales.csv --horizon 30 --target units --output forecast.csv --plot forecast.png",
    )
    command.add_argument("data", help="CSV (any separator, gzip or not) or parquet file with a line of column names")
    command.add_argument("--target", nargs="+", metavar="C", help="columns to forecast (default: the only numeric one)")
    _add_columns(command)
    command.add_argument("--horizon", type=_whole, required=True, metavar="N", help="steps ahead, at least 1")
    command.add_argument(
        "--levels", nargs="+", type=_level, default=[0.1, 0.5, 0.9], metavar="Q", help="quantiles (default: .1 .5 .9)"
    )
    _add_model(command)
    command.add_argument("--output", metavar="FILE", help="write id, time, target, forecast and a column a level")
    command.add_argument("--plot", metavar="FILE", help="write a picture (.png, .svg, .pdf; needs the extra 'plot')")


def _add_info(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "info", "what a checkpoint is and what it saw", "ttm-sk info ttm-tiny --json")
    command.add_argument("model", nargs="?", default="ttm-tiny", help="name or path (default: ttm-tiny)")
    command.add_argument("--json", action="store_true", help="everything, for other programs")


def _add_convert(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "convert",
        "write a checkpoint in another format: a file of ttm_sk, or a folder of IBM Granite",
        "ttm-sk convert granite-timeseries-ttm-r2 --to ttm-sk --output ttm-r2.safetensors",
    )
    command.add_argument("model", help="name or path, in any format that ttm_sk opens")
    command.add_argument("--to", choices=("ttm-sk", "granite"), required=True, help="format to write")
    command.add_argument("--output", required=True, metavar="PATH", help="a new file (ttm-sk) or folder (granite)")


def _add_export(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "export",
        "write a checkpoint's model for another engine",
        "ttm-sk export ttm-tiny --format onnx-int8 --output tiny.onnx",
    )
    command.add_argument("model", nargs="?", default="ttm-tiny", help="name or path (default: ttm-tiny)")
    command.add_argument(
        "--format",
        choices=("onnx", "onnx-int8", "torch"),
        default="onnx",
        help="ONNX in float32 (default) or with 8-bit matrices, which need the extra 'onnx'; or a torch.export program",
    )
    command.add_argument("--output", required=True, metavar="FILE", help="the file")
    command.add_argument("--force", action="store_true", help="replace the output if it exists")


def _add_app(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "app",
        "a page on this machine alone, to drop a CSV file on (needs the extra 'app')",
        "ttm-sk app --open",
    )
    command.add_argument("--port", type=_port, default=8765, metavar="N", help="0 takes a free one (default: 8765)")
    command.add_argument("--open", action="store_true", help="open it in the browser")
    command.add_argument("--upload-limit", type=_whole, default=32, metavar="MB", help="of a file (default: 32)")
    command.add_argument(
        "--time-limit", type=_whole, default=600, metavar="S", help="seconds of one forecast (default: 600)"
    )
    command.add_argument("--model", default="ttm-tiny", metavar="M", help="name or path (default: ttm-tiny)")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _add_demo(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "demo",
        "forecast the end of a real series that the weights never saw, beside seasonal naive",
        "ttm-sk demo --example airline --output airline.png",
    )
    command.add_argument("--example", choices=("airline", "solar"), default="airline", help="bundled series")
    command.add_argument("--output", default="demo.png", metavar="FILE", help="the picture (default: demo.png)")
    _add_model(command)


def _add_pretrain(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "pretrain",
        "train weights on synthetic series and a folder of real ones",
        "ttm-sk pretrain --corpus folder --windows 1000000 --state-file run.state --output mine.safetensors\n"
        "         torchrun --nproc-per-node 4 -m ttm_sk pretrain --windows 1000000 --output mine.safetensors",
    )
    command.add_argument(
        "--corpus",
        metavar="FOLDER",
        help="with MANIFEST.csv and .npz files, or any CSV and parquet files (default: synthetic series alone)",
    )
    command.add_argument("--licence-class", nargs="+", default=[], metavar="C", help="of the manifest (default: all)")
    _add_columns(command)
    command.add_argument(
        "--architecture",
        choices=("ttm", "patch-slstm", "timer-xl"),
        help="what to train (default: ttm, or that of --from)",
    )
    begin = command.add_mutually_exclusive_group()
    begin.add_argument(
        "--preset", choices=("tiny", "small", "base", "full", "timer"), help="size of a new model (default: tiny)"
    )
    begin.add_argument("--from", dest="start", metavar="CHECKPOINT", help="train these weights onwards")
    command.add_argument(
        "--draft-scale", type=_positive, metavar="X", help="of timer-xl: a draft, X of the preset's size"
    )
    _add_recipe(command)
    _add_run(command)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    """What the weights depend on."""
    command.add_argument("--windows", type=_whole, default=5_000_000, metavar="N", help="windows to see")
    command.add_argument("--batch-size", type=_whole, default=512, metavar="N", help="windows a step")
    command.add_argument(
        "--accumulate", type=_whole, default=1, metavar="N", help="passes that share a step's windows: less memory"
    )
    command.add_argument("--peak", type=_positive, default=2e-3, metavar="X", help="highest learning rate")
    command.add_argument("--warmup-share", type=_share, default=0.02, metavar="X", help="share of steps that warm up")
    command.add_argument("--decay-share", type=_share, default=0.2, metavar="X", help="share of steps that decay")
    command.add_argument(
        "--fed-back-share", type=_share, default=0.0, metavar="X", help="of windows that go on from a forecast"
    )
    command.add_argument(
        "--fed-back-weight", type=_share, metavar="X", help="how far those steps count as observed (default: as before)"
    )
    command.add_argument("--synthetic-share", type=_share, default=0.5, metavar="X", help="of the windows")
    command.add_argument(
        "--reversed-share", type=_share, default=0.0, metavar="X", help="of real windows, read backwards in time"
    )
    changed = "of windows, modulated; half as many mixed, a quarter cut off (default: for ttm .2 on a GPU, 0 on a CPU)"
    command.add_argument("--changed-share", type=_share, metavar="X", help=changed)
    command.add_argument(
        "--validation-share", type=_share, default=0.0, metavar="X", help="of the corpus, kept back and examined on"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the first weights and the windows")


def _add_run(command: argparse.ArgumentParser) -> None:
    """Where and how a training runs, and what becomes of it."""
    command.add_argument("--state-file", metavar="FILE", help="saved as it goes; the same command continues from it")
    command.add_argument(
        "--time-limit",
        type=_positive,
        metavar="S",
        help="stop after S seconds; a run with a decay and a --state-file keeps only the state",
    )
    command.add_argument("--bfloat16", action="store_true", help="forward passes in bfloat16: slow on CPUs without AMX")
    command.add_argument("--compile", action="store_true", help="compile the model first: slow to start, then faster")
    command.add_argument("--threads", type=_whole, metavar="N", help="of each process (default: torch's)")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    command.add_argument("--output", required=True, metavar="FILE", help="the checkpoint")
    command.add_argument("--force", action="store_true", help="replace the output if it exists")


def _add_gift_eval(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands, "gift-eval", "measure a forecaster on the GIFT-Eval benchmark", "ttm-sk gift-eval run -h"
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    _add_gift_eval_run(actions)
    _add_gift_eval_compare(actions)
    _add_gift_eval_head_to_head(actions)


def _add_gift_eval_run(actions: argparse._SubParsersAction) -> None:
    command = _command(
        actions,
        "run",
        "forecast and score the benchmark's tasks; the same command goes on where it was stopped",
        "ttm-sk gift-eval run --storage gift_eval --model ttm-tiny --output results/ttm-tiny\n"
        "         ttm-sk gift-eval run --storage gift_eval --config ett1/H m4_weekly --output results/theta \\\n"
        "             --forecaster sktime.forecasting.theta:ThetaForecaster --set deseasonalize=false",
    )
    command.add_argument("--storage", required=True, metavar="DIR", help="the benchmark's data sets, a folder each")
    command.add_argument(
        "--config", nargs="+", metavar="NAME", help="saugeen/D/short, saugeen/D, saugeen (default: all)"
    )
    command.add_argument("--term", nargs="+", choices=("short", "medium", "long"), help="terms (default: all)")
    command.add_argument("--output", required=True, metavar="FOLDER", help="all_results.csv, config.json, runs.csv")
    contender = command.add_mutually_exclusive_group()
    contender.add_argument("--model", metavar="M", help="name or path of weights (default: ttm-tiny)")
    contender.add_argument("--forecaster", metavar="MODULE:CLASS", help="an sktime forecaster, fitted to each window")
    contender.add_argument("--baseline", choices=("seasonal-naive",), help="what the leaderboard divides by")
    command.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of --forecaster; its sp is the season"
    )
    command.add_argument("--effort", metavar="E", help="of --model (default: the strongest that there is)")
    command.add_argument("--name", metavar="NAME", help="the model's name in the results (default: by what it is)")
    command.add_argument("--batch-size", type=_whole, default=256, metavar="N", help="series in a pass of --model")
    command.add_argument("--device", default="auto", help="of --model: auto, cpu or cuda (default: auto)")


def _add_gift_eval_compare(actions: argparse._SubParsersAction) -> None:
    command = _command(
        actions,
        "compare",
        "set results beside published models on the same tasks",
        "ttm-sk gift-eval compare results/ttm-tiny --output table.md --plot table.png",
    )
    command.add_argument("results", nargs="+", metavar="FOLDER", help="of gift-eval run; wins are those of the first")
    command.add_argument("--models", nargs="+", metavar="NAME", help="published models (default: six; 'all': all)")
    command.add_argument("--output", metavar="FILE", help="write the tables as Markdown (.md)")
    command.add_argument("--plot", metavar="FILE", help="write a picture (.png, .svg, .pdf; needs the extra 'plot')")


def _add_gift_eval_head_to_head(actions: argparse._SubParsersAction) -> None:
    command = _command(
        actions,
        "head-to-head",
        "this package and TabPFN-TS on the same windows: accuracy, seconds, memory",
        "ttm-sk gift-eval head-to-head --storage gift_eval --config ett1/H/short us_births/D --forecasts 20 \\\n"
        "             --tabpfn-weights tabpfn-v2-regressor.ckpt --output head_to_head.csv",
    )
    command.add_argument("--storage", required=True, metavar="DIR", help="the benchmark's data sets, a folder each")
    command.add_argument(
        "--config", nargs="+", required=True, metavar="NAME", help="saugeen/D/short, saugeen/D, saugeen"
    )
    command.add_argument("--term", nargs="+", choices=("short", "medium", "long"), help="terms (default: all)")
    command.add_argument(
        "--forecasts", type=_whole, metavar="N", help="windows of each task (default: all, hours with TabPFN on a CPU)"
    )
    command.add_argument("--tabpfn-weights", metavar="FILE", help="of TabPFN (default: where its package keeps them)")
    command.add_argument(
        "--random-weights", action="store_true", help="no weights of TabPFN: random ones, for seconds and memory alone"
    )
    command.add_argument("--context-length", type=_whole, metavar="N", help="newest steps for TabPFN (default: 32768)")
    command.add_argument("--threads", type=_whole, metavar="N", help="of each process (default: torch's)")
    command.add_argument("--output", metavar="FILE", help="write the rows with hashes and commit (.csv)")
    _add_model(command)


def _add_finetune(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "finetune",
        "adapt weights to the series in a CSV or parquet file",
        "ttm-sk finetune sales.csv --target units --trainable minimal --output mine.safetensors",
    )
    command.add_argument("data", help="CSV (any separator, gzip or not) or parquet file with a line of column names")
    command.add_argument(
        "--target", nargs="+", metavar="C", help="columns to learn from (default: the only numeric one)"
    )
    _add_columns(command)
    command.add_argument("--model", default="ttm-tiny", metavar="M", help="name or path (default: ttm-tiny)")
    command.add_argument(
        "--trainable",
        default="minimal",
        help="head, minimal (decoder and head), bias, adapter or full (default: minimal)",
    )
    command.add_argument("--horizon", type=_whole, metavar="N", help="steps ahead that matter (default: the model's)")
    command.add_argument("--epochs", type=_whole, default=20, metavar="N", help="passes over the windows (default: 20)")
    command.add_argument("--steps", type=_whole, default=400, metavar="N", help="at most (default: 400)")
    command.add_argument("--peak", type=_positive, metavar="X", help="highest learning rate (default: looked for)")
    command.add_argument("--head-dropout", type=_share, metavar="X", help="in decoder and head (default: the model's)")
    command.add_argument("--few-shot", type=_positive, metavar="X", help="newest share (below 1) or count of windows")
    command.add_argument(
        "--validation-share", type=_share, default=0.2, metavar="X", help="last part, examined only (default: .2)"
    )
    command.add_argument("--mix-channels", action="store_true", help="let the columns inform each other")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
    command.add_argument("--time-limit", type=_positive, metavar="S", help="stop after S seconds, with the best so far")
    command.add_argument("--threads", type=_whole, metavar="N", help="default: torch's")
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    command.add_argument("--output", required=True, metavar="FILE", help="the checkpoint")
    command.add_argument("--force", action="store_true", help="replace the output if it exists")


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "evaluate",
        "forecast the past of a file, window after window, and score it beside seasonal naive and classical methods",
        "ttm-sk evaluate sales.csv --target units --horizon 14 --windows 5 --strategy zero-shot auto --plot last.png",
    )
    command.add_argument("data", help="CSV (any separator, gzip or not) or parquet file with a line of column names")
    command.add_argument("--target", nargs="+", metavar="C", help="columns to forecast (default: the only numeric one)")
    command.add_argument("--drivers", nargs="+", metavar="C", help="columns that are known ahead")
    command.add_argument("--fill-drivers", action="store_true", help="fill gaps of the drivers with the value before")
    _add_columns(command)
    command.add_argument("--horizon", type=_whole, required=True, metavar="N", help="steps of a window")
    command.add_argument("--windows", type=_whole, default=5, metavar="N", help="windows, at the end (default: 5)")
    command.add_argument(
        "--strategy", nargs="+", default=["zero-shot"], metavar="S", help="fit strategies (default: zero-shot)"
    )
    command.add_argument("--season", type=_whole, metavar="N", help="steps of a season (default: by the frequency)")
    command.add_argument("--without-classics", action="store_true", help="leave AutoETS and AutoTheta out")
    _add_model(command)
    command.add_argument("--output", metavar="FILE", help="write the scores of every window")
    command.add_argument("--plot", metavar="FILE", help="write a picture of the newest window (needs the extra 'plot')")


def _command(commands: argparse._SubParsersAction, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_columns(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--time",
        metavar="C",
        help="column of the time stamps (default: the only one with dates); with offsets they are read as UTC",
    )
    command.add_argument("--id", metavar="C", help="column that says which series a row belongs to")
    command.add_argument("--freq", metavar="F", help="grid for the time stamps: D, h, 30min, MS, ...; gaps are missing")


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="ttm-tiny", metavar="M", help="name or path (default: ttm-tiny)")
    command.add_argument(
        "--effort", default="fast", help="plain (one pass), fast (two; the default) or best (a backtest on top)"
    )
    command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _number(text: str, kind: Callable[[str], Number], *, is_allowed: Callable[[Number], bool], expected: str) -> Number:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_allowed(value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return value


def _whole(text: str) -> int:
    return _number(text, int, is_allowed=lambda x: x >= 1, expected="a whole number of at least 1")


def _port(text: str) -> int:
    return _number(text, int, is_allowed=lambda x: 0 <= x < 65_536, expected="a port from 0 to 65535")


def _level(text: str) -> float:
    return _number(text, float, is_allowed=lambda x: 0 < x < 1, expected="a level between 0 and 1, such as .9")


def _share(text: str) -> float:
    return _number(text, float, is_allowed=lambda x: 0 <= x <= 1, expected="a share from 0 to 1")


def _positive(text: str) -> float:
    return _number(text, float, is_allowed=lambda x: 0 < x < float("inf"), expected="a number above 0")
