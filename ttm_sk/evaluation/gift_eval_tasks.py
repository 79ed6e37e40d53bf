"""The 97 configurations of GIFT-Eval: which data set, frequency and term, how far ahead, in how many windows.

Constants are those of gift-eval's ``src/gift_eval/data.py`` and ``notebooks/`` (commit 2100c32, Apache-2.0) and of
gluonts' ``time_feature/seasonality.py`` (0.17, Apache-2.0). The benchmark: Aksu et al. (2024), arXiv:2410.10393.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ttm_sk.errors import ConfigError, DataError

__all__ = ["CONFIGURATIONS", "TERMS", "Configuration", "parse_frequency", "season_of", "select_configurations"]

TERMS = {"short": 1, "medium": 10, "long": 15}  # term: multiple of the prediction length
TEST_SHARE = 0.1
MAX_WINDOWS = 20
PREDICTION_LENGTHS = {"S": 60, "T": 48, "H": 48, "D": 30, "W": 8, "M": 12}
M4_PREDICTION_LENGTHS = {"H": 48, "D": 14, "W": 13, "M": 18, "Q": 8, "A": 6}
# steps in a season of one unit: 5T has 1440 / 5
SEASONALITIES = {"S": 3600, "T": 1440, "H": 24, "D": 1, "W": 1, "M": 12, "B": 5, "Q": 4, "A": 1}
# pandas' spellings of one frequency, old and new
FREQUENCY_NAMES = {"s": "S", "min": "T", "h": "H"} | dict.fromkeys(("ME", "MS"), "M") | dict.fromkeys(("QE", "QS"), "Q")
FREQUENCY_NAMES |= dict.fromkeys(("Y", "YE", "YS", "AS"), "A")

# folder, domain, variates, frequencies; a star: also the medium and the long term
DATASETS = (
    ("m4_yearly", "Econ/Fin", 1, "A"),
    ("m4_quarterly", "Econ/Fin", 1, "Q"),
    ("m4_monthly", "Econ/Fin", 1, "M"),
    ("m4_weekly", "Econ/Fin", 1, "W"),
    ("m4_daily", "Econ/Fin", 1, "D"),
    ("m4_hourly", "Econ/Fin", 1, "H"),
    ("electricity", "Energy", 1, "15T* H* D W"),
    ("solar", "Energy", 1, "10T* H* D W"),
    ("hospital", "Healthcare", 1, "M"),
    ("covid_deaths", "Healthcare", 1, "D"),
    ("us_births", "Healthcare", 1, "D M W"),
    ("saugeenday", "Nature", 1, "D M W"),
    ("temperature_rain_with_missing", "Nature", 1, "D"),
    ("kdd_cup_2018_with_missing", "Nature", 1, "H* D"),
    ("car_parts_with_missing", "Sales", 1, "M"),
    ("restaurant", "Sales", 1, "D"),
    ("hierarchical_sales", "Sales", 1, "D W"),
    ("LOOP_SEATTLE", "Transport", 1, "5T* H* D"),
    ("SZ_TAXI", "Transport", 1, "15T* H"),
    ("M_DENSE", "Transport", 1, "H* D"),
    ("ett1", "Energy", 7, "15T* H* D W"),
    ("ett2", "Energy", 7, "15T* H* D W"),
    ("jena_weather", "Nature", 21, "10T* H* D"),
    ("bitbrains_fast_storage", "Web/CloudOps", 2, "5T* H"),
    ("bitbrains_rnd", "Web/CloudOps", 2, "5T* H"),
    ("bizitobs_application", "Web/CloudOps", 2, "10S*"),
    ("bizitobs_service", "Web/CloudOps", 2, "10S*"),
    ("bizitobs_l2c", "Web/CloudOps", 7, "5T* H*"),
)


@dataclass(frozen=True)
class Configuration:
    """One row of the leaderboard.

    Attributes
    ----------
    folder
        The data set below the benchmark's storage: ``"saugeenday/D"``, or ``"hospital"`` where it has one frequency.
    dataset
        Its name on the leaderboard: ``"saugeen"``.
    frequency
        ``"D"``, ``"15T"``, in the leaderboard's (pandas' old) spelling.
    term
        ``"short"``, ``"medium"`` or ``"long"``.
    domain
        ``"Nature"``, ...
    n_variates
        Variates of an item; each is forecast and scored as a series of its own.

    Examples
    --------
    >>> task = select_configurations(["ett1/15T/medium"])[0]
    >>> task.name, task.prediction_length, task.seasonality, task.n_variates
    ('ett1/15T/medium', 480, 96, 7)
    """

    folder: str
    dataset: str
    frequency: str
    term: str
    domain: str
    n_variates: int

    @property
    def name(self) -> str:
        """The leaderboard's name: data set, frequency, term."""
        return f"{self.dataset}/{self.frequency}/{self.term}"

    @property
    def prediction_length(self) -> int:
        """Steps in a window."""
        lengths = M4_PREDICTION_LENGTHS if "m4" in self.dataset else PREDICTION_LENGTHS
        return lengths[self.unit] * TERMS[self.term]

    @property
    def seasonality(self) -> int:
        """Steps in a season, by which seasonal naive and MASE go."""
        return season_of(self.frequency)

    @property
    def unit(self) -> str:
        """The letter of the frequency: S, T (minutes), H, D, W, M, Q or A."""
        return parse_frequency(self.frequency)[0]

    def n_windows(self, shortest: int) -> int:
        """How many windows tile the end of every series, by the length of the shortest: a tenth of it, 20 at most."""
        if "m4" in self.dataset:
            return 1
        return min(max(1, math.ceil(TEST_SHARE * shortest / self.prediction_length)), MAX_WINDOWS)


