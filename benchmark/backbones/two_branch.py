"""Two networks side by side whose outputs are fused to one vector."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class Bilinear(nn.Bilinear):
    """`torch.nn.Bilinear`, as one matrix product with the outer products of its inputs.

    The original makes one small product for each output; this one is the same function of the same weights.
    """

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """`(batch, out)` of `(batch, in1)` and `(batch, in2)`."""
        outer = (first[:, :, None] * second[:, None, :]).flatten(1)
        return F.linear(outer, self.weight.flatten(1), self.bias)


class TwoBranch(nn.Module):
    """Two branches that see the same clip, flattened and fused by dense layers.

    Bilinear: the first layer takes all products of a number of one branch with one of the other,
    `y_k = a^T W_k b + c_k`; `concat`: both side by side. Each layer is followed by batch normalisation, ReLU and
    dropout; the head (e.g. `heads.hidden.MLP` without hidden layers) is the last layer. A branch that does not learn,
    such as `VGGish`, costs no memory for gradients.

    Source: card `task-ust-cnn-vggish`, fusion head (Table 3 prints the bilinear layer, the text the other).

    Args:
        first: A network.
        second: Another one that wants the same, features or the waveform; see `WithFrontend`.
        inputs: How many numbers each branch gives for a clip.
        fusion: `bilinear` or `concat`.
        hidden: Sizes of the layers.
        dropout: Share of each layer's outputs that is dropped in training.

    Raises:
        InputError: The branches want different things, or a setting is impossible.
    """

    def __init__(
        self,
        first: nn.Module,
        second: nn.Module,
        inputs: tuple[int, int] = (256, 1280),
        fusion: Literal["bilinear", "concat"] = "bilinear",
        hidden: tuple[int, ...] = (512, 256),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        wanted = [getattr(branch, "input", None) for branch in (first, second)]
        if wanted[0] != wanted[1] or wanted[0] not in ("waveform", "features"):
            what = f"the branches want {wanted[0]} and {wanted[1]}"
            remedy = "wrap one that wants features: benchmark.backbones.with_frontend.WithFrontend"
            raise InputError(what, "TwoBranch.first, TwoBranch.second", remedy)
        if fusion not in ("bilinear", "concat"):
            raise InputError(f"fusion must be bilinear or concat, not {fusion!r}", "TwoBranch.fusion")
        if not hidden or min(*inputs, *hidden) < 1:
            raise InputError(f"layers of {hidden} units on inputs of {inputs}", "TwoBranch", "give each at least 1")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "TwoBranch.dropout")
        self.input: str = wanted[0]
        self.first, self.second, self.inputs, self.fusion = first, second, inputs, fusion
        self.fuse = Bilinear(*inputs, hidden[0]) if fusion == "bilinear" else nn.Linear(sum(inputs), hidden[0])
        self.layers = nn.Sequential(*_after(hidden[0], dropout))
        for before, width in pairwise(hidden):
            self.layers.extend([nn.Linear(before, width), *_after(width, dropout)])

    def forward(self, x: Tensor) -> Tensor:
        """Embedding.

        Args:
            x: What the branches want: waveform `(batch, channels, time)` or features `(batch, channels, frames, bins)`.

        Returns:
            `(batch, hidden[-1])`.

        Raises:
            InputError: A branch does not give as many numbers as `inputs` says.
        """
        first, second = self.first(x).flatten(1), self.second(x).flatten(1)
        found = (first.shape[1], second.shape[1])
        if found != tuple(self.inputs):
            remedy = "set it to that, or give clips of another length"
            raise InputError(f"the branches give {found[0]} and {found[1]} numbers", "TwoBranch.inputs", remedy)
        if self.fusion == "bilinear":
            fused = self.fuse(first, second)
        else:
            fused = self.fuse(torch.cat([first, second], 1))
        return self.layers(fused)  # type: ignore[no-any-return]


def _after(width: int, dropout: float) -> list[nn.Module]:
    return [nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
