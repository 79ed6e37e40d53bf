"""Data sets of the Monash forecasting archive by their names: from a local folder, or from the model hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ttm_sk.errors import DataError, MissingExtraError, did_you_mean

__all__ = ["MONASH", "locate_monash"]

REPOSITORY = "Monash-University/monash_tsf"
REVISION = "58aafbe2712ff481c014f562e42723f2820fd5d4"
GAPPED = "_with_missing_values"
# Name of a data set -> what follows it in the name of its archive.
MONASH = {
    "australian_electricity_demand": "",
    "bitcoin": GAPPED,
    "car_parts": GAPPED,
    "cif_2016": "",
    "covid_deaths": "",
    "fred_md": "",
    "hospital": "",
    "kaggle_web_traffic": GAPPED,
    "kaggle_web_traffic_weekly": "",
    "kdd_cup_2018": GAPPED,
    "london_smart_meters": GAPPED,
    "nn5_daily": GAPPED,
    "nn5_weekly": "",
    "oikolab_weather": "",
    "pedestrian_counts": "",
    "rideshare": GAPPED,
    "saugeenday": "",
    "solar_10_minutes": "",
    "solar_4_seconds": "",
    "solar_weekly": "",
    "sunspot": GAPPED,
    "temperature_rain": GAPPED,
    "tourism_monthly": "",
    "tourism_quarterly": "",
    "tourism_yearly": "",
    "traffic_hourly": "",
    "traffic_weekly": "",
    "us_births": "",
    "vehicle_trips": GAPPED,
    "weather": "",
    "wind_4_seconds": "",
    "wind_farms_minutely": GAPPED,
}


def locate_monash(
    name: str, *, folder: str | Path | None = None, download: Callable[[str], Path] | None = None
) -> Path:
    """The ``.tsf`` file, or the zip around it, of a data set.

    Parameters
    ----------
    name
        As the archive calls it: ``"tourism_monthly"``, ``"nn5_daily"``.
    folder
        Where the archive's files lie, under the names that they are published with, or as ``<name>.tsf``. None asks
        the model hub's cache and then the hub (extra ``hub``), at a pinned revision.
    download
        Brings a file of the hub's repository and returns its path; None asks ``huggingface_hub``.

    Raises
    ------
    DataError
        If the folder has no such file, or the name is none that the hub has, with the nearest.
    MissingExtraError
        If a download is needed and the extra is not installed.
    """
    if folder is None and name not in MONASH:
        raise DataError(
            f"found {name!r}{did_you_mean(name, MONASH)}, which is no path and none of the Monash sets on the hub:"
            f" {', '.join(MONASH)}; others are read from a local file or folder"
        )
    stem = f"{name}_dataset{MONASH.get(name, '')}"
    if folder is None:
        return (download or _download_from_hub)(f"data/{stem}.zip")
    stems = (name, stem, f"{name}_dataset", f"{name}_dataset{GAPPED}", f"{name}_dataset_without_missing_values")
    for candidate in (Path(folder) / f"{each}{ending}" for each in stems for ending in (".tsf", ".zip")):
        if candidate.is_file():
            return candidate
    found = ", ".join(sorted(path.name for path in Path(folder).glob("*") if path.suffix in (".tsf", ".zip")))
    raise DataError(f"found no {stem}.tsf or .zip in {folder} (it has {found or 'no .tsf file'}); give another folder")


def _download_from_hub(filename: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError("hub", package="huggingface_hub") from error
    return Path(hf_hub_download(REPOSITORY, filename, revision=REVISION, repo_type="dataset"))
