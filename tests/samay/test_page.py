"""Every code block of the page that describes Samay's TinyTimeMixer, in order, with only the import line changed."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from ttm_sk.errors import UntrainedWarning
from ttm_sk.samay import TinyTimeMixerDataset, TinyTimeMixerModel

pytest.importorskip("matplotlib")

HOURLY = Path(__file__).parents[1] / "data" / "fixtures" / "hourly.csv"
ETT = Path(__file__).parents[3] / "shared" / "data" / "ett" / "ETTh1.csv.gz"
BLOCKS = re.findall(r"```python\n(.*?)```", Path(__file__).with_name("page.md").read_text(encoding="utf-8"), re.DOTALL)
IMPORT = re.compile(r"^from samay\.\w+ import", re.MULTILINE)
# What a small file needs: few epochs, and boundaries that lie inside it.
SMALL = ((re.compile(r"epochs=\d+"), "epochs=1"), (re.compile(r"\[0, 10000, 15000\]"), "[0, 1000, 1400]"))


class Remembering:
    """The dataset; what a call leaves out of the arguments that the page calls required, the call before it gave."""

    def __init__(self) -> None:
        self.before: dict = {}
        self.made: list[TinyTimeMixerDataset] = []

    def __call__(self, **given) -> TinyTimeMixerDataset:
        self.before = given if "path" in given else self.before | given
        self.made.append(TinyTimeMixerDataset(**self.before))
        return self.made[-1]


class Page:
    """The blocks, run one after the other in one namespace, in a folder of their own."""

    def __init__(self, folder: Path, changes=(), say=lambda line: None) -> None:
        import matplotlib.pyplot as plt

        self.say = say
        self.datasets, self.plt, self.figures = Remembering(), plt, []
        self.names: dict = {}
        self.changes = changes
        self.folder = folder
        plt.switch_backend("Agg")

    def show(self) -> None:
        """Instead of ``plt.show``: keep the figure as a file."""
        path = self.folder / f"figure-{len(self.figures)}.png"
        self.plt.gcf().savefig(path, dpi=40)
        self.figures.append((path, [axes.get_title() for axes in self.plt.gcf().axes]))
        self.plt.close("all")

    def run(self) -> None:
        for number, block in enumerate(BLOCKS, start=1):
            began = time.monotonic()
            code = IMPORT.sub("from ttm_sk.samay import", block)
            for pattern, text in self.changes:
                code = pattern.sub(text, code)
            with_memory = code.replace("import TinyTimeMixerDataset", "import TinyTimeMixerDataset as _Dataset")
            self.names["TinyTimeMixerDataset"] = self.datasets
            exec(compile(with_memory, f"block {number} of {len(BLOCKS)}", "exec"), self.names)  # noqa: S102
            self.say(f"block {number} of {len(BLOCKS)}: {time.monotonic() - began:.0f} s")


def run_page(folder: Path, csv: bytes, monkeypatch: pytest.MonkeyPatch, changes=(), **further) -> tuple[Page, list]:
    (folder / "data").mkdir()
    for name in ("ETTh1.csv", "new_domain.csv", "multivariate.csv"):
        (folder / "data" / name).write_bytes(csv)
    monkeypatch.chdir(folder)
    page = Page(folder, changes, **further)
    monkeypatch.setattr(page.plt, "show", lambda: page.show())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        page.run()
    return page, caught


def check(page: Page, caught: list, printed: str, n_channels: int) -> None:
    model, names = page.names["model"], page.names
    assert isinstance(model, TinyTimeMixerModel)
    assert names["finetuned_model"].history
    n_windows = len(names["test_dataset"])
    assert names["preds"].shape == names["trues"].shape == (n_windows, n_channels, 96)
    assert names["histories"].shape == (n_windows, n_channels, 512)
    assert np.isfinite(names["preds"]).all()
    assert f"Predictions shape: ({len(page.datasets.made[7])}, {n_channels}, 96)" in printed
    for words in ("Average Loss: ", "Average Test Loss: ", "MSE:  ", "MAPE: ", "Tiny Model:", "Base Model:"):
        assert words in printed
    assert [dataset.batch_size for dataset in page.datasets.made[8:10]] == [256, 32]
    assert [dataset.stride for dataset in page.datasets.made[10:12]] == [1, 96]
    assert [titles[0] for _, titles in page.figures] == [
        "TinyTimeMixer Time Series Forecasting",
        "Channel 0",
        "Error Distribution",
    ]
    assert all(path.stat().st_size > 5_000 for path, _ in page.figures)
    # 8-bit weights forecast nearly the same as those that they were rounded from
    before = model.evaluate(names["test_dataset"])[2]
    assert 0 < np.abs(names["preds"] - before).mean() < 0.1 * before.std()
    loaded = names["loaded_model"].evaluate(names["test_dataset"])[2]
    np.testing.assert_array_equal(loaded, before)
    assert (page.folder / "tinytimemixer_model.pt").read_bytes()[8:9] == b"{"  # safetensors, whatever its ending
    unexpected = [w for w in caught if w.category is not UntrainedWarning and "quantiz" not in str(w.message)]
    assert not unexpected, [str(w.message) for w in unexpected]
    assert sum(w.category is UntrainedWarning for w in caught) == 3  # tiny, small and base of other widths


def test_when_the_page_is_run_in_order_then_every_block_works(tmp_path, monkeypatch, capsys):
    page, caught = run_page(tmp_path, HOURLY.read_bytes(), monkeypatch, SMALL)
    check(page, caught, capsys.readouterr().out, n_channels=2)


@pytest.fixture
def _all_cores():
    before = torch.get_num_threads()
    ours = getattr(os, "sched_getaffinity", None)  # Linux: fewer than there are, where taskset or a container says so
    torch.set_num_threads(len(ours(0)) if ours else os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_all_cores")
@pytest.mark.parametrize("changes", [SMALL[:1], ()], ids=["one_epoch", "as_written"])
def test_when_the_page_is_run_on_etth1_then_every_block_works(tmp_path, monkeypatch, capsys, changes):
    if not ETT.is_file():
        pytest.skip("no ETTh1.csv.gz beside the repository")

    def say(line: str) -> None:  # past the capture: an hour without a word looks like a hang
        with capsys.disabled():
            print(line, flush=True)  # noqa: T201

    page, caught = run_page(tmp_path, gzip.decompress(ETT.read_bytes()), monkeypatch, changes, say=say)
    check(page, caught, capsys.readouterr().out, n_channels=7)
    shutil.rmtree(tmp_path / "data")
