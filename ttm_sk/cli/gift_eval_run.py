"""``ttm-sk gift-eval run``: the benchmark's tasks, one by one, into a folder."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from typing import Any

from tqdm.auto import tqdm

from ttm_sk.errors import ConfigError
from ttm_sk.evaluation.contenders import CheckpointContender, Contender, ForecasterContender, SeasonalNaiveContender
from ttm_sk.evaluation.gift_eval import Outcome, Plan, plan_run, run_tasks
from ttm_sk.evaluation.gift_eval_tasks import Configuration, select_configurations

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Say what there is to do, do it, say what came out."""
    configurations = select_configurations(arguments.config, terms=arguments.term)
    with warnings.catch_warnings():
        warnings.showwarning = _WarnOnce(warnings.showwarning)
        contender = make_contender(arguments)
        plan = plan_run(arguments.storage, arguments.output, configurations)
        _print_plan(plan, n_all=len(configurations))
        failed = _run_all(contender, plan, arguments)
    n_finished = len(plan.todo) - len(failed)
    print(f"{n_finished} of {len(plan.todo)} tasks scored, {len(plan.done) + n_finished} in {arguments.output}")
    for outcome in failed:
        print(f"failed: {outcome.configuration.name}: {_reason(outcome)}")
    asked_in_vain = bool(arguments.config and plan.missing)
    return 1 if failed or asked_in_vain else 0


class _WarnOnce:
    """Shows what a forecaster warns of once, not at each of thousands of fits; leaves out what sktime announces.

    No filter can do this: sktime puts that of future warnings back to its default whenever it fits.
    """

    def __init__(self, show: Callable[..., None]) -> None:
        self._show = show
        self._shown: set[tuple[type[Warning], str]] = set()

    def __call__(self, message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        key = (category, str(message))
        if key not in self._shown and not str(message).startswith("The default of config ``remember_data``"):
            self._shown.add(key)
            self._show(message, category, *place, **more)


def make_contender(arguments: argparse.Namespace) -> Contender:
    """What the options name; ``ttm-tiny`` without any."""
    if arguments.set and not arguments.forecaster:
        raise ConfigError("--set gives parameters of --forecaster; leave it out, or add --forecaster")
    if arguments.effort and (arguments.forecaster or arguments.baseline):
        raise ConfigError("--effort is of --model; leave it out")
    if arguments.forecaster:
        return ForecasterContender(arguments.forecaster, dict(map(_parameter, arguments.set)))
    if arguments.baseline:
        return SeasonalNaiveContender()
    model = arguments.model or "ttm-tiny"
    contender = CheckpointContender(model, arguments.effort, batch_size=arguments.batch_size, device=arguments.device)
    _ = contender.module  # a wrong name is told before the data are looked at
    return contender


def _parameter(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ConfigError(f"--set: found {text!r}, expected name=value, such as strategy=drift")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)


def _run_all(contender: Contender, plan: Plan, arguments: argparse.Namespace) -> list[Outcome]:
    failed = []
    with tqdm(total=len(plan.todo), unit="task", dynamic_ncols=True, mininterval=0.5) as bar:

        def on_progress(task: Configuration, n_made: int, n_all: int) -> None:
            bar.set_postfix_str(f"{task.name} {n_made}/{n_all}")

        outcomes = run_tasks(
            contender,
            plan.todo,
            storage=arguments.storage,
            output=arguments.output,
            name=arguments.name,
            on_progress=on_progress,
        )
        bar.write(f"{'task':32}{'MASE':>10}{'CRPS':>10}{'seconds':>10}")
        for outcome in outcomes:
            bar.write(_line(outcome))
            bar.update()
            if outcome.error is not None:
                failed.append(outcome)
    return failed


def _print_plan(plan: Plan, *, n_all: int) -> None:
    print(f"{n_all} tasks: {len(plan.todo)} to do, {len(plan.done)} done before, {len(plan.missing)} without data")
    if plan.missing:
        folders = dict.fromkeys(task.folder for task in plan.missing)
        print(f"skipped, not in the storage: {', '.join(folders)}")


def _line(outcome: Outcome) -> str:
    name = f"{outcome.configuration.name:32}"
    if outcome.metrics is None:
        return f"{name}failed: {_reason(outcome)}"
    scores = (outcome.metrics["MASE[0.5]"], outcome.metrics["mean_weighted_sum_quantile_loss"])
    return f"{name}{''.join(f'{score:10.4f}' for score in scores)}{outcome.seconds:10.1f}"


def _reason(outcome: Outcome) -> str:
    return f"{type(outcome.error).__name__}: {' '.join(str(outcome.error).split())}"
