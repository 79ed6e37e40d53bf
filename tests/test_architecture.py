"""The import rule of the house, the names in it, and what ``import ttm_sk`` may do. See CONTRIBUTING.md."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import ttm_sk

PACKAGE = Path(importlib.util.find_spec("ttm_sk").origin).parent
REPOSITORY = Path(__file__).parents[1]

# Top to bottom. A module may import from the lines below its own and from its own folder; names on one line are
# siblings that know nothing of each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("app",),
    ("evaluation", "samay", "distributed"),
    ("plotting",),
    ("estimators",),
    ("training", "inference"),
    ("checkpoints",),
    ("models", "data"),
    ("layers",),
    ("scoring",),
    ("device",),
    ("errors",),
)
RANK = {name: rank for rank, line in enumerate(LAYERS) for name in line}

# What a training machine has. These folders import nothing else, the pandas part of data apart.
TRAINING_MACHINE = {"layers", "models", "training", "data", "checkpoints", "scoring", "inference", "device", "errors"}
TRAINING_PACKAGES = {"torch", "numpy", "einops", "safetensors"}
NEEDS_PANDAS = {f"ttm_sk.data.{name}" for name in ("csv_files", "layouts", "panels", "sources", "stamps", "tables")}
CORE_PACKAGES = TRAINING_PACKAGES | {"pandas", "sklearn", "sktime", "skorch", "tqdm", "joblib", "scipy", "skbase"}

# An optional package is imported in its own module and nowhere else; "guarded" means inside `try: ... except
# ImportError`, because the module has work to do without it.
EXTRA_HOMES = {
    "accelerate": {"ttm_sk.training.team"},
    "huggingface_hub": {"ttm_sk.checkpoints.hub", "ttm_sk.data.monash"},
    "matplotlib": {"ttm_sk.plotting"},
    "tabpfn": {"ttm_sk.estimators.tabpfn_weights"},
    "tabpfn_time_series": {"ttm_sk.estimators.tabpfn", "ttm_sk.estimators.tabpfn_weights"},
    "gluonts": {"ttm_sk.evaluation.gift_eval_predictor"},
    "pyarrow": {"ttm_sk.data.arrow_files", "ttm_sk.evaluation.gift_eval_storage"},
    "onnx": {"ttm_sk.inference.onnx_file"},
    "onnxscript": {"ttm_sk.inference.onnx_file"},
    "onnxruntime": {"ttm_sk.inference.onnx_engine", "ttm_sk.inference.onnx_file"},
    "openvino": {"ttm_sk.inference.openvino_engine"},
    "jinja2": {"ttm_sk.app.pages"},
    "starlette": {"ttm_sk.app.site"},
    "python_multipart": {"ttm_sk.app.site"},
    "uvicorn": {"ttm_sk.app.server"},
}
GUARDED_ANYWHERE = {"tqdm"}

FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "base"}
PICKLES = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
PUBLIC_NAMES = [
    "PatchSLSTMForecaster",
    "SpeculativeForecaster",
    "TTM",
    "TTMConfig",
    "TTMFeatures",
    "TTMForecaster",
    "TTMRegressor",
    "TabPFNTSForecaster",
    "TimerXLForecaster",
    "finetune",
    "forecast",
    "load_checkpoint",
    "pretrain",
    "save_checkpoint",
]


class Import(NamedTuple):
    importer: str
    target: str
    line: int
    is_guarded: bool  # inside a `try` that catches ImportError
    is_deferred: bool  # inside a function, or for the type checker only

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name, parsed."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return trees


def folder_of(module: str) -> str:
    """The layer that a module belongs to: ``ttm_sk.layers.scaling`` -> ``layers``; the package itself: ``""``."""
    return module.split(".")[1] if "." in module else ""


class ImportCollector(ast.NodeVisitor):
    def __init__(self, module: str) -> None:
        self.module = module
        self.found: list[Import] = []
        self.guards = 0
        self.deferrals = 0

    def add(self, target: str, line: int) -> None:
        self.found.append(Import(self.module, target, line, self.guards > 0, self.deferrals > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = node.module or ""
        if node.level:
            is_package = (PACKAGE.parent / self.module.replace(".", "/")).is_dir()
            parents = self.module.split(".")[: len(self.module.split(".")) - node.level + is_package]
            source = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            inside = f"{source}.{alias.name}"
            self.add(inside if inside in modules() or source == "ttm_sk" else source, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.add(str(node.args[0].value), node.lineno)
        self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        caught = {
            name.id
            for handler in node.handlers
            for name in ast.walk(handler.type or handler)
            if isinstance(name, ast.Name)
        }
        is_guard = bool(caught & {"ImportError", "ModuleNotFoundError"})
        self.guards += is_guard
        for statement in node.body:
            self.visit(statement)
        self.guards -= is_guard
        for statement in [*node.handlers, *node.orelse, *node.finalbody]:
            self.visit(statement)

    def visit_If(self, node: ast.If) -> None:
        is_for_types = "TYPE_CHECKING" in ast.dump(node.test)
        self.deferrals += is_for_types
        for statement in node.body:
            self.visit(statement)
        self.deferrals -= is_for_types
        for statement in node.orelse:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.deferrals += 1
        self.generic_visit(node)
        self.deferrals -= 1

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module, those in functions and for the type checker included."""
    found = []
    for module, tree in modules().items():
        collector = ImportCollector(module)
        collector.visit(tree)
        found += collector.found
    return tuple(found)


