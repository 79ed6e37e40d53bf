"""Real series for pretraining: folders of them, sampled by rations so that no large data set drowns the others.

A corpus folder holds one ``<name>.npz`` per data set: ``values`` int16 (all series one after the other, -32768 =
missing), ``offsets`` int64, ``loc`` and ``scale`` float64 per series, ``meta`` a JSON string with ``domain`` and
``freq``; beside them ``MANIFEST.csv`` with at least ``name`` and ``licence_class``.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ttm_sk.data.held_out import HELD_OUT_DATASETS, held_out_match
from ttm_sk.errors import ConfigError, DataError

__all__ = ["Corpus", "CorpusGroup", "as_float", "read_corpus"]

MISSING = np.int16(-32768)
SHORTEST_SERIES = 4
SHORTEST_TAIL = 64  # steps of a series' end that are kept back; from less there is little to forecast


@dataclass(frozen=True)
class CorpusGroup:
    """Series of one domain and frequency, which share one ration.

    ``values`` are all series one after the other; series ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
    Units do not matter: every window is scaled by itself.
    """

    name: str
    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each series."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Corpus:
    """Groups of real series, and the names of the data sets that they came from."""

    groups: tuple[CorpusGroup, ...]
    datasets: tuple[str, ...]
    refused: tuple[str, ...] = ()

    @property
    def n_points(self) -> int:
        """Steps in all series together."""
        return int(sum(group.offsets[-1] for group in self.groups))

    def digest(self) -> str:
        """A short name of all values, the same for the same series in the same groups."""
        found = 0
        for group in self.groups:
            for part in (np.frombuffer(group.name.encode(), np.uint8), group.offsets, group.values):
                found = zlib.crc32(np.ascontiguousarray(part).data, found)
        return f"{found:08x}"

    def rations(self, power: float = 0.4) -> np.ndarray:
        """The chance of each group: (sum of the square roots of its series' lengths) ** ``power``, normalised."""
        weight = np.array([np.sqrt(group.lengths).sum() for group in self.groups]) ** power
        return weight / weight.sum()

    def split(self, share: float) -> tuple[Corpus, Corpus]:
        """What to train on, and what to examine on: some series whole, and the last part of long ones.

        Parameters
        ----------
        share
            The chance of a series to be kept back, and the part of every other one that is cut off its end where that
            is at least 64 steps. Which series are kept back depends on their values alone, so that it is the same in
            every run, whatever else the corpus holds.

        Raises
        ------
        ConfigError
            If the share does not lie between 0 and 1.
        DataError
            If nothing is left on one of both sides.

        Examples
        --------
        >>> corpus = Corpus.from_series([np.sin(np.arange(900.0) / period) for period in (3, 5, 8)])
        >>> training, validation = corpus.split(0.1)
        >>> training.n_points + validation.n_points == corpus.n_points
        True
        """
        if not 0 < share < 1:
            raise ConfigError(f"share={share} must lie between 0 and 1: the part that is kept back")
        parts = [_split_group(group, share) for group in self.groups]
        sides = [tuple(group for group in side if group is not None) for side in zip(*parts, strict=True)]
        if not all(sides):
            side = "train on" if sides[1] else "examine on"
            raise DataError(
                f"a validation share of {share:g} leaves nothing to {side}; give more series or another share"
            )
        return Corpus(sides[0], self.datasets, self.refused), Corpus(sides[1], self.datasets, self.refused)

    @classmethod
    def from_series(cls, series: Iterable[np.ndarray], *, name: str = "series") -> Corpus:
        """A corpus of one group from arrays in memory; NaN = missing.

        Raises
        ------
        DataError
            If no series has at least 4 finite values.

        Examples
        --------
        >>> Corpus.from_series([np.arange(50.0), np.arange(20.0)]).n_points
        70
        """
        kept = [np.asarray(x, dtype=np.float64).ravel() for x in series]
        kept = [_standardised(x) for x in kept if np.isfinite(x).sum() >= SHORTEST_SERIES]
        if not kept:
            raise DataError(
                f"found no series with at least {SHORTEST_SERIES} finite values to learn from; give longer ones"
            )
        offsets = np.concatenate([[0], np.cumsum([len(x) for x in kept])])
        return cls((CorpusGroup(name, np.concatenate(kept), offsets),), (name,))


def read_corpus(folder: Path, *, licence_classes: Sequence[str] = ()) -> Corpus:
    """Every data set of a corpus folder, but for held-out ones, grouped by domain and frequency.

    Parameters
    ----------
    folder
        See the module's description for the format.
    licence_classes
        Keep only data sets of these classes of the manifest; empty keeps all.

    Raises
    ------
    DataError
        If the folder or its manifest is missing, or nothing is left to learn from.
    """
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        raise DataError(f"found no MANIFEST.csv in {folder}; a corpus folder needs one (columns name, licence_class)")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {"name", "licence_class"} - set(rows.fieldnames or ())
        if missing:
            raise DataError(f"{manifest} has no column {', '.join(sorted(missing))}; expected name and licence_class")
        classes = {row["name"]: row["licence_class"] for row in rows}
    parts: dict[str, list[np.ndarray]] = defaultdict(list)
    names, refused = [], []
    for path in sorted(folder.glob("*.npz")):
        if licence_classes and classes.get(path.stem) not in licence_classes:
            continue
        if path.stem in HELD_OUT_DATASETS:
            refused.append(path.stem)
            continue
        group, series = _read_dataset(path)
        kept = [x for x in series if held_out_match(as_float(x)) is None]
        refused += [f"{path.stem} ({len(series) - len(kept)} of {len(series)} series)"] * (len(kept) < len(series))
        parts[group] += kept
        names += [path.stem] * bool(kept)
    if not any(parts.values()):
        raise DataError(
            f"found no data set of the classes {list(licence_classes) or 'any'} in {folder};"
            " choose other classes or another folder"
        )
    groups = tuple(_group(name, parts[name]) for name in sorted(parts) if parts[name])
    return Corpus(groups, tuple(names), tuple(refused))


def _read_dataset(path: Path) -> tuple[str, list[np.ndarray]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            values, offsets, meta = stored["values"], stored["offsets"], json.loads(str(stored["meta"]))
        group = f"{meta['domain']}|{meta['freq']}"
    except (OSError, EOFError, BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is no data set of a corpus: {error}; expected values, offsets and meta (domain, freq)"
        ) from error
    return group, [values[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]


def _group(name: str, series: list[np.ndarray]) -> CorpusGroup:
    return CorpusGroup(name, np.concatenate(series), np.concatenate([[0], np.cumsum([len(x) for x in series])]))


def _split_group(group: CorpusGroup, share: float) -> tuple[CorpusGroup | None, CorpusGroup | None]:
    kept: list[np.ndarray] = []
    held: list[np.ndarray] = []
    for start, stop in zip(group.offsets[:-1], group.offsets[1:], strict=True):
        series = group.values[start:stop]
        n_tail = int(len(series) * share)
        if zlib.crc32(np.ascontiguousarray(series).tobytes()) < share * 2**32:
            held.append(series)
        elif n_tail >= SHORTEST_TAIL:
            kept.append(series[:-n_tail])
            held.append(series[-n_tail:])
        else:
            kept.append(series)
    return (_group(group.name, kept) if kept else None), (_group(group.name, held) if held else None)


def as_float(x: np.ndarray) -> np.ndarray:
    """Stored values as float32, the missing marker of int16 storage as NaN."""
    values = x.astype(np.float32)
    if x.dtype == np.int16:
        values[x == MISSING] = np.nan
    return values


def _standardised(x: np.ndarray) -> np.ndarray:
    seen = x[np.isfinite(x)]
    return ((x - seen.mean()) / (seen.std() or 1.0)).astype(np.float32)
