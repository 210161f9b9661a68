"""Binary cross-entropy where some labels are not known."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class MaskedBCE(nn.Module):
    """Binary cross-entropy on logits that passes over unknown labels.

    A label is unknown where the target is NaN, and where it is a complete tag of a group whose incomplete tag ("of this
    group, but which is not known") is present: any of the complete ones may be, too. Shares of annotators are taken
    at their worth: a complete tag counts with one minus the share of the incomplete one.

    Source: baseline of DCASE 2019 task 5 (card `task-ust-cnn-vggish`, organisers' baseline).

    Args:
        groups: Class indices of each group, the incomplete tag last.

    Raises:
        InputError: A group has less than two tags, or two groups share one.
    """

    def __init__(self, groups: Sequence[Sequence[int]] = ()) -> None:
        super().__init__()
        tags = [tag for group in groups for tag in group]
        if any(len(group) < 2 for group in groups) or len(set(tags)) != len(tags) or min(tags, default=0) < 0:
            raise InputError(
                f"groups {[list(group) for group in groups]} are no groups of tags",
                "MaskedBCE.groups",
                "give each complete tag of a group once, then its incomplete tag: [[8, 9, 10, 11], …]",
            )
        self.groups = [list(group) for group in groups]

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, classes)`.
            target: In [0, 1] or NaN `(batch, classes)`.

        Returns:
            Mean over the labels that are known, in nats; 0 if there is none.
        """
        known = ~target.isnan()
        target = torch.where(known, target, 0.0)
        weight = known.to(logits.dtype)
        for *complete, incomplete in self.groups:
            weight[:, complete] *= 1 - target[:, [incomplete]]
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (losses * weight).sum() / weight.sum().clamp(min=1e-6)
