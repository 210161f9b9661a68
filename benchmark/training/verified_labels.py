"""Label sources for data of which some labels were verified and others were not."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import one_hot

from benchmark.data.datamodule import Indices, Labels
from benchmark.errors import InputError
from benchmark.training.labels import Before, LabelSource, clips_of
from benchmark.training.verification import promote_and_relabel, self_verified


class PromotedLabels(LabelSource):
    """Unverified clips keep or change their label as held-out predictions say, the mean of all members'.

    A label that the prediction confirms counts as verified from then on, with weight 1; one that it contradicts gives
    way to it. All clips are trained on. Source: card `task2-noisy-labels-iqbal`, pseudo-labelling.

    Args:
        group: Group of the unverified clips.
        promote_above: Probability of the label above which it is promoted.
        relabel_above: Probability of another class above which the label gives way to it.
        weight: How much those of the group count that are not promoted.
    """

    def __init__(self, group: str, promote_above: float = 0.7, relabel_above: float = 0.0, weight: float = 0.9) -> None:
        self.group, self.promote_above, self.relabel_above, self.weight = group, promote_above, relabel_above, weight

    def relabel(self, before: Before) -> Labels:
        """Labels and weights of the group; those of all others stay.

        Raises:
            InputError: There is no such clip, a clip has not exactly one class, or the stage before held no clip out.
        """
        given, probability = before.data.given, before.held_out()
        clips = clips_of(before.data, [self.group])
        clips = clips[~np.isnan(probability[clips]).any(axis=1)]
        if not len(clips):
            raise InputError(f"no clip of {self.group} was held out", "stages", "give the stage before folds")
        unverified = np.zeros(len(clips), dtype=bool)
        said = promote_and_relabel(
            _classes(given, clips), unverified, probability[clips], self.promote_above, self.relabel_above
        )
        targets, weights = given.targets.clone(), given.weights.clone()
        targets[clips] = one_hot(torch.from_numpy(said.label), targets.shape[1]).to(targets.dtype)
        weights[clips] = torch.where(torch.from_numpy(said.verified), 1.0, self.weight)
        return replace(given, targets=targets, weights=weights)


class SelfVerifiedLabels(LabelSource):
    """Verified clips, and those unverified ones whose label a network confirms that was not trained on them.

    Each of a member's networks hears the unverified clips of the part that was held out of it; what it confirms goes to
    the member's others. Its prediction is the mean over random excerpts. Source: card
    `task2-cp-jku-self-verification`, self-verification.

    Args:
        group: Group of the unverified clips.
        frames: Frames of an excerpt.
        excerpts: Excerpts of each clip.
        threshold: Probability that a confirmed label must exceed; null: any.
        most: Confirmed labels of a class and part; null: any number.
    """

    of_member: ClassVar[bool] = True

    def __init__(
        self, group: str, frames: int = 384, excerpts: int = 25, threshold: float | None = 0.95, most: int | None = 40
    ) -> None:
        self.group, self.frames, self.excerpts, self.threshold, self.most = group, frames, excerpts, threshold, most

    def relabel(self, before: Before) -> Labels:
        """The given labels, for fewer clips.

        Raises:
            InputError: There is no such clip, or a clip has not exactly one class.
        """
        given = before.data.given
        unverified = clips_of(before.data, [self.group])
        trained = np.setdiff1d(np.union1d(given.train, given.valid), unverified)
        for network in before.networks():
            clips = np.intersect1d(network.held_out, unverified)
            if len(clips):
                said = network.predict.excerpts(clips, self.frames, self.excerpts, network.seed).probability
                trained = np.union1d(
                    trained, clips[self_verified(_classes(given, clips), said, self.threshold, self.most)]
                )
        return replace(given, train=trained)


def _classes(given: Labels, clips: Indices) -> NDArray[np.int64]:
    targets = given.targets[clips]
    if not bool(((targets == 0) | (targets == 1)).all() and (targets.sum(1) == 1).all()):
        raise InputError("verification needs exactly one class a clip", "stages", "take other labels")
    return targets.argmax(1).numpy()
