"""The benchmark on data sets that no weights saw: which they are, their tasks, and what is written of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scripts import script

from ttm_sk.checkpoints.store import Checkpoint, save_checkpoint
from ttm_sk.models.ttm import TTM, TTMConfig

pytest.importorskip("gluonts")


def walk(seed: int, n_steps: int) -> np.ndarray:
    return 50 + np.random.default_rng(seed).normal(size=n_steps).cumsum()


def write_corpus(folder: Path, datasets: dict[str, tuple[str, list[np.ndarray]]]) -> Path:
    """As the one that is trained on: sixteen-bit steps of every series, how to undo that, and a manifest."""
    folder.mkdir()
    rows = []
    for name, (frequency, series) in datasets.items():
        offsets = np.concatenate([[0], np.cumsum([len(x) for x in series])])
        loc, scale = np.array([x.mean() for x in series]), np.array([x.std() / 1000 for x in series])
        steps = [np.round((x - m) / s).astype(np.int16) for x, m, s in zip(series, loc, scale, strict=True)]
        meta = json.dumps({"domain": "any", "freq": frequency})
        values = np.concatenate(steps)
        np.savez(folder / f"{name}.npz", values=values, offsets=offsets, loc=loc, scale=scale, meta=meta)
        rows.append({"name": name, "domain": "any", "freq": frequency})
    with (folder / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def weights_that_saw(path: Path, names: list[str]) -> Path:
    torch.manual_seed(0)
    config = TTMConfig(context_length=64, prediction_length=12, patch_length=16, width=8, n_layers=1, decoder_width=8)
    return save_checkpoint(Checkpoint(config, TTM(config).state_dict(), {"datasets": names}), path)


def test_when_data_sets_were_seen_or_have_no_known_frequency_then_they_are_left_out(tmp_path):
    elsewhere = script("gift_eval/elsewhere")
    days = ("D", [walk(0, 500)])
    corpus = write_corpus(
        tmp_path / "corpus",
        {"seen": days, "unseen": days, "sunspots_daily": days, "fred_md": days, "beats": ("4ms", [walk(1, 500)])},
    )
    ((name, (manifest, (series,))),) = elsewhere.unseen_datasets(corpus, ["seen"])
    assert (name, manifest["freq"]) == ("unseen", "D")
    np.testing.assert_allclose(series, walk(0, 500), atol=0.01)


def test_when_there_are_many_series_then_ten_from_all_over_and_short_ones_last(tmp_path):
    elsewhere = script("gift_eval/elsewhere")
    many = [walk(i, 20 if i % 2 else 400 + i) for i in range(60)]
    corpus = write_corpus(tmp_path / "corpus", {"many": ("D", many)})
    series = elsewhere.some_series(corpus / "many.npz", least=150)
    assert [len(x) for x in series][:1] + [len(x) for x in series][-1:] == [400, 458]
    assert len(series) == 10
    only_short = write_corpus(tmp_path / "short", {"short": ("YS", [walk(i, 20) for i in range(3)])})
    assert len(elsewhere.some_series(only_short / "short.npz", least=30)) == 3


@pytest.mark.parametrize(
    ("frequency", "n_steps", "expected"),
    [
        ("D", 290, {"short": (30, 1)}),
        ("D", 3100, {"short": (30, 8), "medium": (300, 2)}),
        ("B", 4600, {"short": (30, 8), "medium": (300, 2), "long": (450, 2)}),
        ("YS", 20, {"short": (6, 1)}),
        ("h", 80, {}),
    ],
)
def test_when_series_are_longer_then_there_are_more_windows_and_longer_terms(frequency, n_steps, expected):
    elsewhere = script("gift_eval/elsewhere")
    tasks = list(elsewhere.tasks_of("x", {"freq": frequency, "domain": "any"}, [walk(0, n_steps)]))
    found = {task.configuration.term: (task.configuration.prediction_length, task.n_windows) for task in tasks}
    assert found == expected


def test_when_a_copy_was_seen_under_another_name_then_the_data_set_is_left_out(tmp_path, monkeypatch):
    elsewhere = script("gift_eval/elsewhere")
    copied, too, own = walk(0, 3000), walk(3, 2000), walk(1, 3000)
    seen = ("D", [3 * copied[500:2500] + 7, 2 * too - 1])
    datasets = {"copied": ("D", [copied]), "copied_too": ("D", [too]), "own": ("D", [own, walk(2, 400)])}
    corpus = write_corpus(tmp_path / "corpus", {"seen": seen, **datasets})
    weights = weights_that_saw(tmp_path / "weights.safetensors", ["seen"])
    output, results, page = tmp_path / "out", tmp_path / "all.csv", tmp_path / "page.md"
    elsewhere.main(["measure", str(corpus), "--output", str(output), "--model", str(weights)])
    assert sorted(path.name for path in output.iterdir()) == ["copies.csv", "own.csv"]
    assert sorted(pd.read_csv(output / "copies.csv")["test_dataset"]) == ["copied", "copied_too"]

    before = (output / "own.csv").stat().st_mtime_ns
    elsewhere.main(["measure", str(corpus), "--output", str(output), "--model", str(weights)])
    assert (output / "own.csv").stat().st_mtime_ns == before  # what is done is kept

    monkeypatch.setattr(elsewhere, "RESULTS", results)
    monkeypatch.setattr(elsewhere, "PAGE", page)
    page.write_text("<!-- elsewhere:start -->\n<!-- elsewhere:end -->\n")
    elsewhere.main(["page", "--output", str(output)])
    rows = pd.read_csv(results)
    assert rows["task"].tolist() == ["own/D/short"]
    ratio = rows["fast MASE"][0] / rows["seasonal_naive MASE"][0]
    assert f"| `fast` | {ratio:.3f} |" in page.read_text()
    assert 0 <= rows["best coverage"][0] <= 1


def test_when_tasks_differ_then_means_are_geometric_and_the_weakest_come_first():
    elsewhere = script("gift_eval/elsewhere")
    shared = {"domain": "any", "series": 1, "windows": 1}
    scores = {
        f"{model} {metric}": [1.0, 1.0] for model in ("seasonal_naive", "plain", "fast") for metric in ("MASE", "CRPS")
    }
    rows = pd.DataFrame({"task": ["a/D/short", "b/D/long"], **scores, "best MASE": [0.5, 2.0], "best CRPS": [0.5, 0.5]})
    rows = rows.assign(**shared, **{f"{effort} coverage": [0.7, 0.9] for effort in elsewhere.EFFORTS})
    assert "| `best` | 1.000 | 0.500 | 0.500 | 0.500 | 80.0% | 1 |" in elsewhere.means(rows)
    assert "| any | 2 | 1.000 / 1.000 | 1.000 / 1.000 | 1.000 / 0.500 |" in elsewhere.by_domain(rows)
    assert elsewhere.weakest(rows).splitlines()[2].startswith("| b/D/long | 1 | 2.00 / 0.50 |")


def test_when_nothing_was_measured_then_the_page_stays(tmp_path):
    with pytest.raises(SystemExit, match=r"run `elsewhere.py measure` first"):
        script("gift_eval/elsewhere").main(["page", "--output", str(tmp_path)])
