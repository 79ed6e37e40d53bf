"""Take a corpus to a machine with a GPU and train the bundled architecture's weights onwards there.

``python benchmarks/pretraining/on_gpu.py pack CORPUS FOLDER`` writes the real series in a quarter less space than a
corpus folder takes. ``python benchmarks/pretraining/on_gpu.py train FOLDER --out OUT --stable 400 --decay 130`` goes on
with the constant phase for 400 seconds (killed and started again, it continues), then decays for about 130, and writes
``stable.safetensors`` and ``decayed.safetensors``. That machine needs torch, numpy, einops and safetensors.
"""

from __future__ import annotations

import argparse
import json
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint, save_checkpoint
from ttm_sk.data.corpora import Corpus, CorpusGroup, read_corpus
from ttm_sk.training.loop import LoopSettings
from ttm_sk.training.pretrain import PretrainSettings, pretrain

STABLE = Path(__file__).parent / "ttm-tiny-stable.safetensors"
CLASSES = ("open", "copyleft package")
NO_END = 10**9  # windows: the clock ends the constant phase


def main() -> None:
    """Pack or train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("pack")
    command.add_argument("corpus", type=Path)
    command.add_argument("folder", type=Path)
    command = commands.add_parser("train")
    command.add_argument("folder", type=Path)
    command.add_argument("--from", dest="start", type=Path, default=STABLE)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--stable", type=float, default=400, help="seconds at the constant rate")
    command.add_argument("--decay", type=float, default=130, help="about so many seconds of decay")
    command.add_argument("--batch", type=int, default=2048)
    command.add_argument("--peak", type=float, default=3e-3)
    command.add_argument("--seed", type=int, required=True, help="another one each time")
    command.add_argument("--fed-back-share", type=float, default=0.0, help="of the windows, in both phases")
    command.add_argument("--fed-back-weight", type=float, help="how far those steps count as observed")
    command.add_argument("--profile", action="store_true", help="print what 60 steps spend their time on, and end")
    command.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.command == "pack":
        pack(read_corpus(options.corpus, licence_classes=CLASSES), options.folder)
    else:
        train(options)


def pack(corpus: Corpus, folder: Path) -> None:
    """Integers as differences, their high and low bytes apart: what compresses well stands together."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.concatenate([group.values for group in corpus.groups])
    steps = np.diff(values, prepend=np.int16(0)).view(np.uint16)
    for name, part in (("high", steps >> 8), ("low", steps & 255)):
        (folder / f"{name}.xz").write_bytes(lzma.compress(part.astype(np.uint8).tobytes(), preset=2))
    np.savez_compressed(
        folder / "index.npz",
        offsets=np.concatenate([group.offsets for group in corpus.groups]),
        counts=np.array([len(group.offsets) for group in corpus.groups]),
        names=json.dumps([group.name for group in corpus.groups]),
        datasets=json.dumps(list(corpus.datasets)),
    )


def unpack(folder: Path) -> Corpus:
    """What :func:`pack` packed."""
    high, low = (
        np.frombuffer(lzma.decompress((folder / f"{k}.xz").read_bytes()), np.uint8).astype(np.uint16)
        for k in ("high", "low")
    )
    values = ((high << 8) | low).view(np.int16).cumsum(dtype=np.int16)
    with np.load(folder / "index.npz") as index:
        offsets = np.split(index["offsets"], index["counts"].cumsum()[:-1])
        names, datasets = json.loads(str(index["names"])), json.loads(str(index["datasets"]))
    starts = np.cumsum([0, *(int(part[-1]) for part in offsets)])
    groups = (
        CorpusGroup(name, values[begin:end], part)
        for name, begin, end, part in zip(names, starts[:-1], starts[1:], offsets, strict=True)
    )
    return Corpus(tuple(groups), tuple(datasets))


def train(options: argparse.Namespace) -> None:
    """The two phases, each a run of its own."""
    corpus, stable = unpack(options.folder), read_checkpoint(options.start)
    settings = PretrainSettings(
        n_windows=NO_END,
        batch_size=options.batch,
        peak=options.peak,
        decay_share=0,
        fed_back_share=options.fed_back_share,
        fed_back_weight=options.fed_back_weight,
        seed=options.seed,
    )
    settings = replace(settings, warmup_share=200 * options.batch / NO_END)
    loop = LoopSettings(is_bfloat16=options.device == "cuda", is_compiled=options.device == "cuda", average=0.9995)
    if options.profile:
        print_profile(stable, corpus, replace(settings, n_windows=60 * options.batch), loop, options.device)
        return
    pace = 0.0
    if options.stable:
        state = options.out / "stable.state"
        limited = replace(loop, state_file=state, time_limit=options.stable)
        stable = pretrain(stable, corpus, settings=settings, loop=limited, device=options.device)
        pace = _written(stable, options.out / "stable.safetensors")
        state.unlink()
    if options.decay:
        n_windows = int((pace or 85_000) * options.decay)
        settings = replace(settings, n_windows=n_windows, warmup_share=0, decay_share=1, seed=options.seed + 1)
        decayed = pretrain(stable, corpus, settings=settings, loop=replace(loop, average=0.998), device=options.device)
        _written(decayed, options.out / "decayed.safetensors")


def print_profile(
    start: Checkpoint, corpus: Corpus, settings: PretrainSettings, loop: LoopSettings, device: str
) -> None:
    """Where the time of a short run goes, operation by operation."""
    settings = replace(settings, warmup_share=0)
    pretrain(start, corpus, settings=settings, loop=loop, device=device, is_quiet=True)  # compiles
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] * (device == "cuda")
    with torch.profiler.profile(activities=activities) as profile:
        pretrain(start, corpus, settings=settings, loop=loop, device=device, is_quiet=True)
    print(profile.key_averages().table(sort_by=f"self_{device}_time_total", row_limit=40))


def _written(checkpoint: Checkpoint, path: Path) -> float:
    """Write it, say so, and return the windows a second of its last run."""
    save_checkpoint(checkpoint, path)
    run = checkpoint.provenance["runs"][-1]
    pace = run["windows"] / run["seconds"]
    print(
        f"{path.name}: {checkpoint.provenance['windows']:,} windows, {pace:,.0f}/s, {checkpoint.hash[:12]}", flush=True
    )
    return pace


if __name__ == "__main__":
    main()