def inner_imports() -> Iterator[Import]:
    return (item for item in imports() if item.target.split(".")[0] == "ttm_sk")


def outer_imports() -> Iterator[tuple[Import, str]]:
    """Imports of what is neither ours nor the standard library's, with the package's name."""
    for item in imports():
        package = item.target.split(".")[0]
        if package != "ttm_sk" and package not in sys.stdlib_module_names:
            yield item, package


def test_when_a_module_is_added_then_its_folder_has_a_layer():
    folders = {folder_of(module) for module in modules()} - {""}
    assert folders <= set(RANK), "give the new folder its line in LAYERS, in CONTRIBUTING.md and in an ADR"


def test_when_modules_import_each_other_then_imports_point_down():
    wrong = []
    for item in inner_imports():
        if item.importer == "ttm_sk" or item.target == "ttm_sk.__version__":
            continue  # the lazy public names, and the one fact that lives at the top
        source, target = folder_of(item.importer), folder_of(item.target)
        if target not in RANK or (source != target and RANK[source] >= RANK[target]):
            wrong.append(str(item))
    assert not wrong, "imports point down the list LAYERS, never up and never sideways"


def test_when_module_level_imports_are_followed_then_no_circle_appears():
    graph: dict[str, set[str]] = {}
    for item in inner_imports():
        if not item.is_deferred and item.target in modules():
            graph.setdefault(item.importer, set()).add(item.target)
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_when_only_a_training_machine_is_there_then_its_folders_import():
    wrong = [
        str(item)
        for item, package in outer_imports()
        if folder_of(item.importer) in TRAINING_MACHINE
        and package not in TRAINING_PACKAGES
        and not (package == "pandas" and item.importer in NEEDS_PANDAS)
        and not (item.is_guarded and (package in GUARDED_ANYWHERE or item.importer in EXTRA_HOMES.get(package, ())))
    ]
    assert not wrong, f"these folders import only {sorted(TRAINING_PACKAGES)} and the standard library"


def test_when_an_optional_package_is_imported_then_it_is_in_its_own_module():
    wrong = [
        str(item)
        for item, package in outer_imports()
        if package not in CORE_PACKAGES and item.importer not in EXTRA_HOMES.get(package, ())
    ]
    assert not wrong, "an extra is imported in its own module only: see EXTRA_HOMES"


def test_when_files_are_named_then_no_name_is_a_grab_bag():
    assert not [module for module in modules() if FORBIDDEN_NAMES & {part.strip("_") for part in module.split(".")}]


def test_when_code_prints_then_it_is_the_command_line():
    wrong = [
        f"{module}:{node.lineno}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and folder_of(module) != "cli"
    ]
    assert not wrong, "use logging.getLogger(__name__), or return the text"


