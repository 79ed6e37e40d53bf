"""The command line: what it prints, writes and refuses. Nothing here depends on how well the weights forecast."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import ttm_sk
from ttm_sk.checkpoints.hub import BUNDLED
from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.cli import main
from ttm_sk.estimators.forecast_table import readable
from ttm_sk.models.ttm import TTM, TTMConfig

SMALL = TTMConfig(
    context_length=64,
    prediction_length=8,
    patch_length=16,
    width=8,
    n_levels=1,
    n_layers=1,
    decoder_width=8,
    decoder_layers=1,
    levels=(0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95),
    head_width=8,
    scaling="asinh",
)
DAYS = pd.date_range("2024-01-01", periods=30, freq="D").strftime("%Y-%m-%d")
VALUES = [round(10 + i % 7 + i / 10, 1) for i in range(30)]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> str:
    """A checkpoint with random weights, small enough to be quick."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return str(save_checkpoint(Checkpoint(SMALL, TTM(SMALL).state_dict(), {"windows": 7, "datasets": ["a"]}), path))


@pytest.fixture
def sales(tmp_path) -> pd.DataFrame:
    return pd.DataFrame({"day": DAYS, "sales": VALUES})


def write(folder: Path, frame: pd.DataFrame) -> str:
    frame.to_csv(folder / "data.csv", index=False)
    return str(folder / "data.csv")


def stores(sales: pd.DataFrame, n_stores: int) -> pd.DataFrame:
    return pd.concat([sales.assign(store=f"s{k}", sales=sales["sales"] * (k + 1)) for k in range(n_stores)])


# forecast


