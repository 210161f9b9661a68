"""Fusion of one network for coarse classes with specialists for the fine classes below each of them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.fusion.base import Fusion


class HierarchicalGate(Fusion):
    """Opens the specialists of the coarse classes that the first member finds, and takes fine classes from them.

    A coarse class is open where it is the most probable one, the first of equals, or its probability is above the
    threshold. Coarse probabilities are the first member's. A fine class below an open coarse class has its specialist's
    probability, not multiplied by anything; below a closed one, 0. An only fine class needs no specialist, open or not:
    by the source's text it is its coarse class. Its figures say that it is what the first member, which learns all
    classes, says of the fine class: the fine areas printed for Hierarchical1 are 0.402091 and 0.005328681461145428 in
    groups 3 and 8, those of its first member 0.402089 and 0.005328681461145428, in their coarse classes 0.403568 and
    0.005396037654102171.

    A member's probabilities are NaN in the classes that it does not learn. Nothing is fitted.

    Source: card `task-ust-cnn-vggish`, inference (Hierarchical1, 2 and 3).

    Args:
        groups: Class indices of each group: the coarse class, then the fine classes below it.
        threshold: Probability above which a coarse class is open.
        only: Whose probability of the first member an only fine class has: its `own`, or that of its `coarse` class.

    Raises:
        InputError: The groups are none, or `only` is neither.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], threshold: float = 0.5, only: Literal["coarse", "own"] = "coarse"
    ) -> None:
        classes = [index for group in groups for index in group]
        if not classes or any(len(group) < 2 for group in groups) or len(set(classes)) != len(classes):
            what = f"groups {[list(group) for group in groups]} are no hierarchy"
            remedy = "give each coarse class once, with the fine classes below it: [[0, 8, 9], [1, 10], …]"
            raise InputError(what, "HierarchicalGate.groups", remedy)
        if only not in ("coarse", "own"):
            raise InputError(f"only must be coarse or own, not {only!r}", "HierarchicalGate.only")
        self.groups, self.threshold, self.only = [list(group) for group in groups], threshold, only

    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Nothing is learnt.

        Args:
            probability: `(members, clips, classes)`.
            target: `(clips, classes)`.
            weight: `(clips,)`.
        """

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Coarse and fine probabilities.

        Args:
            probability: `(members, n, classes)`, of clips or of frames; the first member is the coarse one. NaN in the
                classes that a member does not learn.

        Returns:
            `(n, classes)`; classes of no group are the first member's.

        Raises:
            InputError: Fine classes have no specialist or several, or the first member lacks classes that it needs.
        """
        first, specialists = probability[0], probability[1:]
        coarse = first[:, [group[0] for group in self.groups]]
        open_groups = coarse > self.threshold
        open_groups[np.arange(len(coarse)), coarse.argmax(axis=1)] = True
        fused: NDArray[Any] = first.copy()
        for place, (parent, *fine) in enumerate(self.groups):
            if len(fine) > 1:
                fused[:, fine] = np.where(open_groups[:, [place]], _specialist(specialists, fine), 0.0)
            elif self.only == "coarse":
                fused[:, fine] = coarse[:, [place]]
            if np.isnan(fused[:, [parent, *fine]]).any():
                what = f"the first member does not know the classes {[parent, *fine]}"
                raise InputError(what, "fusion", "let it learn all classes, or take only: coarse")
        return fused


def _specialist(specialists: NDArray[Any], fine: list[int]) -> NDArray[Any]:
    """The probabilities `(n, fine)` of the one member that has them all."""
    knows = np.flatnonzero(~np.isnan(specialists[:, :, fine]).any(axis=(1, 2)))
    if len(knows) == 1 or (len(knows) and not specialists.shape[1]):
        found: NDArray[Any] = specialists[knows[0]][:, fine]
        return found
    what = f"{len(knows)} members learn the classes {fine}, beside the first one"
    raise InputError(what, "fusion", "give each group of several fine classes one member")
