"""Corpora: read from folders, without what is held out, without what the licence forbids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sktime.datasets import load_airline

from ttm_sk.data.corpora import MISSING, Corpus, CorpusGroup, as_float, read_corpus
from ttm_sk.errors import ConfigError, DataError


def waves(n: int, length: int = 120) -> list[np.ndarray]:
    rng = np.random.default_rng(n)
    return [rng.normal(size=length).cumsum() for _ in range(n)]


def airline() -> np.ndarray:
    """A copy of the held-out series in another unit, as a corpus would store it."""
    return 4.5 * load_airline().to_numpy(dtype=float) - 200


def write(folder: Path, name: str, series: list[np.ndarray], *, domain: str = "web", freq: str = "D") -> Path:
    """One data set in the format of the corpus."""
    loc = np.array([np.nanmean(x) for x in series])
    scale = np.array([np.nanstd(x) or 1.0 for x in series]) / 1000
    stored = [np.nan_to_num(np.round((x - m) / s), nan=MISSING) for x, m, s in zip(series, loc, scale, strict=True)]
    path = folder / f"{name}.npz"
    np.savez(
        path,
        values=np.concatenate(stored).astype(np.int16),
        offsets=np.concatenate([[0], np.cumsum([len(x) for x in series])]),
        loc=loc,
        scale=scale,
        meta=np.array(json.dumps({"domain": domain, "freq": freq})),
    )
    return path


def manifest(folder: Path, **classes: str) -> None:
    lines = ["name,licence_class,note", *(f"{name},{licence},x" for name, licence in classes.items())]
    (folder / "MANIFEST.csv").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path, "clicks", waves(3))
    write(tmp_path, "visits", waves(2))
    write(tmp_path, "power", waves(4), domain="energy", freq="h")
    manifest(tmp_path, clicks="open", visits="attribution", power="research")
    return tmp_path


def test_when_a_folder_is_read_then_series_are_grouped_by_domain_and_frequency(folder):
    corpus = read_corpus(folder)
    assert {group.name: len(group.lengths) for group in corpus.groups} == {"energy|h": 4, "web|D": 5}
    assert corpus.datasets == ("clicks", "power", "visits")
    assert corpus.n_points == 9 * 120
    assert corpus.refused == ()


def test_when_licence_classes_are_named_then_only_they_are_read(folder):
    assert read_corpus(folder, licence_classes=["open", "attribution"]).datasets == ("clicks", "visits")


def test_when_a_data_set_is_not_in_the_manifest_then_no_class_admits_it(folder):
    write(folder, "unlisted", waves(1))
    assert "unlisted" not in read_corpus(folder, licence_classes=["open", "attribution", "research"]).datasets


def test_when_no_data_set_is_of_the_class_then_it_raises(folder):
    with pytest.raises(DataError, match=r"found no data set of the classes \['secret'\]"):
        read_corpus(folder, licence_classes=["secret"])


def test_when_a_held_out_series_is_in_a_data_set_then_it_alone_is_refused(folder):
    write(folder, "clicks", [*waves(3), airline()])
    corpus = read_corpus(folder)
    assert corpus.refused == ("clicks (1 of 4 series)",)
    assert corpus.n_points == 9 * 120


def test_when_a_data_set_is_nothing_but_held_out_series_then_it_is_not_named(folder):
    write(folder, "passengers", [airline()])
    corpus = read_corpus(folder)
    assert "passengers" not in corpus.datasets
    assert corpus.refused == ("passengers (1 of 1 series)",)


def test_when_a_group_is_nothing_but_held_out_series_then_there_is_no_such_group(folder):
    write(folder, "passengers", [airline()], domain="transport", freq="M")
    assert [group.name for group in read_corpus(folder).groups] == ["energy|h", "web|D"]


def test_when_a_data_set_is_held_out_by_name_then_it_is_refused_whole(folder):
    write(folder, "seoul_bikes_hourly", waves(2))
    corpus = read_corpus(folder)
    assert corpus.refused == ("seoul_bikes_hourly",)
    assert corpus.n_points == 9 * 120


def test_when_everything_is_held_out_then_it_raises(tmp_path):
    write(tmp_path, "passengers", [airline()])
    manifest(tmp_path, passengers="open")
    with pytest.raises(DataError, match="found no data set"):
        read_corpus(tmp_path)


def test_when_the_manifest_is_missing_then_it_raises(tmp_path):
    with pytest.raises(DataError, match=r"found no MANIFEST\.csv"):
        read_corpus(tmp_path)


def test_when_the_manifest_lacks_a_column_then_it_raises(folder):
    (folder / "MANIFEST.csv").write_text("name,licence\nclicks,open\n")
    with pytest.raises(DataError, match="licence_class"):
        read_corpus(folder)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"], ids=["empty", "text", "torn"])
def test_when_a_data_set_is_damaged_then_the_file_is_named(folder, content):
    (folder / "visits.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"visits\.npz is no data set of a corpus"):
        read_corpus(folder)


def test_when_a_data_set_lacks_a_part_then_the_file_is_named(folder):
    np.savez(folder / "visits.npz", values=np.zeros(3, np.int16))
    with pytest.raises(DataError, match=r"visits\.npz is no data set"):
        read_corpus(folder)


def test_when_values_are_stored_then_the_marker_is_read_as_nan():
    np.testing.assert_array_equal(as_float(np.array([1, MISSING, -3], np.int16)), np.array([1, np.nan, -3], np.float32))


def test_when_a_group_is_large_then_its_ration_grows_more_slowly():
    sizes = [np.full(100, 50), np.full(10_000, 50)]
    groups = tuple(CorpusGroup(str(n), np.zeros(n.sum(), np.int16), np.concatenate([[0], np.cumsum(n)])) for n in sizes)
    rations = Corpus(groups, ()).rations()
    assert rations.sum() == pytest.approx(1)
    assert rations[1] / rations[0] == pytest.approx(100**0.4)


def test_when_series_are_in_memory_then_each_is_standardised():
    corpus = Corpus.from_series([np.array([1e9, 1e9 + 2, 1e9, 1e9 + 2]), np.array([0.0, np.nan, 3.0, 0.0, 3.0])])
    values = corpus.groups[0].values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [-1, 1, -1, 1, -1, np.nan, 1, -1, 1])
    assert corpus.groups[0].lengths.tolist() == [4, 5]


def test_when_series_in_memory_are_too_short_then_they_are_left_out():
    assert Corpus.from_series([np.arange(3.0), np.arange(9.0)]).n_points == 9


@pytest.mark.parametrize("series", [[], [np.arange(3.0)], [np.full(9, np.nan)]], ids=["none", "short", "missing"])
def test_when_nothing_can_be_learnt_from_then_it_raises(series):
    with pytest.raises(DataError, match="found no series"):
        Corpus.from_series(series)


def walks(n: int, length: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=length).cumsum() for _ in range(n)]


def test_when_a_corpus_is_split_then_every_step_is_on_one_side():
    corpus = Corpus.from_series(walks(40, 700))
    training, validation = corpus.split(0.1)
    assert training.n_points + validation.n_points == corpus.n_points
    tails = [length for length in validation.groups[0].lengths if length == 70]
    wholes = [length for length in validation.groups[0].lengths if length == 700]
    assert len(tails) + len(wholes) == 40
    assert wholes
    assert set(training.groups[0].lengths) == {630}
    both = np.concatenate([training.groups[0].values, validation.groups[0].values])
    np.testing.assert_array_equal(np.sort(both), np.sort(corpus.groups[0].values))


def test_when_other_series_join_then_the_same_ones_are_kept_back():
    first, more = walks(30, 100), walks(60, 100)[30:]
    few, many = (Corpus.from_series(series).split(0.3)[1].groups[0] for series in (first, more + first))
    kept_of_few = {few.values[a:b].tobytes() for a, b in zip(few.offsets, few.offsets[1:], strict=False)}
    kept_of_many = {many.values[a:b].tobytes() for a, b in zip(many.offsets, many.offsets[1:], strict=False)}
    assert kept_of_few
    assert kept_of_few < kept_of_many


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_when_a_share_is_none_then_it_raises(share):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Corpus.from_series(walks(2, 50)).split(share)


def test_when_nothing_is_left_to_examine_on_then_it_raises():
    with pytest.raises(DataError, match="leaves nothing to examine on"):
        Corpus.from_series(walks(1, 50)).split(1e-9)
