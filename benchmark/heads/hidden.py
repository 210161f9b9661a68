"""Classifiers with hidden layers, of an embedding or of a sequence of them."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.heads.pooling import Init, check_rank, classifier, frames_and_padding

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class MLP(nn.Module):
    """Hidden dense layers, each with an activation and dropout, and a linear layer.

    Source: cards `task1-audasc-adversarial-da` (label classifiers) and `task1-nn-filter-ensemble` (model table).

    Args:
        dim: Size of the embedding.
        n_classes: Outputs.
        hidden: Sizes of the hidden layers.
        dropout: Share of each hidden layer's outputs that is dropped in training.
        activation: `relu`, `elu`, `tanh` or `sigmoid`.
        init: How the weights start; see `heads.pooling.classifier`, or `torch`: as PyTorch does it, biases too.

    Raises:
        InputError: A size is below 1, `dropout` is not in [0, 1), or `activation` or `init` is unknown.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        hidden: Sequence[int] = (512,),
        dropout: float = 0.0,
        activation: str = "relu",
        init: Init | Literal["torch"] = "glorot",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", f"{name}.dropout")
        if activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise InputError(f"activation must be one of {known}, not {activation!r}", f"{name}.activation")
        if min(hidden, default=1) < 1:
            raise InputError(f"hidden layers of {list(hidden)} units", f"{name}.hidden", "give each at least 1")
        self.hidden = nn.Sequential()
        for width in hidden:
            for layer in (_linear(dim, width, init), ACTIVATIONS[activation](), nn.Dropout(dropout)):
                self.hidden.append(layer)
            dim = width
        self.classifier = _linear(dim, n_classes, init)

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
        return self.classifier(self.hidden(x))  # type: ignore[no-any-return]


class MeanSoftmax(MLP):
    """Classes of each element of a sequence by an `MLP`; the clip's probability is the mean of its elements'.

    For one class a clip: probabilities are the softmax. What it gives are their logarithms, which softmax and
    cross-entropy take like any logits. Source: card `task1-nn-filter-ensemble`, inference (AV).

    Args:
        dim: Size of an element.
        n_classes: Outputs.
        hidden: Sizes of the hidden layers.
        dropout: Share of each hidden layer's outputs that is dropped in training.
        activation: `relu`, `elu`, `tanh` or `sigmoid`.
        init: How the weights start; see `MLP`.
    """

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logarithms of the mean probabilities.

        Args:
            x: `(batch, time, dim)`.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` is not of rank 3.
        """
        check_rank(self, x, 3)
        elements, padding = frames_and_padding(x, valid)
        logarithms: Tensor = self.classifier(self.hidden(x)).log_softmax(2)
        return logarithms.masked_fill(padding[:, :, None], -torch.inf).logsumexp(1) - elements[:, None].log()


def _linear(dim: int, width: int, init: Init | Literal["torch"]) -> nn.Linear:
    return nn.Linear(dim, width) if init == "torch" else classifier(dim, width, init)
