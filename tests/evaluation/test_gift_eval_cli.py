"""``ttm-sk gift-eval``: what it prints, writes and refuses."""

from __future__ import annotations

import warnings

import pytest

from ttm_sk.cli import main

pytest.importorskip("gluonts")


WARNING_FORECASTER = """
import warnings
from sktime.forecasting.naive import NaiveForecaster

class WarningForecaster(NaiveForecaster):
    def _fit(self, y, X, fh):
        warnings.warn("odd numbers")
        return super()._fit(y, X, fh)
"""


def run(storage, output, *options):
    return main(["gift-eval", "run", "--storage", str(storage), "--output", str(output), *options])


def test_when_a_run_is_over_then_it_says_what_was_done_and_what_was_not_there(storage, tmp_path, capsys):
    assert run(storage, tmp_path, "--baseline", "seasonal-naive", "--term", "short") == 0
    said = capsys.readouterr().out
    assert "55 tasks: 12 to do, 0 done before, 43 without data" in said
    assert "12 of 12 tasks scored" in said
    assert "skipped, not in the storage: m4_monthly, m4_weekly" in said


def test_when_a_file_is_damaged_then_the_task_is_named_and_the_others_are_done(tmp_path, storage, capsys):
    (tmp_path / "us_births").symlink_to(storage / "us_births")
    (tmp_path / "hospital").mkdir()
    (tmp_path / "hospital" / "data.arrow").write_bytes(b"no arrow")
    options = ("--baseline", "seasonal-naive", "--config", "hospital", "us_births/D")
    assert run(tmp_path, tmp_path / "out", *options) == 1
    said = capsys.readouterr().out
    assert "failed: hospital/M/short: DataError" in said
    assert "1 of 2 tasks scored, 1 in" in said


def test_when_a_task_that_was_named_is_not_there_then_the_exit_code_tells(storage, tmp_path):
    assert run(storage, tmp_path, "--baseline", "seasonal-naive", "--config", "hospital", "covid_deaths") == 1


def test_when_a_forecaster_is_named_then_it_gets_its_parameters(storage, tmp_path, capsys):
    options = ("--forecaster", "sktime.forecasting.naive:NaiveForecaster", "--set", "strategy=mean", "sp=3")
    assert run(storage, tmp_path, "--config", "m4_quarterly", *options) == 0
    assert '""parameters"": {""sp"": 3, ""strategy"": ""mean""}' in (tmp_path / "runs.csv").read_text()


def test_when_a_forecaster_warns_at_every_fit_then_it_is_told_once(storage, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "warning_forecaster.py").write_text(WARNING_FORECASTER)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        options = ("--config", "m4_quarterly", "--forecaster", "warning_forecaster:WarningForecaster")
        assert run(storage, tmp_path / "out", *options) == 0
    said = [str(warning.message) for warning in told]
    assert said.count("odd numbers") == 1
    assert not [text for text in said if "remember_data" in text]


@pytest.mark.parametrize(
    "options, told",
    [
        (["--config", "hospitl"], "did you mean hospital"),
        (["--forecaster", "nothing"], "expected module:Class"),
        (["--forecaster", "sktime.forecasting.naive:NaiveForecaster", "--set", "strategy"], "expected name=value"),
        (["--set", "a=1"], "add --forecaster"),
        (["--baseline", "seasonal-naive", "--effort", "fast"], "--effort is of --model"),
        (["--effort", "more"], "unknown effort"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_when_an_option_is_wrong_then_one_line_says_so(storage, tmp_path, capsys, options, told):
    assert run(storage, tmp_path / "out", *options) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert told in said[0]
    assert not (tmp_path / "out").exists()


def test_when_settings_differ_then_the_second_run_is_refused(storage, tmp_path, small, capsys):
    assert run(storage, tmp_path, "--config", "m4_yearly", "--model", small, "--effort", "plain") == 0
    assert (
        run(storage, tmp_path, "--config", "hospital", "--model", small, "--effort", "fast", "--name", "small-plain")
        == 2
    )
    assert "found results of other settings" in capsys.readouterr().err


def test_when_results_are_compared_then_tables_and_picture_are_written(storage, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run(
        storage, tmp_path / "own", "--baseline", "seasonal-naive", "--name", "mine", "--config", "m4_yearly", "hospital"
    )
    files = ["--output", str(tmp_path / "a.md"), "--plot", str(tmp_path / "a.png")]
    capsys.readouterr()
    assert main(["gift-eval", "compare", str(tmp_path / "own"), "--models", "TiRex", *files]) == 0
    said = capsys.readouterr().out
    assert (tmp_path / "a.md").read_text() in said
    assert "| **mine** |" in said
    assert "### Seconds by task" in said
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"


def test_when_two_folders_hold_one_model_then_it_is_told(storage, tmp_path, capsys):
    run(storage, tmp_path, "--baseline", "seasonal-naive", "--config", "hospital")
    assert main(["gift-eval", "compare", str(tmp_path), str(tmp_path)]) == 2
    assert "--name" in capsys.readouterr().err
