"""sktime's whole conformance suite for every fit strategy, with a small random model and one step of training.

python benchmarks/finetune/conformance.py --strategy zero-shot head minimal bias adapter full auto
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import torch
from sktime.utils.estimator_checks import check_estimator

from ttm_sk import TTM, TTMConfig, TTMForecaster, save_checkpoint
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.estimators.adaptation import STRATEGIES
from ttm_sk.models.ttm import DEFAULT_LEVELS


def small_checkpoint(folder: str) -> str:
    """A quantile model of a few thousand parameters with random weights, as a file."""
    torch.manual_seed(0)
    config = TTMConfig(
        context_length=32,
        prediction_length=8,
        patch_length=8,
        width=16,
        n_levels=2,
        n_layers=1,
        decoder_width=8,
        decoder_layers=1,
        levels=DEFAULT_LEVELS,
        head_width=8,
        scaling="asinh",
        minimum_variance=0.0,
    )
    return str(save_checkpoint(Checkpoint(config, TTM(config).state_dict()), Path(folder) / "small.safetensors"))


def check(path: str, strategy: str) -> None:
    parameters = {
        "model_path": path,
        "fit_strategy": strategy,
        "fit_steps": 1,
        "effort": "plain",
        "pretrain_windows": 8,
    }
    sets = [parameters, parameters | {"random_state": 1}]  # the suite asks for at least two
    TTMForecaster.get_test_params = classmethod(lambda cls, parameter_set="default": sets)
    began = time.perf_counter()
    results = check_estimator(TTMForecaster, raise_exceptions=False, verbose=False)
    failed = {name: outcome for name, outcome in results.items() if outcome != "PASSED"}
    seconds = time.perf_counter() - began
    print(f"{strategy:10} {len(results) - len(failed)} of {len(results)} checks passed, {seconds:.0f} s", flush=True)
    for name, outcome in failed.items():
        print(f"    {name}: {outcome!r}"[:300], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", nargs="+", default=list(STRATEGIES))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = small_checkpoint(folder)
        for strategy in parser.parse_args().strategy:
            check(path, strategy)


if __name__ == "__main__":
    main()
