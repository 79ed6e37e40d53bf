"""Which versions of what it stands on fit together, and what runs on them: Pythons, pandas 2 and 3, lowest, newest.

python benchmarks/trust/versions.py --torch newest lowest

Every Python is asked what a plain installation resolves to (nothing is installed for that). Where its interpreter is
there, the path without torch runs on it with pandas 2.3 and 3.0, and on this Python everything runs on the lowest
versions (of torch, which is large, the present one). ``--torch`` runs everything where a plain installation of all the
newest or lowest versions is, too; each fetches a torch of several gigabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import record

REPOSITORY = Path(__file__).parents[2]
USE = Path(__file__).with_name("version_use.py")
PYTHONS = ("3.11", "3.12", "3.13")
PANDAS = ("2.3", "3.0")
TOLERANCE = 1e-4  # of a forecast, in its units, which are about 1 here; other versions may add up in another order
BOUND = re.compile(r"(?P<name>[\w-]+)>=(?P<least>[\d.]+)$")
BINARY = ("--only-binary", ":all:")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    parser.add_argument("--torch", nargs="*", choices=("newest", "lowest"), default=[], help="gigabytes each")
    parser.add_argument("--results", type=Path, default=record.RESULTS, help="folder for versions.json")
    arguments = parser.parse_args(argv)
    bounds = lower_bounds(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"])
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", name]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
        wheel = next(Path(name).glob("*.whl"))
        with ThreadPoolExecutor(len(arguments.pythons)) as pool:
            parts = list(pool.map(lambda python: resolved(python, wheel, bounds), arguments.pythons))
        runs = [run for python in arguments.pythons for run in runs_on(python, wheel)]
        runs += [on_lowest(wheel, bounds), *(with_torch(wheel, bounds, wish) for wish in arguments.torch)]
    found = {"bounds": bounds, "resolved": sum(parts, []), "runs": compared(runs)}
    record.write("versions", found, folder=arguments.results)
    for row in [*found["resolved"], *found["runs"]]:
        print(row)
    return 1 if any(row["failed"] for row in [*found["resolved"], *found["runs"]]) else 0


def lower_bounds(dependencies: Iterable[str]) -> dict[str, str]:
    """Name and lowest version of every core dependency.

    A dependency that is not written as ``name>=version`` has no lowest version, and ends the run.
    """
    found = [BOUND.fullmatch(text) for text in dependencies]
    return {one["name"]: one["least"] for one in found}


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def lowest_of(listed: Iterable[str], least: str) -> str:
    """The lowest of the versions that is not below the least; without pre-releases."""
    final = [text for text in listed if re.fullmatch(r"[\d.]+", text) and _numbers(text) >= _numbers(least)]
    return min(final, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 2) for '2.2.0' as for '2.2': they are one version."""
    return tuple(int(part) for part in re.sub(r"(\.0)+$", "", version).split("."))


def interpreter(python: str) -> str | None:
    """An interpreter of that version on this machine."""
    known = [shutil.which(f"python{python}"), *Path.home().glob(f".pyenv/versions/{python}.*/bin/python")]
    for path in filter(None, known):
        said = subprocess.run([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
        if said.stdout.decode().strip() == python:
            return str(path)
    return None


def resolved(python: str, wheel: Path, bounds: dict[str, str]) -> list[dict[str, Any]]:
    """What a plain installation comes to on that Python, with each wish about versions."""
    lowest = {name: lowest_of(_listed(name, python), least) for name, least in bounds.items()}
    wishes = {"newest": {}, **{f"pandas {minor}": {"pandas": f"{minor}.*"} for minor in PANDAS}, "lowest": lowest}
    return [
        {"python": python, "asked": asked, **_resolve(python, wheel, wish, bounds)} for asked, wish in wishes.items()
    ]


def _listed(name: str, python: str) -> list[str]:
    """Versions of a package that have a wheel for that Python."""
    command = ["index", "versions", name, "--python-version", python, *BINARY, "--json"]
    return json.loads(_pip(*command).stdout)["versions"]


def _pip(*arguments: str | Path, constraint: Path | None = None) -> subprocess.CompletedProcess[str]:
    """pip with these constraints, instead of those that the machine may have."""
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    wishes = {} if constraint is None else {"PIP_CONSTRAINT": str(constraint)}
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **wishes})


