"""Binary cross-entropy in which present labels count more where they are rare."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import BenchmarkError, InputError


class PositiveWeightBCE(nn.Module):
    """Binary cross-entropy on logits with a weight `p_c` for the positive labels of each class.

    `-(p_c * y * log f(x) + (1 - y) * log(1 - f(x)))`, where `p_c` is the number of negative labels for each positive
    one, to a power: 1 balances the classes, 0 leaves them as they are, and 0.1 is what the source found to help rare
    classes without harm. A class that has only one kind of label counts 1. Unknown labels (NaN) are passed over.

    Source: card `task-ust-cnn-vggish`, training (equation 1, the tenth root).

    Args:
        exponent: Power of the ratio.
        ratios: Negative labels for each positive one of each class; null: counted in the training labels, which `fit`
            gets.

    Attributes:
        positive_weight: The weights `(classes,)`; empty before `fit`.

    Raises:
        InputError: `exponent` is negative, or a ratio is not positive.
    """

    positive_weight: Tensor

    def __init__(self, exponent: float = 0.1, ratios: Sequence[float] | None = None) -> None:
        super().__init__()
        if exponent < 0:
            raise InputError(f"exponent must not be negative, as {exponent} is", "PositiveWeightBCE.exponent")
        if ratios is not None and min(ratios, default=1.0) <= 0:
            raise InputError(f"ratio {min(ratios)} is not positive", "PositiveWeightBCE.ratios", "give 1 for none")
        self.exponent, self.given = exponent, ratios is not None
        # Not in checkpoints: a resumed training counts the same labels again.
        self.register_buffer("positive_weight", torch.tensor(ratios or []) ** exponent, persistent=False)

    def fit(self, target: Tensor) -> None:
        """Take the weights from the training labels, unless they were given.

        Args:
            target: In [0, 1] or NaN `(clips, classes)`; a share of annotators counts as that much of a positive label.
        """
        if self.given:
            return
        target = target.double()
        positives = target.nansum(0)
        negatives = (~target.isnan()).sum(0) - positives
        both = (positives > 0) & (negatives > 0)
        ratio = torch.where(both, negatives / positives.clamp(min=1e-12), 1.0)
        self.positive_weight = (ratio**self.exponent).float().to(self.positive_weight.device)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, classes)`.
            target: In [0, 1] or NaN `(batch, classes)`.

        Returns:
            Mean over the labels that are known, in nats; 0 if there is none.

        Raises:
            BenchmarkError: There are no weights yet, or for another number of classes.
        """
        if len(self.positive_weight) != logits.shape[1]:
            what = f"weights of {len(self.positive_weight)} classes, but {logits.shape[1]} logits"
            raise BenchmarkError(what, "PositiveWeightBCE", "call fit with the training labels, or give all ratios")
        known = ~target.isnan()
        losses = F.binary_cross_entropy_with_logits(
            logits, torch.where(known, target, 0.0), reduction="none", pos_weight=self.positive_weight
        )
        return (losses * known).sum() / known.sum().clamp(min=1)
