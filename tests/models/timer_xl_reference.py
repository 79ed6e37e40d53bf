"""Timer-XL a second time, in float64 and numpy, from the paper's equations alone: no cache, no batch, loops over heads.

``weights`` are those of our module; ``context`` is ``(channel, time)`` of whole patches, all observed.
"""

from __future__ import annotations

import numpy as np


def layer_norm(x, weight, bias):
    deviation = x - x.mean(-1, keepdims=True)
    return deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def rotation(position: int, n_rotated: int, size: int) -> np.ndarray:
    """The orthogonal matrix of one position: pairs (i, i + half) turned by position / 10000 ** (2 i / n)."""
    matrix, half = np.eye(size), n_rotated // 2
    for i in range(half):
        angle = position / 10_000 ** (2 * i / n_rotated)
        matrix[i, i], matrix[i + half, i + half] = np.cos(angle), np.cos(angle)
        matrix[i, i + half], matrix[i + half, i] = -np.sin(angle), np.sin(angle)
    return matrix


def dependency(attends: str, n_channels: int) -> np.ndarray:
    """Which channel (row) may see which (column)."""
    if attends == "all":
        return np.ones((n_channels, n_channels), dtype=int)
    matrix = np.eye(n_channels, dtype=int)
    if attends == "target":
        matrix[-1] = 1
    return matrix


def after_each_patch(config, weights, context: np.ndarray) -> np.ndarray:
    """``(channel, patch, step)``: what follows each patch, in the units of the context."""
    w = {name: value.double().numpy() for name, value in weights.items()}
    loc = context.mean(1, keepdims=True)
    scale = np.sqrt(context.var(1, keepdims=True) + config.minimum_variance)
    n_channels, n_patches = len(context), context.shape[1] // config.patch_length
    patches = ((context - loc) / scale).reshape(n_channels * n_patches, config.patch_length)
    time = np.tile(np.arange(n_patches), n_channels)
    channel = np.repeat(np.arange(n_channels), n_patches)
    causal = np.tril(np.ones((n_patches, n_patches), dtype=int)) - np.tril(
        np.ones((n_patches, n_patches), dtype=int), -config.n_patches
    )
    allowed = np.kron(dependency(config.attends, n_channels), causal).astype(bool)
    x = patches @ w["embedding.weight"].T + w.get("embedding.bias", 0)
    for i in range(config.n_layers):
        x = decoder_layer(config, lambda name, i=i: w.get(f"layers.{i}.{name}", 0), x, time, channel, allowed)
    x = layer_norm(x, w["norm.weight"], w["norm.bias"])
    forecast = (x @ w["head.weight"].T + w.get("head.bias", 0)).reshape(n_channels, n_patches, -1)
    return forecast * scale[..., None] + loc[..., None]


def decoder_layer(config, w, x, time, channel, allowed):
    size = config.width // config.heads
    n_rotated = 2 * round(size * config.rotary_share / 2)
    turn = np.stack([rotation(t, n_rotated, size) for t in time])
    heads = []
    for head in range(config.heads):
        rows = slice(head * size, (head + 1) * size)
        query, key, value = (
            x @ w(f"attention.{part}.weight")[rows].T + w(f"attention.{part}.bias")[rows]
            for part in ("query", "key", "value")
        )
        query, key = np.einsum("tij,tj->ti", turn, query), np.einsum("tij,tj->ti", turn, key)
        score = query @ key.T
        if config.attends != "own":
            other, same = w("attention.channel_bias")[:, head]
            score += np.where(channel[:, None] == channel[None], same, other)
        score = np.where(allowed, score / np.sqrt(size), -np.inf)
        weight = np.exp(score - score.max(1, keepdims=True))
        heads.append(weight / weight.sum(1, keepdims=True) @ value)
    mixed = np.concatenate(heads, axis=1) @ w("attention.output.weight").T + w("attention.output.bias")
    x = layer_norm(x + mixed, w("attention_norm.weight"), w("attention_norm.bias"))
    expanded = x @ w("feedforward.expand.weight").T + w("feedforward.expand.bias")
    if config.feedforward == "gated":
        gate = x @ w("feedforward.gate.weight").T
        hidden = gate / (1 + np.exp(-gate)) * expanded
    else:
        hidden = np.maximum(expanded, 0)
    half = hidden @ w("feedforward.contract.weight").T + w("feedforward.contract.bias")
    return layer_norm(x + half, w("feedforward_norm.weight"), w("feedforward_norm.bias"))