def _resolve(python: str, wheel: Path, wish: dict[str, str], bounds: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        report, wishes = Path(name, "report.json"), Path(name, "wishes.txt")
        wishes.write_text("".join(f"{package}=={version}\n" for package, version in wish.items()))
        path = interpreter(python)
        before = ["--python", path] if path else []
        target = [] if path else ["--python-version", python, "--target", Path(name, "target")]
        options = ["--dry-run", "--ignore-installed", "--quiet", "--report", report, *BINARY, *target]
        done = _pip(*before, "install", *options, wheel, constraint=wishes)
        if done.returncode:
            return {"versions": {}, "failed": done.stderr.strip().splitlines()[-1]}
        installed = json.loads(report.read_text())["install"]
    versions = {part["metadata"]["name"].lower(): part["metadata"]["version"] for part in installed}
    return {"versions": {name: versions[name] for name in bounds}, "failed": ""}


def runs_on(python: str, wheel: Path) -> list[dict[str, Any]]:
    """The path without torch on that Python, with each pandas."""
    path = interpreter(python)
    if path is None:
        return []
    needed = ("numpy", "onnxruntime")
    return [
        {"python": python, "path": "without torch", **_run(path, wheel, [*needed, f"pandas=={minor}.*"])}
        for minor in PANDAS
    ]


def on_lowest(wheel: Path, bounds: dict[str, str]) -> dict[str, Any]:
    """Everything, on this Python, on the lowest versions of all but torch."""
    pins = [pin for pin in _lowest_pins(bounds) if not pin.startswith("torch==")]
    return {"python": _python(), "path": "in full", **_run(sys.executable, wheel, pins, "in-full", has_others=True)}


def with_torch(wheel: Path, bounds: dict[str, str], wish: str) -> dict[str, Any]:
    """Everything, on this Python, where all versions are the newest or the lowest, torch included."""
    pins = _lowest_pins(bounds) if wish == "lowest" else []
    found = _run(sys.executable, wheel, [*pins, "onnxruntime", str(wheel)], "in-full")
    return {"python": _python(), "path": f"in full, all {wish}", **found}


def _lowest_pins(bounds: dict[str, str]) -> list[str]:
    return [f"{name}=={lowest_of(_listed(name, _python()), least)}" for name, least in bounds.items()]


def _run(path: str, wheel: Path, packages: list[str], *arguments: str, has_others: bool = False) -> dict[str, Any]:
    """Install into an environment of its own, and use it where no checkout is."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([path, "-m", "venv", "--without-pip", str(Path(name, "env"))], check=True)
        python = str(Path(name, "env/bin/python"))
        if has_others:  # what is not pinned comes from the present environment
            others = [entry for entry in sys.path if entry.endswith("site-packages")]
            site = next(Path(name, "env/lib").glob("python*/site-packages"))
            (site / "behind.pth").write_text("\n".join(others) + "\n")
        alone = ["--no-deps"] if has_others else []
        done = _pip("--python", python, "install", "--quiet", "--ignore-installed", *BINARY, *alone, *packages)
        done = done if done.returncode else _pip("--python", python, "install", "--quiet", "--no-deps", wheel)
        if done.returncode == 0:
            plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            shutil.copy(USE, name)
            command = [python, str(Path(name, USE.name)), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, cwd=name, env=plain)
        if done.returncode:
            return {"versions": {}, "failed": done.stderr.strip()[-300:]}
    said = json.loads(done.stdout.splitlines()[-1])
    is_own = said["from"].startswith(name)
    return {**said, "failed": "" if is_own else f"used {said['from']}"}


def compared(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs with their largest difference from the first one, in what both forecast; too large a one has failed."""
    first = next((run for run in runs if not run["failed"]), None)
    rows = []
    for run in runs:
        row = {key: value for key, value in run.items() if key not in ("forecasts", "from")}
        if not run["failed"]:
            row["difference"] = max(
                float(np.abs(np.subtract(mine, its)).max())
                for mine, its in zip(run["forecasts"], first["forecasts"], strict=False)
            )
            if not row["difference"] <= TOLERANCE:
                row["failed"] = f"differs by {row['difference']:.2g}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main())
