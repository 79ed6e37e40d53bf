"""Files of figures that are no table, or none that can be forecast."""

from __future__ import annotations

import gzip
import io
import zipfile

import pandas as pd

from bad_input.cause import Cause
from ttm_sk.data.corpora import read_corpus
from ttm_sk.data.sources import read_series
from ttm_sk.data.tables import load_example, read_benchmark_table, read_table, to_series

__all__ = ["CAUSES"]

TABLE = "day,sales\n2024-01-01,3\n2024-01-02,4\n2024-01-03,5\n2024-01-04,6\n"


def _read(content: str | bytes, name: str = "data.csv"):
    return lambda place: read_table(place.file(name, content))


def _series(content: str, **options):
    return lambda place: to_series(read_table(place.file("data.csv", content)), **options)


def _benchmark(content: str | bytes, name: str):
    return lambda place: read_benchmark_table(place.file(name, content))


def _stored(content: str | bytes, name: str = "data.jsonl", **options):
    return lambda place: read_series(place.file(name, content), **options)


def _archive(name: str = "data.npy", content: bytes = b"\x93NUMPY", method: int = 0) -> bytes:
    """A zip of one member, whose directory says that it is packed by that method."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    packed = bytearray(buffer.getvalue())
    for magic, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        packed[packed.index(magic) + offset] = method
    return bytes(packed)


def _corpus(manifest: str | None, **files: bytes):
    def act(place):
        if manifest is not None:
            place.file("corpus/MANIFEST.csv", manifest)
        for name, content in files.items():
            place.file(f"corpus/{name}.npz", content)
        return read_corpus(place.folder / "corpus")

    return act


CAUSES = [
    Cause("a file of figures that is not there", lambda place: read_table(place.folder / "no.csv"), "no.csv"),
    Cause("a folder for a file of figures", lambda place: read_table(place.folder), "found no file"),
    Cause("an empty CSV file", _read(""), "data.csv"),
    Cause("a CSV file of empty lines", _read("\n\n\n"), "data.csv"),
    Cause("a CSV file of names alone", _read("day,sales\n"), "data.csv"),
    Cause("a CSV file without names", _read("2024-01-01,3\n2024-01-02,4\n"), "2024-01-01,3"),
    Cause("a row with too many cells", _read("day,sales\n2024-01-01,3\n2024-01-02,4,5\n"), "data.csv"),
    Cause("all rows with too many cells", _read("day,sales\n2024-01-01,3,1\n2024-01-02,4,5\n"), "2 column"),
    Cause("a CSV file in Latin-1", _read("day,m\xe4ngd\n2024-01-01,3\n".encode("latin-1")), "UTF-8"),
    Cause("a CSV file in UTF-16", _read(TABLE.encode("utf-16")), "UTF-8"),
    Cause("a CSV file of zero bytes", _read(b"\0" * 100), "data.csv"),
    Cause("a quote that never closes", _read('day,sales\n"2024-01-01,3\n'), "data.csv"),
    Cause("gzip cut short", _read(gzip.compress(TABLE.encode())[:-9], "data.csv.gz"), "data.csv.gz"),
    Cause("gzip with a wrong sum", _read(gzip.compress(TABLE.encode())[:-8] + bytes(8)), "data.csv"),
    Cause("a parquet file cut short", _read(b"PAR1" + b"0" * 50, "data.parquet"), "data.parquet"),
    Cause("an Excel file", _read(b"PK\x03\x04" + bytes(range(256)), "data.xlsx"), "data.xlsx"),
    Cause("a picture", _read(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "data.png"), "data.png"),
    Cause("an unknown column", _series(TABLE, target="salse"), "salse"),
    Cause("one column in two roles", _series(TABLE, target="sales", id="sales"), "sales"),
    Cause("a column name that is empty", _series(TABLE, target=""), "''"),
    Cause("numbers with a decimal comma", _series("day;sales\n2024-01-01;3,5\n2024-01-02;4,5\n"), "3,5"),
    Cause("numbers with a currency", _series("day,sales\n2024-01-01,$3\n2024-01-02,$4\n"), r"\$3"),
    Cause("a word in a column of numbers", _series(TABLE.replace(",4\n", ",four\n"), target="sales"), "four"),
    Cause("an infinite cell", _series(TABLE.replace(",4\n", ",inf\n"), target="sales"), "infinite"),
    Cause("a column without any value", _series("day,sales\n2024-01-01,\n2024-01-02,\n", target="sales"), "sales"),
    Cause(
        "two columns to choose from", _series(TABLE.replace("\n", ",1\n").replace("sales,1", "sales,price")), "price"
    ),
    Cause("no column of numbers", _series("day,sales\n2024-01-01,a\n2024-01-02,b\n"), "sales"),
    Cause("two columns of dates", _series("day,due,sales\n2024-01-01,2024-01-02,3\n2024-01-02,2024-01-03,3\n"), "due"),
    Cause(
        "days or months first, nobody knows",
        _series("day,sales\n01/02/2024,1\n02/03/2024,2\n03/04/2024,3\n", time="day"),
        "day",
    ),
    Cause(
        "a cell that is no date",
        _series(TABLE.replace("2024-01-03", "some day"), time="day", target="sales"),
        "some day",
    ),
    Cause("an empty date", _series(TABLE.replace("2024-01-03", ""), time="day"), "row 3|missing"),
    Cause(
        "the 30th of February",
        _series(TABLE.replace("2024-01-03", "2024-02-30"), time="day", target="sales"),
        "2024-02-30",
    ),
    Cause(
        "a date in the year 9999",
        _series(TABLE.replace("2024-01-04", "9999-01-04"), time="day", target="sales"),
        "9999",
    ),
    Cause("a quarter in the year 4040", _series("quarter,y\n4040Q1,1\n4040Q2,2\n", time="quarter"), "4040Q1"),
    Cause("a table with a stamp twice", _series(TABLE.replace("2024-01-03", "2024-01-02")), "2024-01-02"),
    Cause("a table that is not sorted", _series(TABLE.replace("2024-01-03", "2023-01-01")), "2023-01-01"),
    Cause("a table with a day missing", _series(TABLE.replace("2024-01-04", "2024-01-09")), "2024-01-0"),
    Cause("a frequency that is none", _series(TABLE, freq="often"), "often"),
    Cause("a frequency of nothing", _series(TABLE, freq="0D"), "0D"),
    Cause("a negative frequency", _series(TABLE, freq="-1D"), "-1D"),
    Cause("stamps off the grid", _series(TABLE, freq="MS"), "2024-01-02"),
    Cause("a grid of a billion rows", _series(TABLE.replace("2024-01-04", "2124-01-04"), freq="us"), "us|rows"),
    Cause("a frequency without a time", _series("sales\n3\n4\n", freq="D"), "'D'"),
    Cause("an id that is missing in a row", _series("id,day,sales\na,2024-01-01,1\n,2024-01-02,2\n", id="id"), "row 2"),
    Cause(
        "series of different paces",
        _series(
            "id,day,sales\n"
            + "".join(f"a,2024-01-{d:02},1\n" for d in range(1, 13))
            + "".join(f"b,2024-{m:02}-01,1\n" for m in range(1, 13)),
            id="id",
        ),
        "'a'|'b'",
    ),
    Cause("a frame of no row", lambda place: to_series(pd.DataFrame({"a": []})), "0 rows"),
    Cause("a frame with two equal names", lambda place: to_series(pd.DataFrame([[1, 2]], columns=["a", "a"])), "'a'"),
    Cause("an example that there is not", lambda place: load_example("moon"), "moon"),
    Cause("words in a .txt of numbers", _benchmark("a,b\nc,d\n", "solar.txt"), "solar.txt"),
    Cause("an empty .txt", _benchmark("", "solar.txt"), "solar.txt"),
    Cause("an .npz that is none", _benchmark(b"PK\x03\x04 no archive", "PEMS.npz"), "PEMS.npz"),
    Cause("an .npz of no byte", _benchmark(b"", "PEMS.npz"), "PEMS.npz"),
    Cause("an .npz packed in an unknown way", _benchmark(_archive(method=77), "PEMS.npz"), "compression"),
    Cause("an .npz whose array is cut short", _benchmark(_archive(), "PEMS.npz"), "PEMS.npz"),
    Cause("an .npz whose data is no array", _benchmark(_archive("data", b"text"), "PEMS.npz"), "holds data"),
    Cause("JSON lines of numbers", _stored("3\n4\n"), "line 1: found '3'"),
    Cause("JSON lines that end within one", _stored('{"start": "2024-01-01", "tar'), "line 1"),
    Cause("JSON lines without a target", _stored('{"start": "2024-01-01", "value": [1]}'), "start, value"),
    Cause("a start in the year 2924", _stored('{"start": "2924-01-01", "target": [1], "freq": "D"}'), "2924-01-01"),
    Cause("a start that is empty", _stored('{"start": "", "target": [1], "freq": "D"}'), "the start ''"),
    Cause("a start without a frequency", _stored('{"start": "2024-01-01", "target": [1]}'), "no frequency"),
    Cause("a corpus without MANIFEST.csv", _corpus(None), "MANIFEST.csv"),
    Cause("a MANIFEST.csv without its columns", _corpus("a,b\n1,2\n"), "licence_class"),
    Cause("a MANIFEST.csv that names what is not there", _corpus("name,licence_class\nmoon,open\n"), "no data set"),
    Cause("a corpus whose file is damaged", _corpus("name,licence_class\nmoon,open\n", moon=b"not an archive"), "moon"),
    Cause("an empty MANIFEST.csv", _corpus(""), "MANIFEST.csv"),
]
