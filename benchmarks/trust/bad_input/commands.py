"""Command lines that ask for what cannot be."""

from __future__ import annotations

from pathlib import Path

from bad_input.cause import Cause, CommandError, command

__all__ = ["CAUSES"]


def _forecast(*options: str, horizon: str = "3"):
    return lambda place: command("forecast", place.sales, "--horizon", horizon, "--model", place.model, *options)


def _run(*arguments: str):
    """A command in whose arguments {data}, {model} and {folder} stand for a place's."""

    def act(place):
        known = {"{data}": "sales", "{model}": "model", "{folder}": "folder"}
        texts = [_filled(argument, place, known) for argument in arguments]
        return command(*texts)

    return act


def _filled(argument: str, place, known: dict[str, str]) -> str:
    for mark, name in known.items():
        if mark in argument:
            argument = argument.replace(mark, str(getattr(place, name)))
    return argument


def _existing(*arguments: str):
    def act(place):
        Path(place.folder / "there.safetensors").write_text("precious")
        _run(*arguments)(place)

    return act


def _case(name: str, act, found: str) -> Cause:
    return Cause(name, act, found, CommandError)


OUT = ("--output", "{folder}/there.safetensors")
CAUSES = [
    _case("no command", _run(), "COMMAND"),
    _case("an unknown command", _run("forcast"), "forcast"),
    _case("an unknown option", _forecast("--colour", "red"), "--colour"),
    _case("forecast without a horizon", _run("forecast", "{data}"), "--horizon"),
    _case("forecast without a file", _run("forecast", "--horizon", "3"), "data"),
    _case("--horizon 0", _forecast(horizon="0"), "'0'"),
    _case("--horizon 2.5", _forecast(horizon="2.5"), "'2.5'"),
    _case("--horizon soon", _forecast(horizon="soon"), "'soon'"),
    _case("--levels 0", _forecast("--levels", "0"), "'0'"),
    _case("--levels 1.2", _forecast("--levels", "1.2"), "'1.2'"),
    _case("--levels nan", _forecast("--levels", "nan"), "'nan'"),
    _case("--levels high", _forecast("--levels", "high"), "'high'"),
    _case("--levels .999", _forecast("--levels", ".999"), "0.999"),
    _case("--effort quick", _forecast("--effort", "quick"), "quick"),
    _case("--device abacus", _forecast("--device", "abacus"), "abacus"),
    _case("--output in an unknown format", _forecast("--output", "x.xlsx"), "x.xlsx"),
    _case("--output that is the data", _run("forecast", "{data}", "--horizon", "3", "--output", "{data}"), "data.csv"),
    _case("--plot in an unknown format", _forecast("--plot", "x.gif"), "x.gif"),
    _case("--target that is not there", _forecast("--target", "salse"), "salse"),
    _case("--time that is not there", _forecast("--time", "dya"), "dya"),
    _case("--id that is not there", _forecast("--id", "shop"), "shop"),
    _case("--freq often", _forecast("--freq", "often"), "often"),
    _case("forecast of a file that is not there", _run("forecast", "{folder}/no.csv", "--horizon", "3"), "no.csv"),
    _case("forecast of a folder", _run("forecast", "{folder}", "--horizon", "3"), "found no file"),
    _case(
        "forecast by weights that are not there", _run("forecast", "{data}", "--horizon", "3", "--model", "no"), "'no'"
    ),
    _case(
        "forecast by a CSV file as weights",
        _run("forecast", "{data}", "--horizon", "3", "--model", "{data}"),
        "data.csv",
    ),
    _case("info on weights that are not there", _run("info", "nowhere"), "nowhere"),
    _case("info on a CSV file", _run("info", "{data}"), "data.csv"),
    _case("convert to an unknown format", _run("convert", "{model}", "--to", "pickle", "--output", "x"), "pickle"),
    _case(
        "convert what the format cannot say",
        _run("convert", "{model}", "--to", "granite", "--output", "{folder}/g"),
        "[Gg]ranite|levels|quantile",
    ),
    _case("convert over a file", _existing("convert", "{model}", "--to", "ttm-sk", *OUT), "there.safetensors"),
    _case("export over a file", _existing("export", "{model}", *OUT), "there.safetensors"),
    _case("export in an unknown format", _run("export", "{model}", "--format", "c", *OUT), "'c'"),
    _case("pretrain over a file", _existing("pretrain", "--windows", "8", *OUT), "there.safetensors"),
    _case("pretrain on 0 windows", _run("pretrain", "--windows", "0", *OUT), "'0'"),
    _case("pretrain on a share of 2", _run("pretrain", "--synthetic-share", "2", *OUT), "'2'"),
    _case("pretrain at an infinite rate", _run("pretrain", "--peak", "inf", *OUT), "'inf'"),
    _case("pretrain with a seed of text", _run("pretrain", "--seed", "x", *OUT), "'x'"),
    _case(
        "pretrain with a negative seed",
        _run("pretrain", "--from", "{model}", "--windows", "8", "--seed", "-1", *OUT),
        "-1",
    ),
    _case(
        "pretrain from a preset and a file", _run("pretrain", "--preset", "tiny", "--from", "{model}", *OUT), "--from"
    ),
    _case(
        "pretrain an architecture that the file is not",
        _run("pretrain", "--from", "{model}", "--architecture", "timer-xl", *OUT),
        "timer-xl",
    ),
    _case("pretrain on a folder that is not there", _run("pretrain", "--corpus", "{folder}/no", *OUT), "no"),
    _case(
        "pretrain with warm-up beyond the run",
        _run(
            "pretrain",
            "--from",
            "{model}",
            "--windows",
            "80",
            "--batch-size",
            "8",
            "--warmup-share",
            "1",
            "--decay-share",
            "1",
            *OUT,
        ),
        "warm",
    ),
    _case(
        "finetune an unknown part",
        _run("finetune", "{data}", "--model", "{model}", "--trainable", "knees", *OUT),
        "knees",
    ),
    _case("finetune for 0 steps", _run("finetune", "{data}", "--model", "{model}", "--steps", "0", *OUT), "'0'"),
    _case("finetune over a file", _existing("finetune", "{data}", "--model", "{model}", *OUT), "there.safetensors"),
    _case(
        "finetune with all of the data kept aside",
        _run("finetune", "{data}", "--model", "{model}", "--validation-share", "1", *OUT),
        "1",
    ),
    _case(
        "evaluate more windows than there are",
        _run("evaluate", "{data}", "--model", "{model}", "--horizon", "20", "--windows", "9"),
        "40|windows|short",
    ),
    _case(
        "evaluate an unknown strategy",
        _run("evaluate", "{data}", "--model", "{model}", "--horizon", "3", "--strategy", "luck"),
        "luck",
    ),
    _case(
        "evaluate with drivers that are not there",
        _run("evaluate", "{data}", "--model", "{model}", "--horizon", "3", "--target", "sales", "--drivers", "rain"),
        "rain",
    ),
    _case("demo of an unknown example", _run("demo", "--example", "moon"), "moon"),
    _case("gift-eval without an action", _run("gift-eval"), "ACTION"),
    _case("speculate without models", _run("speculate", "run"), "required|--"),
    _case("distill without a target", _run("distill"), "required|--"),
]
