"""Folders of the benchmark and of its results that are not what they should be."""

from __future__ import annotations

from bad_input.cause import Cause, CommandError, command

__all__ = ["CAUSES"]


def _gift_eval(*options: str, config: str = "hospital", make=None):
    """A run on a storage that ``make`` fills."""

    def act(place):
        (place.folder / "storage" / "hospital").mkdir(parents=True)
        if make is not None:
            make(place)
        output = str(place.folder / "results")
        asked = ["--storage", str(place.folder / "storage"), "--config", config, "--output", output]
        return command("gift-eval", "run", *asked, *(options or ("--model", place.model)))

    return act


def _results(name: str, content: str | bytes):
    return lambda place: place.file(f"results/{name}", content)


def _compare(make=None):
    def act(place):
        if make is not None:
            make(place)
        return command("gift-eval", "compare", str(place.folder / "results"))

    return act


def _case(name: str, act, found: str) -> Cause:
    return Cause(name, act, found, CommandError)


CAUSES = [
    _case(
        "a storage that is not there",
        lambda place: command("gift-eval", "run", "--storage", "nowhere", "--output", str(place.folder / "r")),
        "nowhere",
    ),
    _case(
        "a storage without any data set",
        lambda place: command(
            "gift-eval",
            "run",
            "--storage",
            str(place.folder),
            "--model",
            place.model,
            "--output",
            str(place.folder / "r"),
        ),
        "none of the",
    ),
    _case("a configuration that there is not", _gift_eval(config="moon"), "moon"),
    _case("a term that there is not", _gift_eval("--term", "eternal"), "eternal"),
    _case("a term that the configuration lacks", _gift_eval("--term", "long"), "hospital"),
    _case("a forecaster that there is not", _gift_eval("--forecaster", "nowhere:Nobody"), "nowhere"),
    _case("a class that is not in its module", _gift_eval("--forecaster", "math:Nobody"), "Nobody"),
    _case("a class that is no forecaster", _gift_eval("--forecaster", "math:floor"), "floor|math"),
    _case("a forecaster without a colon", _gift_eval("--forecaster", "theta"), "theta"),
    _case("parameters without a forecaster", _gift_eval("--set", "sp=3"), "--set"),
    _case(
        "a parameter without a value",
        _gift_eval("--forecaster", "sktime.forecasting.naive:NaiveForecaster", "--set", "sp"),
        "'sp'",
    ),
    _case(
        "a parameter that the forecaster lacks",
        _gift_eval("--forecaster", "sktime.forecasting.naive:NaiveForecaster", "--set", "luck=3"),
        "luck",
    ),
    _case("an effort of a baseline", _gift_eval("--baseline", "seasonal-naive", "--effort", "fast"), "--effort"),
    _case("an effort that there is not", _gift_eval("--effort", "quick"), "quick"),
    _case("a model that there is not", _gift_eval("--model", "nowhere"), "nowhere"),
    _case("results of something else", _gift_eval(make=_results("all_results.csv", "a,b\n1,2\n")), "other columns"),
    _case("results that are no text", _gift_eval(make=_results("all_results.csv", b"\xff\xfe\x00")), "all_results.csv"),
    _case("a table of no results", _compare(), "results"),
    _case("a table of something else", _compare(_results("all_results.csv", "a,b\n1,2\n")), "all_results.csv"),
    _case("a table that is empty", _compare(_results("all_results.csv", "")), "all_results.csv"),
    _case("a table of zero bytes", _compare(_results("all_results.csv", b"\0\0\0")), "all_results.csv"),
]
