"""Two processes do what one does, on the same batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ttm_sk.errors import ConfigError, MissingExtraError
from ttm_sk.training import team

# One process runs it plainly, two run it under a launcher. `report` is what must agree.
WORK = """
import json, sys
import numpy as np
import torch
from ttm_sk import TTM, TTMConfig, TTMRegressor
from ttm_sk.data.windows import batch_from_arrays
from ttm_sk.training.loop import LoopSettings, train
from ttm_sk.training.objectives import scaled_loss
from ttm_sk.training.schedule import Schedule
from ttm_sk.training.team import join_team

torch.set_num_threads(1)
is_team = len(sys.argv) > 1
rank, n_members = 0, 1
if is_team:
    members = join_team(on_cpu=True)
    rank, n_members = members.rank, members.n_members
config = TTMConfig(context_length=32, prediction_length=8, patch_length=8, width=16, n_levels=2, n_layers=1,
                   decoder_width=8, decoder_layers=1, dropout=0.0, head_dropout=0.0)
device = "cpu" if torch.cuda.is_available() else "auto"
rng = np.random.default_rng(0)
X, y, weight = rng.normal(size=(45, 12)), rng.normal(size=45), rng.integers(0, 3, size=45)
regressor = TTMRegressor(config, trainable="full", max_epochs=3, batch_size=16, random_state=0,
                         device=device, accelerate=is_team).fit(X, y, sample_weight=weight)

def share(index, size, rank):
    values = np.random.default_rng(index).normal(size=(8, 1, 40)).astype(np.float32)[rank * size : (rank + 1) * size]
    return batch_from_arrays(values[..., :32], values[..., 32:])

torch.manual_seed(0)
result = train(TTM(config), share, scaled_loss, Schedule(1e-3, 5), LoopSettings(batch_size=8, average=0.5),
               is_quiet=True)
report = {
    "members": n_members,
    "history": regressor.history_[:, "train_loss"],
    "prediction": regressor.predict(X).tolist(),
    "pretrained": torch.cat([value.flatten() for value in result.averaged.values()]).tolist(),
}
if is_team:
    with open(f"{sys.argv[1]}-{rank}.json", "w") as file:
        json.dump(report, file)
"""


LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node=2"],
    "accelerate launch": [
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes=2",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
        "--main_process_port=0",
    ],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_when_two_processes_train_then_losses_and_weights_are_those_of_one(launcher, tmp_path, monkeypatch):
    pytest.importorskip("accelerate")
    script, output = tmp_path / "work.py", tmp_path / "member"
    script.write_text(WORK)
    launch = ["-m", *LAUNCHERS[launcher], str(script), str(output)]
    done = subprocess.run([sys.executable, *launch], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "argv", ["work.py"])
    alone: dict = {}
    exec(compile(WORK, "work.py", "exec"), alone)  # the same lines, in this process
    for rank in (0, 1):
        member = json.loads(Path(f"{output}-{rank}.json").read_text())
        assert member["members"] == 2
        np.testing.assert_allclose(member["history"], alone["report"]["history"], rtol=1e-5)
        np.testing.assert_allclose(member["prediction"], alone["report"]["prediction"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(member["pretrained"], alone["report"]["pretrained"], rtol=1e-3, atol=1e-5)


def test_when_the_extra_is_missing_then_it_is_named(monkeypatch):
    monkeypatch.setattr(team, "Accelerator", None)
    with pytest.raises(MissingExtraError, match=r"ttm-sk\[accelerate\]"):
        team.join_team()


def test_when_each_of_two_processes_would_train_alone_then_it_is_said(monkeypatch):
    monkeypatch.setattr(team, "Accelerator", lambda cpu: SimpleNamespace(num_processes=1))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="team of 1, expected the 2"):
        team.join_team()


class Pair:
    """What ``accelerate`` says in the second of two processes."""

    process_index, num_processes = 1, 2


def test_when_a_batch_is_divided_then_the_shares_are_the_batch():
    second = team.Team(Pair())
    assert [range(7)[second.share(n)] for n in (7, 1)] == [range(3, 7), range(0, 1)]