def test_when_a_series_is_forecast_then_a_table_is_printed(tmp_path, sales, small, capsys):
    assert main(["forecast", write(tmp_path, sales), "--horizon", "5", "--model", small]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["time", "target", "forecast", "0.1", "0.9"]
    assert [line.split()[0] for line in lines[2:]] == [f"2024-01-{day}" for day in (31,)] + [
        f"2024-02-0{day}" for day in range(1, 5)
    ]


def test_when_an_output_is_named_then_it_holds_every_level(tmp_path, sales, small):
    output = tmp_path / "new" / "out.csv.gz"
    options = ["--levels", ".3", ".07", ".9", "--output", str(output), "--effort", "plain", "--model", small]
    assert main(["forecast", write(tmp_path, sales), "--horizon", "20", *options]) == 0
    table = pd.read_csv(output)
    assert table.columns.tolist() == ["time", "target", "forecast", "0.07", "0.3", "0.9"]
    assert len(table) == 20
    assert (table[["0.07", "0.3", "0.9"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_when_a_panel_is_forecast_then_ids_and_targets_are_columns(tmp_path, sales, small):
    pytest.importorskip("pyarrow")
    table = stores(sales, 3).assign(price=2.0)
    table.to_parquet(tmp_path / "data.parquet", index=False)
    output = tmp_path / "out.parquet"
    options = ["--id", "store", "--target", "sales", "price", "--horizon", "4", "--model", small]
    assert main(["forecast", str(tmp_path / "data.parquet"), *options, "--output", str(output)]) == 0
    written = pd.read_parquet(output)
    assert written.columns.tolist() == ["id", "time", "target", "forecast", "0.1", "0.5", "0.9"]
    assert written.groupby(["id", "target"]).size().tolist() == [4] * 6


def test_when_stamps_have_a_time_zone_then_offsets_are_printed(tmp_path, sales, small, capsys):
    hours = pd.date_range("2024-01-01", periods=30, freq="h", tz="Europe/Berlin")
    assert main(["forecast", write(tmp_path, sales.assign(day=hours)), "--horizon", "2", "--model", small]) == 0
    assert "2024-01-02 05:00+0000" in capsys.readouterr().out


def test_when_a_number_rounds_to_zero_then_it_has_no_minus():
    assert readable(pd.DataFrame({"forecast": [-0.3, 5000.0]}))["forecast"].tolist() == ["0", "5,000"]


@pytest.mark.parametrize(("name", "message"), [("data.csv", r"the file with the data"), ("folder.csv", r"a folder")])
def test_when_the_output_is_the_data_or_a_folder_then_nothing_is_written(tmp_path, sales, small, capsys, name, message):
    (tmp_path / "folder.csv").mkdir()
    data = write(tmp_path, sales)
    assert main(["forecast", data, "--horizon", "2", "--model", small, "--output", str(tmp_path / name)]) == 2
    assert re.search(f"--output: .*{message}", capsys.readouterr().err)
    pd.testing.assert_frame_equal(pd.read_csv(data), sales)


def test_when_the_panel_is_large_then_a_summary_is_printed(tmp_path, sales, small, capsys):
    data = write(tmp_path, stores(sales, 60))
    assert main(["forecast", data, "--id", "store", "--horizon", "3", "--model", small]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("60 series")
    assert lines[-1] == "... 12 more series"


def test_when_the_horizon_is_long_then_the_first_steps_are_printed(tmp_path, sales, small, capsys):
    assert main(["forecast", write(tmp_path, sales), "--horizon", "100", "--model", small]) == 0
    assert "... 76 more steps, to 2024-05-09" in capsys.readouterr().out


@pytest.mark.parametrize(("ending", "n_stores"), [("png", 1), ("svg", 8)])
def test_when_a_plot_is_named_then_a_picture_is_written(tmp_path, sales, small, capsys, ending, n_stores):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture.{ending}"
    data = write(tmp_path, stores(sales, n_stores))
    assert main(["forecast", data, "--id", "store", "--horizon", "9", "--model", small, "--plot", str(path)]) == 0
    assert path.stat().st_size > 5000
    assert ("the first 6 of 8" in capsys.readouterr().out) == (n_stores == 8)


def test_when_writing_fails_then_nothing_is_left(tmp_path, sales, small, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "out.csv")

    data, folder = write(tmp_path, sales), tmp_path / "out"
    monkeypatch.setattr("os.replace", full)
    output = str(folder / "out.csv")
    assert main(["forecast", data, "--horizon", "2", "--model", small, "--output", output]) == 1
    assert list(folder.iterdir()) == []
    assert capsys.readouterr().err == f"ttm-sk: error: {output}: No space left on device\n"


# info, demo


def test_when_info_is_asked_then_the_facts_are_printed(small, capsys):
    assert main(["info", small]) == 0
    text = capsys.readouterr().out
    assert re.search(r"levels +0\.05 0\.1 0\.3 0\.5 0\.7 0\.9 0\.95", text)
    assert re.search(r"training +7 windows", text)


def test_when_info_is_asked_as_json_then_it_is_the_bundled_checkpoint(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"] == "ttm-tiny"
    assert 0 < facts["n_parameters"] < 1_000_000
    assert replace(TTMConfig.from_dict(facts["config"]), fed_back_weight=1.0) == TTMConfig.tiny()


@pytest.mark.parametrize(("example", "n_rows", "naive"), [("solar", 16, "0.606"), ("airline", 24, "2.494")])
def test_when_the_demo_runs_then_it_compares_and_draws(tmp_path, small, capsys, example, n_rows, naive):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "demo.png"
    assert main(["demo", "--example", example, "--output", str(picture), "--model", small]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line[:2] in ("19", "20") or line.lstrip()[:2] in ("19", "20") for line in lines) == n_rows
    scores = [line.split() for line in lines if re.search(r"(small|seasonal naive) +\d", line)]
    assert [row[0] for row in scores] == ["small", "seasonal"]
    assert scores[1][2] == naive
    assert picture.read_bytes()[1:4] == b"PNG"


def test_when_the_version_is_asked_then_it_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"ttm-sk {ttm_sk.__version__}\n"


@pytest.mark.parametrize("command", ["forecast", "info", "demo", "pretrain"])
def test_when_help_is_asked_then_it_has_an_example(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "-h"])
    assert f"example: ttm-sk {command}" in capsys.readouterr().out


# pretrain


def pretrain(small: str, *options: str) -> int:
    return main(["pretrain", "--from", small, "--windows", "16", "--batch-size", "8", "--device", "cpu", *options])


def test_when_windows_are_reversed_and_steps_have_parts_then_training_is_told(small, tmp_path, capsys):
    folder, output = tmp_path / "corpus", tmp_path / "mine.safetensors"
    folder.mkdir()
    write(folder, pd.DataFrame({"a": np.arange(200.0) ** 2}))
    options = ["--corpus", str(folder), "--reversed-share", "0.5", "--changed-share", "0.25"]
    assert pretrain(small, *options, "--accumulate", "3", "--output", str(output)) == 2
    assert "1 processes with 3 parts each; choose a multiple of 3" in capsys.readouterr().err
    assert pretrain(small, *options, "--accumulate", "4", "--output", str(output)) == 0
    settings = ttm_sk.load_checkpoint(output).provenance["runs"][-1]["settings"]
    assert (settings["reversed_share"], settings["changed_share"]) == (0.5, 0.25)


def test_when_weights_are_trained_onwards_then_the_checkpoint_says_so(tmp_path, small, capsys):
    output = tmp_path / "new.safetensors"
    assert pretrain(small, "--output", str(output)) == 0
    assert ttm_sk.load_checkpoint(output).provenance["windows"] == 7 + 16
    assert f"wrote {output}" in capsys.readouterr().out


def test_when_the_corpus_is_a_folder_of_tables_then_held_out_series_are_left_out(tmp_path, sales, small, capsys):
    folder, output = tmp_path / "mine", tmp_path / "new.safetensors"
    folder.mkdir()
    write(folder, stores(sales, 2).assign(price=np.arange(60.0)))
    airline = pd.read_csv(Path(ttm_sk.__file__).parent / "data" / "examples" / "airline.csv")
    airline.set_axis(["month", "things"], axis=1).to_csv(folder / "innocent.csv", index=False)
    arguments = ["--corpus", str(folder), "--output", str(output)]
    assert pretrain(small, *arguments, "--id", "store") == 2
    assert "innocent.csv: found no column 'store'" in capsys.readouterr().err
    write(folder, sales)
    assert pretrain(small, *arguments) == 0
    assert "innocent.csv (copy of airline)" in capsys.readouterr().out
    assert ttm_sk.load_checkpoint(output).provenance["datasets"] == ["a", "data"]


def test_when_a_part_of_the_corpus_is_kept_back_then_the_loss_on_it_is_said(tmp_path, small, capsys):
    folder, output = tmp_path / "mine", tmp_path / "new.safetensors"
    folder.mkdir()
    walks = np.random.default_rng(0).normal(size=(200, 6)).cumsum(axis=0)
    write(folder, pd.DataFrame(walks, columns=list("abcdef")))
    assert pretrain(small, "--corpus", str(folder), "--validation-share", "0.4", "--output", str(output)) == 0
    loss = ttm_sk.load_checkpoint(output).provenance["runs"][-1]["validation_loss"]
    assert f"validation loss {loss:.4f}" in capsys.readouterr().out


def test_when_fed_back_steps_are_to_be_marked_then_the_checkpoint_has_their_weight(tmp_path, capsys):
    start, output = tmp_path / "start.safetensors", tmp_path / "new.safetensors"
    config = replace(SMALL, with_flags=True)
    save_checkpoint(Checkpoint(config, TTM(config).state_dict()), start)
    options = ["--synthetic-share", "1", "--fed-back-share", "0.5", "--fed-back-weight", "0.5"]
    assert pretrain(str(start), *options, "--output", str(output)) == 0
    assert ttm_sk.load_checkpoint(output).config.fed_back_weight == 0.5


def test_when_the_time_limit_ends_the_run_then_the_state_continues_it(tmp_path, small, capsys):
    output = tmp_path / "new.safetensors"
    options = ["--state-file", str(tmp_path / "run.state"), "--output", str(output)]
    assert pretrain(small, *options, "--time-limit", "1e-9") == 1
    assert "stopped by the time limit after 8 windows" in capsys.readouterr().out
    assert not output.exists()
    assert pretrain(small, *options) == 0
    assert ttm_sk.load_checkpoint(output).provenance["runs"][-1]["windows"] == 16


def test_when_the_output_exists_then_it_is_replaced_only_by_force(tmp_path, small, capsys):
    output = tmp_path / "new.safetensors"
    output.write_text("precious")
    assert pretrain(small, "--output", str(output)) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_text() == "precious"
    assert pretrain(small, "--output", str(output), "--force", "--synthetic-share", "1") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus", "nowhere"], "neither MANIFEST.csv nor a CSV"),
        (["--corpus", "nowhere", "--licence-class", "open"], "--licence-class needs a MANIFEST.csv"),
        (["--windows", "0"], "argument --windows: found '0'"),
        (["--synthetic-share", "2"], "found '2', expected a share from 0 to 1"),
        (["--preset", "tiny"], "not allowed with argument --from"),
    ],
)
def test_when_pretraining_cannot_begin_then_nothing_is_written(tmp_path, small, capsys, options, message):
    assert pretrain(small, "--output", str(tmp_path / "new.safetensors"), *options) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Wrong inputs


def refused(capsys, *arguments: str) -> str:
    """The one line that a command with wrong input prints."""
    assert main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ttm-sk: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


WRONG_DATA = {
    "irregular": (lambda t: t.drop(index=5), [], r"2024-01-05 00:00:00 is followed by 2024-01-07 .*--freq D"),
    "duplicate": (lambda t: pd.concat([t, t.tail(1)]), [], r"duplicate time stamps \(2024-01-30"),
    "unsorted": (lambda t: t.iloc[::-1], [], r"not sorted \(2024-01-29 00:00:00 in row 2"),
    "no rows": (lambda t: t.head(0), [], r"is empty: found 0 rows"),
    "all missing": (lambda t: t.assign(sales=np.nan), [], r"column 'sales': all 30 values are missing"),
    "infinite": (lambda t: t.replace(VALUES[3], np.inf), [], r"column 'sales', row 4: found an infinite"),
    "text": (lambda t: t.replace(VALUES[3], "many"), [], r"column 'sales', row 4: found 'many'"),
    "unknown column": (
        lambda t: t,
        ["--target", "salse"],
        r"no column 'salse' .did you mean 'sales'\?.*'day', 'sales'",
    ),
    "several targets": (lambda t: t.assign(price=1.0), [], r"several columns .*'sales', 'price'.*--target"),
    "several times": (lambda t: t.assign(due=t["day"]), [], r"several columns .*'day', 'due'.*--time"),
    "missing in panel": (
        lambda t: pd.concat([t.assign(shop="a"), t.assign(shop="b", sales=np.nan)]),
        ["--id", "shop"],
        r"series 'b', column 'sales': all 30",
    ),
    "panel without id": (lambda t: stores(t, 2), [], r"duplicate time stamps .*--id"),
    "bad frequency": (lambda t: t, ["--freq", "often"], r"found freq='often'"),
    "level": (lambda t: t, ["--levels", ".999"], r"level 0\.999; this checkpoint knows levels from 0\.05 to 0\.95"),
    "effort": (lambda t: t, ["--effort", "quick"], r"effort 'quick'; choose one of 'plain', 'fast', 'best'"),
    "device": (lambda t: t, ["--device", "abacus"], r"device='abacus'"),
    "output": (lambda t: t, ["--output", "out.xlsx"], r"--output: found 'out.xlsx', expected .*\.parquet"),
    "plot": (lambda t: t, ["--plot", "out.gif"], r"--plot: found 'out.gif', expected .*\.png"),
}


@pytest.mark.parametrize(("spoil", "options", "message"), WRONG_DATA.values(), ids=WRONG_DATA)
def test_when_the_data_or_an_option_is_wrong_then_one_line_says_so(
    tmp_path, sales, small, capsys, spoil, options, message
):
    data = write(tmp_path, spoil(sales))
    assert re.search(message, refused(capsys, "forecast", data, "--horizon", "3", "--model", small, *options))


@pytest.mark.parametrize("horizon", ["0", "-3", "1.5", "soon"])
def test_when_the_horizon_is_no_positive_number_then_it_is_refused(tmp_path, sales, capsys, horizon):
    text = refused(capsys, "forecast", write(tmp_path, sales), "--horizon", horizon)
    assert f"--horizon: found '{horizon}', expected a whole number of at least 1" in text


@pytest.mark.parametrize("arguments", [[], ["fourcast"], ["forecast", "x.csv"], ["demo", "--example", "lunar"]])
def test_when_the_command_line_is_incomplete_then_help_is_named(capsys, arguments):
    assert " -h" in refused(capsys, *arguments)


def test_when_a_file_is_missing_then_it_is_named(tmp_path, capsys):
    assert "no file" in refused(capsys, "forecast", str(tmp_path / "none.csv"), "--horizon", "3")


def test_when_the_checkpoint_is_missing_then_known_names_are_listed(capsys):
    assert "known names are 'ttm-tiny'" in refused(capsys, "info", "ttm-huge")


@pytest.mark.parametrize("command", ["info", "forecast"])
def test_when_the_checkpoint_is_damaged_or_foreign_then_it_is_refused(tmp_path, sales, capsys, command):
    content = (BUNDLED / "ttm-tiny.safetensors").read_bytes()
    path = tmp_path / "x.safetensors"
    data = ["forecast", write(tmp_path, sales), "--horizon", "3", "--model"] if command == "forecast" else ["info"]
    path.write_bytes(content[: len(content) // 2])
    assert "truncated" in refused(capsys, *data, str(path))
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "were changed after they were written" in refused(capsys, *data, str(path))
    save_file({"weight": torch.zeros(2)}, path)
    assert "not one of ttm_sk" in refused(capsys, *data, str(path))


def test_when_torchrun_starts_several_processes_then_only_the_first_complains(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert main(["info", "ttm-huge"]) == 2
    assert capsys.readouterr().err == ""


def test_when_a_checkpoint_is_converted_there_and_back_then_it_forecasts_the_same(tmp_path, capsys):
    config = TTMConfig(**SMALL.to_dict() | {"levels": (), "head_width": 0, "scaling": "std"})
    torch.manual_seed(0)
    path = save_checkpoint(Checkpoint(config, TTM(config).state_dict()), tmp_path / "points.safetensors")
    folder, again = tmp_path / "folder", tmp_path / "again.safetensors"
    assert main(["convert", str(path), "--to", "granite", "--output", str(folder)]) == 0
    assert main(["convert", str(folder), "--to", "ttm-sk", "--output", str(again)]) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert ttm_sk.load_checkpoint(again).hash == ttm_sk.load_checkpoint(path).hash
    assert "format granite" in capsys.readouterr().out


def test_when_a_checkpoint_cannot_be_converted_then_nothing_is_written(tmp_path, small, capsys):
    assert main(["convert", small, "--to", "granite", "--output", str(tmp_path / "folder")]) == 2
    assert "Granite's format has no key for scaling='asinh'" in capsys.readouterr().err
    assert main(["convert", small, "--to", "ttm-sk", "--output", small]) == 2
    assert "exists, which stays" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_when_the_output_is_the_state_file_then_nothing_is_trained(tmp_path, capsys):
    path = str(tmp_path / "both")
    assert main(["pretrain", "--windows", "8", "--state-file", path, "--output", path]) == 2
    assert "is the state file, which stays" in capsys.readouterr().err


def test_when_levels_are_called_alike_then_they_are_refused(capsys):
    assert (
        main(
            [
                "forecast",
                str(Path(ttm_sk.__file__).parent / "data/examples/airline.csv"),
                "--horizon",
                "3",
                "--levels",
                "0.1",
                "0.10000001",
            ]
        )
        == 2
    )
    assert "found levels that are called alike" in capsys.readouterr().err
