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
    probability, not multiplied by anything; below a closed one, 0. An only fine class needs no specialist: it is its
    coarse class, open or not.

    With `closed: keep` the first member must know the fine classes, too, and those below a closed coarse class, an only
    one as well, keep its probabilities. The source's text implies `zero`, but its figures speak for `keep`: the fine
    area that it prints for group 8 of Hierarchical1, 0.005328681461145428, is that of the first member's fine class,
    not of its coarse class.

    A member's probabilities are NaN in the classes that it does not learn. Nothing is fitted.

    Source: card `task-ust-cnn-vggish`, inference (Hierarchical1, 2 and 3).

    Args:
        groups: Class indices of each group: the coarse class, then the fine classes below it.
        threshold: Probability above which a coarse class is open.
        closed: What fine classes below a closed coarse class get: `zero`, or `keep` what the first member says.

    Raises:
        InputError: The groups are none, or `closed` is neither.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], threshold: float = 0.5, closed: Literal["zero", "keep"] = "zero"
    ) -> None:
        classes = [index for group in groups for index in group]
        if not classes or any(len(group) < 2 for group in groups) or len(set(classes)) != len(classes):
            what = f"groups {[list(group) for group in groups]} are no hierarchy"
            remedy = "give each coarse class once, with the fine classes below it: [[0, 8, 9], [1, 10], …]"
            raise InputError(what, "HierarchicalGate.groups", remedy)
        if closed not in ("zero", "keep"):
            raise InputError(f"closed must be zero or keep, not {closed!r}", "HierarchicalGate.closed")
        self.groups, self.threshold, self.closed = [list(group) for group in groups], threshold, closed

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
            single = len(fine) == 1
            found = coarse[:, [place]] if single else _specialist(specialists, fine)
            if self.closed == "keep":
                otherwise = first[:, fine]
            else:
                otherwise = found if single else np.zeros_like(found)
            fused[:, fine] = np.where(open_groups[:, [place]], found, otherwise)
            if np.isnan(fused[:, [parent, *fine]]).any():
                what = f"the first member does not know the classes {[parent, *fine]}"
                raise InputError(what, "fusion", "let it learn all classes, or take closed: zero")
        return fused


def _specialist(specialists: NDArray[Any], fine: list[int]) -> NDArray[Any]:
    """The probabilities `(n, fine)` of the one member that has them all."""
    knows = np.flatnonzero(~np.isnan(specialists[:, :, fine]).any(axis=(1, 2)))
    if len(knows) == 1 or (len(knows) and not specialists.shape[1]):
        found: NDArray[Any] = specialists[knows[0]][:, fine]
        return found
    what = f"{len(knows)} members learn the classes {fine}, beside the first one"
    raise InputError(what, "fusion", "give each group of several fine classes one member")
