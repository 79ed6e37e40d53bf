"""Extra patches in front of a channel's own: learnt registers, and tokens that name its strongest frequencies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttm_sk.errors import ConfigError

__all__ = ["FrequencyTokens", "RegisterTokens", "strongest_frequencies"]


class RegisterTokens(nn.Module):
    """Learnt patches, the same in front of every series: room for the mixers to write on.

    ``forward``: ``(batch, channel, patch, feature)`` -> ``(batch, channel, n_tokens + patch, feature)``.
    """

    def __init__(self, *, n_tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(n_tokens, width))

    def forward(self, features: Tensor) -> Tensor:
        tokens = self.tokens.to(features.dtype).expand(*features.shape[:2], -1, -1)
        return torch.cat([tokens, features], dim=2)


def strongest_frequencies(values: Tensor, *, n_frequencies: int, with_mean: bool = True) -> Tensor:
    """The bins of the discrete Fourier transform with the largest magnitudes, the strongest first.

    Parameters
    ----------
    values
        ``(batch, channel, time)``, finite.
    n_frequencies
        How many, at most ``time // 2 + 1``.
    with_mean
        Whether bin 0, the mean, takes part.

    Returns
    -------
    Tensor
        ``(batch, channel, frequency)``, integers: cycles in the whole of ``values``.

    Examples
    --------
    >>> wave = torch.sin(torch.arange(48.0) * 2 * torch.pi / 12).reshape(1, 1, 48)
    >>> strongest_frequencies(wave, n_frequencies=1)
    tensor([[[4]]])
    """
    magnitudes = torch.fft.rfft(values.mT.contiguous(), dim=1).abs()
    if not with_mean:
        magnitudes = torch.cat([torch.zeros_like(magnitudes[:, :1]), magnitudes[:, 1:]], dim=1)
    return magnitudes.topk(n_frequencies, dim=1).indices.mT


class FrequencyTokens(nn.Module):
    """One patch for each of the strongest frequencies of a series, or one for all of them.

    Parameters
    ----------
    n_frequencies
        How many are named.
    context_length
        Steps of the values that are transformed.
    width
        Features of a patch.
    is_embedded
        Whether each bin has a learnt vector; else two layers read it as a number in [0, 1).
    joined_width
        0: a patch each; else each frequency gets so many features, and one linear map makes one patch of all.
    with_mean
        Whether bin 0, the mean, takes part.

    Notes
    -----
    ``forward``: features ``(batch, channel, patch, feature)`` and scaled values ``(batch, channel, time)`` ->
    features with the tokens in front, the strongest first.
    """

    def __init__(
        self,
        *,
        n_frequencies: int,
        context_length: int,
        width: int,
        is_embedded: bool = True,
        joined_width: int = 0,
        with_mean: bool = True,
    ) -> None:
        super().__init__()
        self.n_bins = context_length // 2 + 1
        if not 0 < n_frequencies <= self.n_bins:
            raise ConfigError(
                f"found {n_frequencies} frequency tokens; {context_length} steps have {self.n_bins} frequencies:"
                f" choose 1 to {self.n_bins}"
            )
        self.n_frequencies, self.with_mean = n_frequencies, with_mean
        size = joined_width or width
        self.embedding = nn.Embedding(self.n_bins, size) if is_embedded else None
        self.reading = None if is_embedded else nn.Sequential(nn.Linear(1, size), nn.ReLU(), nn.Linear(size, size))
        self.joining = nn.Linear(n_frequencies * joined_width, width) if joined_width else None

    def forward(self, features: Tensor, values: Tensor) -> Tensor:
        bins = strongest_frequencies(values, n_frequencies=self.n_frequencies, with_mean=self.with_mean)
        tokens = self._name(bins, features.dtype)
        if self.joining is not None:
            tokens = self.joining(tokens.flatten(-2)).unsqueeze(2)
        return torch.cat([tokens.to(features.dtype), features], dim=2)

    def _name(self, bins: Tensor, dtype: torch.dtype) -> Tensor:
        """``(batch, channel, frequency)`` bins as ``(batch, channel, frequency, feature)``."""
        if self.embedding is not None:
            return self.embedding(bins)
        assert self.reading is not None
        return self.reading((bins.float() / self.n_bins).to(dtype).unsqueeze(-1))
