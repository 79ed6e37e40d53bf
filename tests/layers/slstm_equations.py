"""The sLSTM as its equations stand, in float64, one step and head at a time: what the layer is compared with."""

from __future__ import annotations

import numpy as np


def slstm(
    x: np.ndarray, input_weight: np.ndarray, recurrent_weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Hidden states ``(step, batch, head, feature)`` and the last ``[h, c, n, m]``, each ``(batch, head, feature)``.

    ``x`` is ``(step, batch, head, feature)``, the weights ``(gate, head, feature in, feature out)``, the bias
    ``(gate, head, feature)``; the gates are input, forget, cell, output.
    """
    n_steps, n_rows, n_heads, size = x.shape
    h, c, n = (np.zeros((n_rows, n_heads, size)) for _ in range(3))
    m = np.zeros_like(h)
    hidden = []
    for t in range(n_steps):
        i, f, z, o = (
            np.stack(
                [
                    x[t, :, k] @ input_weight[gate, k] + h[:, k] @ recurrent_weight[gate, k] + bias[gate, k]
                    for k in range(n_heads)
                ],
                axis=1,
            )
            for gate in range(4)
        )
        log_forget = m - np.logaddexp(0, -np.minimum(f, 15))
        m = np.maximum(i, log_forget) if t else i
        input_gate, forget_gate = np.exp(i - m), np.exp(log_forget - m)
        c = forget_gate * c + input_gate * np.tanh(z)
        n = forget_gate * n + input_gate
        h = c / n / (1 + np.exp(-o))
        hidden.append(h)
    return np.stack(hidden), [h, c, n, m]
