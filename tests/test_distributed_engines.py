"""forecast_frame mapped by Ray Data, Dask and Spark; ``tox -e distributed`` and ``tox -e spark`` run them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttm_sk.distributed import forecast_frame, forecast_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the engines
OPTIONS = {"horizon": 3, "freq": "D", "levels": (0.1, 0.9), "effort": "plain"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=40)
    names = [f"s{i:02d}" for i in range(12)]
    values = np.random.default_rng(0).normal(size=(len(names), len(days))).cumsum(axis=1)
    return pd.DataFrame({"unique_id": np.repeat(names, 40), "ds": np.tile(days, 12), "y": values.ravel()})


def assert_same(found: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Every row once, with the values of one machine."""
    expected = forecast_frame(frame, **OPTIONS)
    found = found.sort_values(["unique_id", "ds"], ignore_index=True)
    found = found.assign(unique_id=found["unique_id"].astype(str), ds=found["ds"].astype(expected["ds"].dtype))
    pd.testing.assert_frame_equal(
        found, expected.assign(unique_id=expected["unique_id"].astype(str)), rtol=1e-4, check_dtype=False
    )


def test_when_dask_maps_partitions_then_the_rows_are_the_same(frame):
    dask = pytest.importorskip("dask.dataframe")
    pieces = dask.from_pandas(frame.sample(frac=1, random_state=0), npartitions=5)
    meta = forecast_frame(frame[:0], **OPTIONS)
    found = pieces.shuffle("unique_id", npartitions=3).map_partitions(forecast_frame, meta=meta, **OPTIONS)
    assert_same(found.compute(scheduler="synchronous"), frame)


def forecast_or_die(frame: pd.DataFrame, *, marker: str, **options) -> pd.DataFrame:
    """The forecast; but whoever comes first and finds no marker leaves one and ends its process."""
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return forecast_frame(frame, **options)


def test_when_ray_loses_a_worker_then_nothing_is_lost_or_doubled(frame, tmp_path):
    ray = pytest.importorskip("ray")
    data = pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="error")
    try:
        whole = data.from_pandas(frame).repartition(4, keys=["unique_id"])
        options = OPTIONS | {"marker": str(tmp_path / "died")}
        found = whole.map_batches(forecast_or_die, batch_size=None, batch_format="pandas", fn_kwargs=options)
        assert_same(found.to_pandas(), frame)
        assert (tmp_path / "died").exists()
    finally:
        ray.shutdown()


def test_when_spark_maps_partitions_then_the_rows_are_the_same(frame):
    pyspark = pytest.importorskip("pyspark.sql")
    session = pyspark.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        schema = "unique_id string, ds timestamp, forecast double, `0.1` double, `0.9` double"
        pieces = session.createDataFrame(frame).repartition(3, "unique_id")
        assert_same(pieces.mapInPandas(partial(forecast_frames, **OPTIONS), schema).toPandas(), frame)
    finally:
        session.stop()