def _opens_a_pickle(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in PICKLES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        source = (node.module or "").split(".")[0]
        return source in PICKLES or (
            source in ("torch", "joblib") and any(alias.name == "load" for alias in node.names)
        )
    if isinstance(node, ast.Attribute):
        return node.attr == "load" and getattr(node.value, "id", "") in ("torch", "joblib")
    if isinstance(node, ast.keyword):
        return node.arg == "allow_pickle" and getattr(node.value, "value", None) is not False
    return False


def test_when_a_pickle_could_be_opened_then_it_is_in_checkpoints_foreign():
    wrong = [
        f"{module}:{getattr(node, 'lineno', '?')}"
        for module, tree in modules().items()
        if module != "ttm_sk.checkpoints.foreign"
        for node in ast.walk(tree)
        if _opens_a_pickle(node)
    ]
    assert not wrong


IMPORT_ALONE = """
import logging, os, sys, warnings
import json
from pathlib import Path
events = []
sys.addaudithook(lambda event, arguments: events.append(event) if event.startswith("socket.") else None)
state = lambda: [repr(warnings.filters), repr(logging.root.handlers), logging.root.level, dict(os.environ), sys.path[:]]
before, loaded = state(), set(sys.modules)
import ttm_sk
dir(ttm_sk)
strangers = {name.split(".")[0] for name in set(sys.modules) - loaded} - set(sys.stdlib_module_names) - {"ttm_sk"}
report = {"strangers": sorted(strangers), "events": events, "changed": before != state()}
Path(sys.argv[1]).write_text(json.dumps(report))
"""

RESOLVE_ALL = """
import json, logging, random, sys, warnings
from pathlib import Path
import numpy, pandas, sklearn.base, skorch, sktime.forecasting.base, torch
def state():
    return [
        torch.get_num_threads(), torch.get_num_interop_threads(), str(torch.get_default_dtype()),
        torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), torch.initial_seed(),
        torch.get_rng_state().tolist(), numpy.geterr(), numpy.get_printoptions(), repr(numpy.random.get_state()),
        repr(random.getstate()), repr(warnings.filters), repr(logging.root.handlers), logging.root.level,
        [pandas.get_option(name) for name in ("display.max_rows", "mode.chained_assignment")],
    ]
before = state()
import ttm_sk
homes = {name: getattr(ttm_sk, name).__module__ for name in ttm_sk.__all__}
changed = [i for i, (old, new) in enumerate(zip(before, state(), strict=True)) if old != new]
Path(sys.argv[1]).write_text(json.dumps({"homes": homes, "changed": changed}))
"""


def run_alone(script: str, report: Path) -> dict:
    """What ``script`` reports from a fresh interpreter, in which it must print nothing."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(report)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    return json.loads(report.read_text())


def test_when_the_package_is_imported_then_nothing_else_happens(tmp_path):
    report = run_alone(IMPORT_ALONE, tmp_path / "report.json")
    assert report == {"strangers": [], "events": [], "changed": False}


def test_when_all_public_names_are_used_then_no_global_state_changes(tmp_path):
    report = run_alone(RESOLVE_ALL, tmp_path / "report.json")
    assert sorted(report["homes"]) == PUBLIC_NAMES
    assert report["changed"] == []


def test_when_the_public_names_are_listed_then_they_are_these():
    assert sorted(ttm_sk.__all__) == PUBLIC_NAMES
    assert set(PUBLIC_NAMES) | {"__version__"} <= set(dir(ttm_sk))


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_when_a_public_name_is_asked_for_then_it_resolves(name):
    assert getattr(ttm_sk, name).__name__ == name


def test_when_an_unknown_name_is_asked_for_then_attribute_error_is_raised():
    with pytest.raises(AttributeError, match="has no attribute 'TTMForcaster'"):
        _ = ttm_sk.TTMForcaster


def test_when_the_readme_says_how_to_run_the_tests_then_ci_runs_that():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in script if "tox -e" in line]
    assert len(commands) == 1
    assert commands[0] in readme
