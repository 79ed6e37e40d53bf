"""What trains: the one vocabulary of fine-tuning.

==============  =====================================================================================
``"head"``      the head alone
``"minimal"``   decoder and head; the backbone (with its embeddings) is frozen, as in the paper
``"bias"``      every bias, nothing else
``"adapter"``   a low-rank product beside every large matrix (:mod:`ttm_sk.layers.adapters`), and the biases
``"full"``      everything
==============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from ttm_sk.errors import ConfigError
from ttm_sk.layers.adapters import insert_adapters, merge_adapters

__all__ = ["TRAINABLES", "check_trainable", "choose_trainable", "merged"]

TRAINABLES = ("head", "minimal", "bias", "adapter", "full")
BACKBONE = ("embeddings.", "prefix.", "backbone.")
RANK = 4  # of the adapters: 8 % of the parameters of the bundled weights


def check_trainable(trainable: str) -> None:
    """Refuse a word that is not in the vocabulary.

    Raises
    ------
    ConfigError
        With the choices.
    """
    if trainable not in TRAINABLES:
        raise ConfigError(f"unknown trainable={trainable!r}; choose one of {', '.join(map(repr, TRAINABLES))}")


def choose_trainable(
    module: nn.Module, trainable: str, *, also: Sequence[str] = (), rank: int = RANK, seed: int = 0
) -> int:
    """Set ``requires_grad`` on every parameter of a TTM (or of a module with its part names), and count what trains.

    Parameters
    ----------
    module
        Has the parts ``embeddings``, ``prefix``, ``backbone``, ``adapter``, ``decoder`` and ``head`` of
        :class:`~ttm_sk.models.ttm.TTM`, or some of them. Changed in place; for ``"adapter"`` it gets low-rank
        adapters, which :func:`merged` (or :func:`ttm_sk.layers.adapters.merge_adapters`) writes into its matrices.
    trainable
        A word of :data:`TRAINABLES`.
    also
        Prefixes of parameter names that train in any case, for parts that are new and have learnt nothing yet, such
        as ``("head.",)`` or ``("exogenous.",)``.
    rank, seed
        Of the adapters, and of their random half.

    Returns
    -------
    int
        How many numbers train.

    Raises
    ------
    ConfigError
        For an unknown word, or where nothing would train.

    Examples
    --------
    >>> from ttm_sk.models.ttm import TTM, TTMConfig
    >>> module = TTM(TTMConfig())
    >>> [choose_trainable(module, word) for word in ("head", "minimal", "bias", "full")]
    [98400, 289696, 6496, 805280]
    """
    check_trainable(trainable)
    if trainable == "adapter":
        insert_adapters(module, rank=rank, seed=seed)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(also)) or _trains(name, trainable))
    n_trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    if n_trained == 0:
        raise ConfigError(f"trainable={trainable!r} leaves nothing to train in this {type(module).__name__}")
    return n_trained


@contextmanager
def merged(module: nn.Module) -> Iterator[None]:
    """Inside, the module may have adapters; afterwards, also after an error, it is an ordinary module again."""
    try:
        yield
    finally:
        merge_adapters(module)


def _trains(name: str, trainable: str) -> bool:
    is_adapter = name.endswith((".weight.0.down", ".weight.0.up"))
    if trainable == "head":
        return name.startswith("head.")
    if trainable == "minimal":
        return not name.startswith(BACKBONE)
    if trainable == "bias":
        return name.endswith("bias")
    if trainable == "adapter":
        return is_adapter or name.endswith("bias")
    return True
