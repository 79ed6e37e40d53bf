"""Weights files that are missing, damaged, foreign or hostile."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import torch
from safetensors.torch import save_file

from bad_input.cause import Cause
from bad_input.hostile import HEADERS, our_header, safetensors_bytes
from ttm_sk import TTMRegressor, load_checkpoint, pretrain
from ttm_sk.checkpoints.store import Checkpoint
from ttm_sk.checkpoints.tensor_file import write_tensors
from ttm_sk.errors import CheckpointError
from ttm_sk.inference.exported import open_exported
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings

__all__ = ["CAUSES"]


def _open(make, name: str = "weights.safetensors"):
    """Open a file whose bytes ``make`` gives, of the bytes of a good one."""

    def act(place):
        good = Path(place.model).read_bytes()
        return load_checkpoint(place.file(name, make(good)))

    return act


def _written(**changes):
    """Open a file that was sealed with other entries in its header than there should be."""

    def act(place):
        header = our_header(place.weights) | changes
        path = place.folder / "sealed.safetensors"
        write_tensors(path, place.weights.weights, {name: value for name, value in header.items() if value is not ...})
        return load_checkpoint(path)

    return act


def _with_weight(value: float):
    def act(place):
        weights = {name: tensor.clone() for name, tensor in place.weights.weights.items()}
        next(iter(weights.values())).view(-1)[0] = value
        return Checkpoint(place.weights.config, weights)

    return act


def _granite(config: str | None, weights: bytes | None = None):
    def act(place):
        folder = place.folder / "granite"
        folder.mkdir()
        if config is not None:
            (folder / "config.json").write_text(config)
        if weights is not None:
            (folder / "model.safetensors").write_bytes(weights)
        return load_checkpoint(folder)

    return act


def _foreign(place):
    path = place.folder / "theirs.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    return load_checkpoint(path)


class _Evil:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def _torch_file(content):
    def act(place):
        path = place.folder / "model.ckpt"
        torch.save(content, path)
        return load_checkpoint(path)

    return act


def _regressor(**changes):
    def act(place):
        header = {"kind": "regressor", "format_version": 1, "params": {}, "config": {}, "facts": {}} | changes
        path = place.folder / "regressor.safetensors"
        write_tensors(path, {}, {name: value for name, value in header.items() if value is not ...})
        return TTMRegressor.load(path)

    return act


def _resume(place, path: Path):
    settings = PretrainSettings(n_windows=8, batch_size=4)
    return pretrain(place.weights, settings=settings, loop=LoopSettings(state_file=path), is_quiet=True)


def _run_file(**changes):
    def act(place):
        plain = {"kind": "training run", "config": place.weights.config.to_dict(), "identity": {}, "step": 1}
        header = plain | {"history": [], "seconds": 0.0, "loss_sum": 0.0} | changes
        path = place.folder / "run.state"
        write_tensors(path, {}, {name: value for name, value in header.items() if value is not ...})
        return _resume(place, path)

    return act


def _config_of(**changes):
    return lambda place: _written(config=place.weights.config.to_dict() | changes)(place)


EMPTY = safetensors_bytes({})
CAUSES = [
    Cause(
        "a file that is not there",
        lambda place: load_checkpoint(place.folder / "no.safetensors"),
        "no.safetensors",
        CheckpointError,
    ),
    Cause("a folder without weights", lambda place: load_checkpoint(place.folder), "config.json", CheckpointError),
    Cause(
        "a name on the hub without a revision",
        lambda place: load_checkpoint("owner/model"),
        "owner/model",
        CheckpointError,
    ),
    Cause("an empty file", _open(lambda good: b""), "weights.safetensors", CheckpointError),
    Cause("a file of 7 bytes", _open(lambda good: good[:7]), "weights.safetensors", CheckpointError),
    Cause("a file cut in its header", _open(lambda good: good[:100]), "weights.safetensors", CheckpointError),
    Cause("a file cut in its tensors", _open(lambda good: good[:-100]), "weights.safetensors", CheckpointError),
    Cause("a file with bytes at its end", _open(lambda good: good + b"0" * 9), "weights.safetensors", CheckpointError),
    Cause("a changed weight", _open(lambda good: good[:-1] + bytes([good[-1] ^ 1])), "hash", CheckpointError),
    Cause(
        "a changed header",
        _open(lambda good: good.replace(b"64", b"96", 1) if b"64" in good else good),
        "changed|damaged|readable",
        CheckpointError,
    ),
    Cause(
        "a pickle under our name", _open(lambda good: pickle.dumps({"a": 1})), "weights.safetensors", CheckpointError
    ),
    Cause(
        "text under our name",
        _open(lambda good: b"these are no weights, but they are long enough"),
        "weights.safetensors",
        CheckpointError,
    ),
    Cause("somebody else's safetensors", _foreign, "theirs.safetensors", CheckpointError),
    Cause("a checkpoint of torch that runs code", _torch_file({"state_dict": _Evil()}), "model.ckpt", CheckpointError),
    Cause(
        "a checkpoint of torch of another model",
        _torch_file({"state_dict": {"weight": torch.zeros(2)}}),
        "model.ckpt",
        CheckpointError,
    ),
    Cause(
        "a TiRex file that runs code",
        _torch_file({"state_dict": {"block_stack.x": _Evil()}}),
        "model.ckpt",
        CheckpointError,
    ),
    Cause(
        "an archive without a directory",
        _open(lambda good: b"PK\x05\x06" + bytes(18), "model.ckpt"),
        "model.ckpt",
        CheckpointError,
    ),
    Cause(
        "an archive with a wrong directory",
        _open(lambda good: b"PK\x05\x06" + bytes(4) + b"\1\0\1\0\x2e\0\0\0" + bytes(6), "model.ckpt"),
        "model.ckpt",
        CheckpointError,
    ),
    Cause(
        "an archive on several disks",
        _open(lambda good: b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 9) + b"PK\x05\x06" + bytes(18), "model.ckpt"),
        "model.ckpt",
        CheckpointError,
    ),
    Cause("a later format", _written(format_version=99), "99", CheckpointError),
    Cause("another kind of file", _written(kind="regressor"), "regressor", CheckpointError),
    Cause("an unknown architecture", _written(architecture="ttm-9"), "ttm-9", CheckpointError),
    Cause("no architecture", _written(architecture=...), "None", CheckpointError),
    Cause("no config", _written(config=...), "config", CheckpointError),
    Cause("a config that is a list", _written(config=[1]), "config", CheckpointError),
    Cause("provenance that is text", _written(provenance="mine"), "provenance", CheckpointError),
    Cause("a config with an unknown key", _config_of(widht=8), "widht", CheckpointError),
    Cause("a config with a width of 0", _config_of(width=0), "width", CheckpointError),
    Cause("a config with a width of text", _config_of(width="8"), "width", CheckpointError),
    Cause("a config of another size", _config_of(width=16), "do not fit", CheckpointError),
    Cause("a config with a width of a trillion", _config_of(width=10**12), "sizes", CheckpointError),
    Cause("a config with a million layers", _config_of(n_layers=10**6), "n_layers|fit", CheckpointError),
    Cause("a weight that is NaN", _with_weight(float("nan")), "not finite", CheckpointError),
    Cause("a weight that is infinite", _with_weight(float("inf")), "not finite", CheckpointError),
    Cause("a Granite folder without config.json", _granite(None, EMPTY), "config.json", CheckpointError),
    Cause(
        "a Granite folder without weights",
        _granite('{"model_type": "tinytimemixer"}'),
        "model.safetensors",
        CheckpointError,
    ),
    Cause("a Granite config that is no JSON", _granite("{", EMPTY), "config.json", CheckpointError),
    Cause("a Granite config that is a list", _granite("[]", EMPTY), "config.json", CheckpointError),
    Cause("a Granite config of another model", _granite('{"model_type": "bert"}', EMPTY), "bert", CheckpointError),
    Cause(
        "a Granite config with text for a number",
        _granite(json.dumps({"model_type": "tinytimemixer", "context_length": "long"}), EMPTY),
        "context_length|long",
        CheckpointError,
    ),
    Cause("a Granite config nested 100,000 deep", _granite("[" * 100_000, EMPTY), "config.json", CheckpointError),
    Cause(
        "a Granite config with a million layers",
        _granite(
            json.dumps(
                {
                    "model_type": "tinytimemixer",
                    "context_length": 512,
                    "patch_length": 64,
                    "num_layers": 10**6,
                    "decoder_num_layers": 10**6,
                }
            ),
            EMPTY,
        ),
        "000000|granite",
        CheckpointError,
    ),
    Cause("a Timer without weights", _granite('{"model_type": "timer"}'), "granite", CheckpointError),
    Cause("a Timer whose config is short", _granite('{"model_type": "timer"}', EMPTY), "granite", CheckpointError),
    Cause("a regressor that is none", lambda place: TTMRegressor.load(place.model), "checkpoint", CheckpointError),
    Cause("a regressor without parameters", _regressor(params=...), "params", CheckpointError),
    Cause(
        "a regressor whose optimizer is none",
        _regressor(params={"optimizer": {"optimizer": "nn"}}),
        "nn",
        CheckpointError,
    ),
    Cause("a run that is none", lambda place: _resume(place, Path(place.model)), "no training run", CheckpointError),
    Cause("a run without a step", _run_file(step=...), "step", CheckpointError),
    Cause("a run of other weights", _run_file(identity={"start": "0"}), "another run", CheckpointError),
    Cause(
        "an exported file that is none",
        lambda place: open_exported(place.file("m.onnx", b"not an onnx file")),
        "m.onnx",
        CheckpointError,
    ),
    Cause(
        "an exported file that is not there",
        lambda place: open_exported(place.folder / "m.onnx"),
        "m.onnx",
        CheckpointError,
    ),
    *(
        Cause(
            f"a header with {name}", _open(lambda good, make=make: make(good)), "weights.safetensors", CheckpointError
        )
        for name, make in HEADERS.items()
    ),
    Cause(
        "a header of 4 GB in a file of 8 bytes",
        _open(lambda good: struct.pack("<Q", 4 << 30)),
        "weights.safetensors",
        CheckpointError,
    ),
]
