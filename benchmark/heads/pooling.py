"""Clip heads: one pooling over all that is not padding, and one linear classifier."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.errors import InputError

Init = Literal["he", "glorot", "uniform", "narrow"]


def valid_frames(valid: Tensor, frames: int) -> Tensor:
    """Output frames that see real audio: `ceil(valid * frames)`, at least 1.

    Args:
        valid: Share of the time axis that is real audio, `(batch,)`.
        frames: Frames of the backbone's output.

    Returns:
        int64 `(batch,)`.
    """
    # A share such as 12 / 15 must not become 13 frames of 15 by the rounding of float32.
    return ((valid - 2e-7) * frames).ceil().long().clamp(1, frames)


def frames_and_padding(x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """How many frames of each clip see real audio, and where the others are.

    Args:
        x: `(batch, time, ...)`.
        valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

    Returns:
        int64 `(batch,)`, at least 1, and bool `(batch, time)`, true where a frame is padding.
    """
    frames = valid_frames(x.new_ones(len(x)) if valid is None else valid, x.shape[1])
    return frames, torch.arange(x.shape[1], device=x.device) >= frames[:, None]


def check_rank(head: nn.Module, x: Tensor, rank: int) -> None:
    """Refuse what is not of the rank that a head takes.

    Args:
        head: The head, for the message.
        x: What the backbone gave.
        rank: 2, 3 or 4.

    Raises:
        InputError: `x` is of another rank.
    """
    remedies = {
        2: "it takes an embedding (batch, dim); pool the rest first",
        3: "the backbone must give (batch, time, dim)",
        4: "the backbone must give a map (batch, dim, time, frequency)",
    }
    if x.ndim != rank:
        raise InputError(f"{type(head).__name__} got shape {tuple(x.shape)}", "head", remedies[rank])


class GlobalPool(nn.Module, ABC):
    """Pools all that is not padding to one vector, then a linear layer; also frame by frame.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        init: How the weights start; see `classifier`.
    """

    def __init__(self, dim: int, n_classes: int, init: Init = "he") -> None:
        super().__init__()
        self.classifier = classifier(dim, n_classes, init)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits.

        Args:
            x: `(batch, dim, time, frequency)`, `(batch, time, dim)` or `(batch, dim)`, which is pooled already.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` has another rank.
        """
        x = self._as_map(x)
        frames, padding = frames_and_padding(x, valid)
        return self.classifier(self.pool(x, padding[:, :, None, None], frames))  # type: ignore[no-any-return]

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, time, n_classes)`: only frequency is pooled."""
        x = self._as_map(x)
        batch, time = x.shape[:2]
        alone = x.flatten(0, 1).unsqueeze(1)
        nothing = alone.new_zeros(len(alone), 1, 1, 1, dtype=torch.bool)
        pooled = self.pool(alone, nothing, torch.ones(len(alone), device=x.device))
        return self.classifier(pooled).unflatten(0, (batch, time))  # type: ignore[no-any-return]

    def _as_map(self, x: Tensor) -> Tensor:
        """`(batch, time, dim, frequency)` of what a backbone gives."""
        if x.ndim == 4:
            return x.transpose(1, 2)
        if x.ndim == 3:
            return x.unsqueeze(3)
        if x.ndim == 2:
            return x[:, None, :, None]
        raise InputError(
            f"{type(self).__name__} got shape {tuple(x.shape)}", "head", "the backbone must give rank 2, 3 or 4"
        )

    @abstractmethod
    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """`(batch, dim)` of `x` `(batch, time, dim, frequency)`, whose first `frames` `(batch,)` frames are real."""


class GlobalMaxPool(GlobalPool):
    """Maximum over valid time and all frequencies, then a linear layer.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        init: How the weights start; see `classifier`.
    """

    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """Largest value of each channel."""
        return x.masked_fill(padding, -torch.inf).amax((1, 3))


class GlobalMeanPool(GlobalPool):
    """Mean over valid time and all frequencies, then a linear layer.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        init: How the weights start; see `classifier`.
    """

    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """Mean of each channel."""
        return x.masked_fill(padding, 0.0).mean(3).sum(1) / frames[:, None]


class Dense(nn.Module):
    """Dropout and a linear layer on an embedding.

    Args:
        dim: Size of the embedding.
        n_classes: Outputs.
        dropout: Share of the inputs that is dropped in training.
        init: How the weights start; see `classifier`.

    Raises:
        InputError: `dropout` is not in [0, 1).
    """

    def __init__(self, dim: int, n_classes: int, dropout: float = 0.0, init: Init = "he") -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "Dense.dropout")
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier(dim, n_classes, init)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits.

        Args:
            x: `(batch, dim)`.
            valid: Not used: an embedding has no time axis.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` is not of rank 2.
        """
        check_rank(self, x, 2)
        return self.classifier(self.dropout(x))  # type: ignore[no-any-return]


def classifier(dim: int, n_classes: int, init: Init) -> nn.Linear:
    """A linear layer whose bias starts at 0.

    Args:
        dim: Inputs.
        n_classes: Outputs.
        init: How the weights start. `he`: He-uniform (card `crosstask-surrey-cnn48`); `glorot`: Glorot-uniform;
            `uniform`: within 0.05, what the framework of several baselines of 2018 calls so (card
            `task1-baseline-tut`); `narrow`: normal with deviation 0.001, cut at two deviations (card
            `task2-fsdkaggle2018-baseline`).

    Raises:
        InputError: `dim` or `n_classes` is below 1, or there is no such `init`.
    """
    for name, value in (("dim", dim), ("n_classes", n_classes)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}", f"head.{name}")
    linear = nn.Linear(dim, n_classes)
    start: dict[str, Callable[[Tensor], Tensor]] = {
        "he": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
        "glorot": nn.init.xavier_uniform_,
        "uniform": lambda weight: nn.init.uniform_(weight, -0.05, 0.05),
        "narrow": lambda weight: nn.init.trunc_normal_(weight, std=1e-3, a=-2e-3, b=2e-3),
    }
    if init not in start:
        raise InputError(f"init must be one of {', '.join(start)}, not {init!r}", "head.init")
    start[init](linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