def parse_frequency(frequency: str) -> tuple[str, int]:
    """The letter and the multiple of a pandas frequency, in any of its spellings.

    Raises
    ------
    DataError
        For one that the benchmark does not have.

    Examples
    --------
    >>> parse_frequency("15min"), parse_frequency("W-SUN"), parse_frequency("QE-DEC")
    (('T', 15), ('W', 1), ('Q', 1))
    """
    stem = frequency.partition("-")[0]
    letters = stem.lstrip("0123456789")
    name = FREQUENCY_NAMES.get(letters, letters)
    if name not in SEASONALITIES:
        raise DataError(
            f"found the frequency {frequency!r}; expected {sorted(SEASONALITIES)} or a multiple, as in '15T'"
        )
    return name, int(stem.removesuffix(letters) or 1)


def season_of(frequency: str) -> int:
    """Steps per season as GluonTS's ``get_seasonality`` counts; 1 where the multiple does not divide the season.

    Examples
    --------
    >>> season_of("5T"), season_of("D"), season_of("7H")
    (288, 1, 1)
    """
    name, multiple = parse_frequency(frequency)
    seasonality, remainder = divmod(SEASONALITIES[name], multiple)
    return 1 if remainder else seasonality


def select_configurations(
    names: Sequence[str] | None = None, *, terms: Sequence[str] | None = None
) -> list[Configuration]:
    """The configurations of these names and terms, in the benchmark's order; all 97 without either.

    Parameters
    ----------
    names
        ``"saugeen/D/short"``; its beginning (``"saugeen/D"``, ``"saugeen"``) stands for all of it; the folder's name
        (``"saugeenday/D"``) is as good.
    terms
        Some of ``"short"``, ``"medium"``, ``"long"``.

    Raises
    ------
    ConfigError
        For a name or term that no configuration has, and where names and terms leave nothing.

    Examples
    --------
    >>> [task.name for task in select_configurations(["saugeenday", "ett1/H"], terms=["short"])]
    ['saugeen/D/short', 'saugeen/M/short', 'saugeen/W/short', 'ett1/H/short']
    """
    wanted = None if names is None else {task for name in names for task in _called(name)}
    if unknown := set(terms or ()) - set(TERMS):
        raise ConfigError(f"found the term {sorted(unknown)[0]!r}; expected some of {', '.join(TERMS)}")
    chosen = [
        task for task in CONFIGURATIONS if (wanted is None or task in wanted) and (not terms or task.term in terms)
    ]
    if not chosen:
        raise ConfigError(f"none of {', '.join(names or ())} has the term {' or '.join(terms or ())}; leave one out")
    return chosen


def _called(name: str) -> list[Configuration]:
    parts = name.strip("/").split("/")
    found = [task for task in CONFIGURATIONS if any(parts == own[: len(parts)] for own in _names(task))]
    if not found:
        known = {"/".join(own) for task in CONFIGURATIONS for own in _names(task)}
        near = difflib.get_close_matches(name, known, n=3)
        datasets = ", ".join(dict.fromkeys(task.dataset for task in CONFIGURATIONS))
        meant = f"did you mean {' or '.join(near)}?" if near else f"data sets: {datasets}"
        raise ConfigError(f"found the configuration {name!r}, expected a name such as ett1/H/short; {meant}")
    return found


def _names(task: Configuration) -> tuple[list[str], list[str]]:
    return task.name.split("/"), [*task.folder.split("/"), task.term]


def _configurations() -> Iterator[Configuration]:
    for folder, domain, n_variates, listed in DATASETS:
        frequencies = listed.split()
        dataset = folder.lower().removesuffix("_with_missing").replace("saugeenday", "saugeen")
        for starred in frequencies:
            frequency = starred.rstrip("*")
            place = f"{folder}/{frequency}" if len(frequencies) > 1 else folder
            for term in TERMS if starred.endswith("*") else ("short",):
                yield Configuration(place, dataset, frequency, term, domain, n_variates)


CONFIGURATIONS: tuple[Configuration, ...] = tuple(_configurations())
