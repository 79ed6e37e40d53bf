"""Train the bundled model's stable weights onwards on one GPU: constant phase, then decay, by the clock.

    python benchmarks/pretraining/on_gpu.py CORPUS_FILE --state run.pt --stable 400 --decay 150 --out FOLDER

Windows are drawn on the device. The constant phase lasts ``--stable`` seconds of training and the decay ``--decay``;
a phase of 0 seconds is left out. The state file is read where it exists, and written at the end of the constant phase.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from pathlib import Path

import numpy as np
import torch

from ttm_sk.checkpoints.store import Checkpoint, read_checkpoint, save_checkpoint
from ttm_sk.data.corpora import Corpus, CorpusGroup
from ttm_sk.data.device_sampling import DeviceWindowSampler
from ttm_sk.training.objectives import scaled_loss


def packed_corpus(folder: Path) -> Corpus:
    """The corpus that was packed for the trip: int16 differences in two byte planes."""
    high, low = (np.frombuffer(lzma.decompress((folder / f"{k}.xz").read_bytes()), np.uint8) for k in ("hi", "lo"))
    values = ((high.astype(np.uint16) << 8) | low).view(np.int16).cumsum(dtype=np.int16)
    index = np.load(folder / "index.npz")
    groups, at, begin = [], 0, 0
    for name, count in zip(json.loads(str(index["names"])), index["counts"], strict=True):
        offsets = index["offsets"][at : at + count]
        groups.append(CorpusGroup(name, values[begin : begin + offsets[-1]], offsets))
        at, begin = at + count, begin + int(offsets[-1])
    return Corpus(tuple(groups), tuple(json.loads(str(index["datasets"]))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--start", type=Path, default=Path("benchmarks/pretraining/ttm-tiny-stable.safetensors"))
    parser.add_argument("--state", type=Path, default=Path("/tmp/run.pt"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stable", type=float, default=0)
    parser.add_argument("--decay", type=float, default=0)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--peak", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--pool", type=int, default=8192)
    a = parser.parse_args()
    began = time.monotonic()
    device = torch.device(a.device)
    torch.manual_seed(0)
    start = read_checkpoint(a.start)
    module = start.build().to(device).train()
    corpus = packed_corpus(a.corpus)
    sampler = DeviceWindowSampler(
        module.config.context_length, module.config.prediction_length, corpus, device, seed=a.seed, pool_size=a.pool
    )
    parameters = list(module.parameters())
    matrices, others = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
        lr=torch.tensor(a.peak, device=device) if device.type == "cuda" else a.peak,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = [p.detach().clone() for p in parameters]
    step, seconds, history = 0, 0.0, []
    if a.state.exists():
        kept = torch.load(a.state, map_location=device, weights_only=True)
        module.load_state_dict(kept["weights"])
        optimiser.load_state_dict(kept["optimiser"])
        average, step, seconds, history = kept["average"], kept["step"], kept["seconds"], kept["history"]

    def loss_of(batch):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return scaled_loss(module, batch)

    run = loss_of if a.no_compile else torch.compile(loss_of, dynamic=False)

    def set_rate(value: float) -> None:
        for group in optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def learn(rate: float, keep: float) -> torch.Tensor:
        nonlocal step
        batch = sampler.batch(step, a.batch)
        loss = run(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        set_rate(rate)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - keep)
        step += 1
        return loss.detach()

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def phase(length: float, rate_at, keep: float, label: str) -> float:
        nonlocal history
        if length <= 0:
            return 0.0
        losses, first = [], step
        learn(rate_at(0.0), keep)
        wait()
        print(f"{label}: first step done, {time.monotonic() - began:.0f} s after the start", flush=True)
        at = shown = time.monotonic()
        while (passed := time.monotonic() - at) < length:
            losses.append(learn(rate_at(passed / length), keep))
            if len(losses) % 200 == 0:
                mean = float(torch.stack(losses[-200:]).mean())
                history.append({"step": step, "loss": mean, "batch": a.batch})
                if time.monotonic() - shown > 10:
                    shown = time.monotonic()
                    pace = (step - first) * a.batch / (shown - at)
                    print(f"{label} step {step} loss {mean:.4f} {pace:,.0f} windows/s", flush=True)
                    if mean != mean:
                        raise SystemExit("diverged")
        wait()
        print(f"{label}: {step - first} steps in {time.monotonic() - at:.0f} s", flush=True)
        return time.monotonic() - at

    def write(name: str) -> None:
        names = [n for n, _ in module.named_parameters()]
        before = dict(start.provenance)
        note = {
            "windows": step * a.batch,
            "seconds": round(seconds, 1),
            "settings": {"batch_size": a.batch, "peak": a.peak, "seed": a.seed, "synthetic_share": 0.5},
            "hardware": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "sampler": "DeviceWindowSampler",
        }
        provenance = {
            **before,
            "windows": before["windows"] + step * a.batch,
            "seconds": round(before["seconds"] + seconds, 1),
            "datasets": sorted({*before["datasets"], *corpus.datasets}),
            "runs": [*before["runs"], note],
        }
        weights = {n: w.detach().cpu() for n, w in zip(names, average, strict=True)}
        checkpoint = Checkpoint(start.config, weights, provenance)
        save_checkpoint(checkpoint, a.out / f"{name}.safetensors")
        (a.out / f"{name}-history.json").write_text(json.dumps(history))
        print(f"wrote {name}: {provenance['windows']:,} windows, hash {checkpoint.hash[:12]}", flush=True)

    resumed = step > 0
    seconds += phase(
        a.stable, lambda share: a.peak if resumed else a.peak * min(1.0, 0.02 + share * 25), 0.9995, "stable"
    )
    if a.stable:
        write("stable")
        torch.save(
            {
                "weights": module.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": step,
                "seconds": seconds,
                "history": history,
            },
            a.state,
        )
    seconds += phase(a.decay, lambda share: a.peak * (1 - 0.99 * min(1.0, share)), 0.998, "decay")
    if a.decay:
        write("decayed")


if __name__ == "__main__":
    main()
