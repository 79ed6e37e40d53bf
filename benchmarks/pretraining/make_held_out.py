"""Write the fingerprints of the held-out series, and list what in a training corpus copies them.

    python benchmarks/pretraining/make_held_out.py CORPUS [--classes open,"copyleft package"] [--scan-only]

CORPUS is a folder of ``<name>.npz`` files with a ``MANIFEST.csv`` (see docs/held-out.md). Needs sktime and pandas.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from ttm_sk.data import held_out

SAMPLING = {"seoul_bikes_hourly": 16}
MINIMUM_TURNS = {"seoul_bikes_hourly": 16}  # isolated rain and snow of 12 to 15 turns look like anyone's spikes
SKTIME_FILES = {
    "airline": ("Airline/Airline.csv", ("Passengers",)),
    "seatbelts": ("seatbelts/seatbelts.csv", ("KSI",)),
    "solar": ("solar/solar.csv", ("solar_gen",)),
    "shampoo_sales": ("ShampooSales/ShampooSales.csv", ("Sales",)),
    "lynx": ("Lynx/Lynx.csv", ("0",)),
    "PBS_dataset": ("PBS_dataset/PBS_dataset.csv", ("Scripts",)),
    "uschange": ("Uschange/Uschange.csv", ("Consumption", "Income", "Production", "Savings", "Unemployment")),
    "longley": ("Longley/Longley.csv", ("TOTEMP", "GNPDEFL", "GNP", "UNEMP", "ARMED", "POP")),
}


def main() -> None:
    arguments = _parse()
    members = {**sktime_members(), **corpus_members(arguments.corpus)}
    if not arguments.scan_only:
        write_fingerprints(members)
    print_matches(arguments.corpus, members, classes=arguments.classes.split(","))


def sktime_members() -> dict[str, list[np.ndarray]]:
    """Columns of each held-out data set that ships inside sktime."""
    spec = find_spec("sktime")
    if spec is None or spec.origin is None:
        raise SystemExit("found no sktime; expected version 1.2; run: pip install sktime==1.2.0")
    folder = Path(spec.origin).parent / "datasets" / "data"
    return {name: _columns(folder / file, columns) for name, (file, columns) in SKTIME_FILES.items()}


def corpus_members(corpus: Path) -> dict[str, list[np.ndarray]]:
    """Series of each held-out data set that is read from the corpus folder."""
    names = [member.name for member in held_out.HELD_OUT if member.name not in SKTIME_FILES]
    return {name: list(read_series(corpus / f"{name}.npz")) for name in names}


def read_series(path: Path) -> Iterator[np.ndarray]:
    """Each series of one corpus file in its own unit, float64, NaN where missing."""
    with np.load(path) as stored:
        values, offsets, scale, loc = (stored[key] for key in ("values", "offsets", "scale", "loc"))
    for i in range(len(offsets) - 1):
        quantised = values[offsets[i] : offsets[i + 1]]
        yield np.where(quantised == -32768, np.nan, quantised * scale[i] + loc[i])


def write_fingerprints(members: dict[str, list[np.ndarray]]) -> None:
    """Write the fingerprint file that `held_out_match` reads."""
    names = list(members)
    codes = {name: _telling_codes(name, series) for name, series in members.items()}
    flat = np.concatenate([codes[name] for name in names])
    owners = np.repeat(np.arange(len(names), dtype=np.uint8), [codes[name].size for name in names])
    flat, first = np.unique(flat, return_index=True)
    templates, template_owners = _templates(members)
    np.savez_compressed(
        held_out.FINGERPRINTS,
        codes=flat,
        owners=owners[first],
        templates=templates,
        template_owners=template_owners,
        names=np.array(names),
        sampling=np.array([SAMPLING.get(name, 1) for name in names]),
    )
    held_out._fingerprints.cache_clear()
    print("codes:", {name: codes[name].size for name in names}, "templates:", len(templates))
    print("bytes:", held_out.FINGERPRINTS.stat().st_size)


def print_matches(corpus: Path, members: dict[str, list[np.ndarray]], *, classes: list[str]) -> None:
    """Print each corpus series that is recognised, with the correlation that confirms it."""
    manifest = pd.read_csv(corpus / "MANIFEST.csv")
    started, n_points, n_series = time.perf_counter(), 0, 0
    for row in manifest[manifest.licence_class.isin(classes)].itertuples():
        for i, series in enumerate(read_series(corpus / f"{row.name}.npz")):
            n_points, n_series = n_points + series.size, n_series + 1
            name = held_out.held_out_match(series)
            if name is not None:
                best = max(best_correlation(series, member) for member in _with_logarithms(members[name]))
                print(f"{row.name}[{i}] length {series.size}: {name}, correlation {best:.6f}", flush=True)
    print(f"{n_series} series, {n_points / 1e6:.1f} M points, {time.perf_counter() - started:.0f} s")


def best_correlation(series: np.ndarray, member: np.ndarray) -> float:
    """Largest correlation of the differences of the shorter one along the longer one, over at least 16 shared steps."""
    short, long = sorted((np.diff(series), np.diff(member)), key=len)
    short, long = np.nan_to_num(short), np.nan_to_num(long)
    overlap = min(max(16, short.size // 2), short.size)
    best = -1.0
    for shift in range(overlap - short.size, long.size - overlap + 1):
        left, right = max(0, -shift), min(short.size, long.size - shift)
        a, b = short[left:right], long[left + shift : right + shift]
        spread = a.std() * b.std()
        if spread > 0:
            best = max(best, float(((a - a.mean()) * (b - b.mean())).mean() / spread))
    return best


def _columns(path: Path, columns: tuple[str, ...]) -> list[np.ndarray]:
    table = pd.read_csv(path)
    return [table[column].to_numpy(dtype=np.float64) for column in columns]


def _telling_codes(name: str, series: list[np.ndarray]) -> np.ndarray:
    codes = np.unique(np.concatenate([held_out.shape_codes(one) for one in _with_logarithms(series)]))
    codes = codes[held_out.is_telling(codes, minimum_turns=MINIMUM_TURNS.get(name, held_out.MINIMUM_TURNS))]
    return codes[held_out._table_slot(codes) % np.uint64(SAMPLING.get(name, 1)) == 0]


def _with_logarithms(series: list[np.ndarray]) -> list[np.ndarray]:
    return series + [np.log(one) for one in series if (one > 0).all()]


def _templates(members: dict[str, list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    short = [
        (owner, one)
        for owner, series in enumerate(members.values())
        for one in series
        if one.size < held_out.WINDOW_LENGTH
    ]
    rows = np.stack([one[: held_out.TEMPLATE_LENGTH] for _, one in short]).astype(np.float64)
    rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    return rows.astype(np.float32), np.array([owner for owner, _ in short], dtype=np.uint8)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--classes", default="open,copyleft package", help="licence classes to scan, by comma")
    parser.add_argument("--scan-only", action="store_true", help="keep the fingerprint file as it is")
    return parser.parse_args()


if __name__ == "__main__":
    main()
