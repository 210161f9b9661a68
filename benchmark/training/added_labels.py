"""Label sources that teach unlabelled clips beside the labelled ones: by hard tags, or by smoothed frames."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmark.data.datamodule import Labels
from benchmark.errors import InputError
from benchmark.postprocessing.smoothing import per_class
from benchmark.training.distillation import best_members, strong_labels
from benchmark.training.labels import Before, LabelSource, clips_of
from benchmark.training.threshold_search import class_f1


class AddedTags(LabelSource):
    """Hard tags for unlabelled clips, which join the training part; labelled clips keep their own.

    Source: card `task4-cp-jku-iterative-distillation`, pseudo weak labels.

    Args:
        groups: Groups of the clips to tag.
        threshold: Smallest probability at which a clip gets a tag.
    """

    def __init__(self, groups: Sequence[str], threshold: float = 0.5) -> None:
        self.groups, self.threshold = tuple(groups), threshold

    def relabel(self, before: Before) -> Labels:
        """The given labels with these tags.

        Raises:
            InputError: There is no clip of a group.
        """
        given, added = before.data.given, clips_of(before.data, self.groups)
        targets = given.targets.clone()
        targets[added] = torch.from_numpy((before.predict(added).probability >= self.threshold).astype(np.float32))
        return replace(given, train=np.union1d(given.train, added), targets=targets)


class SmoothedFrames(LabelSource):
    """Targets of frames for labelled and unlabelled clips, from the networks of the stage before.

    Of each class, the frames of the member with the best F1 of tags on the validation part are taken, smoothed over
    time, and set to 0 in clips that are known not to have the class. The validation part gets such targets too.
    Source: card `task4-cp-jku-iterative-distillation`, passes 2 to 8 (where the score is the event-based F1 of the test
    clips).

    Args:
        groups: Groups of unlabelled clips to learn from, beside the training part.
        median: Frames of the median filter, odd; 1 for none.
        medians: Median filters of some classes, by name.
        sigma: Standard deviation of the Gaussian filter in frames; 0 for none.
        threshold: Smallest probability at which a member says that a clip has a class.
    """

    def __init__(
        self,
        groups: Sequence[str],
        median: int = 1,
        medians: Mapping[str, int] | None = None,
        sigma: float = 0.0,
        threshold: float = 0.5,
    ) -> None:
        self.groups, self.median, self.medians = tuple(groups), median, dict(medians or {})
        self.sigma, self.threshold = sigma, threshold

    def relabel(self, before: Before) -> Labels:
        """The given labels with targets of frames.

        Raises:
            InputError: There is no clip of a group, the stage before had no validation part, the members make other
                frames, or a filter is of no class or impossible.
        """
        given = before.data.given
        if not len(given.valid):
            raise InputError("the stage before had no validation part", "data.valid_fraction", "hold one out there")
        train = np.union1d(given.train, clips_of(before.data, self.groups))
        clips = np.union1d(train, given.valid)
        tables, tags = before.predict_each(clips), given.targets[clips].numpy()
        held = np.isin(clips, given.valid)
        said = [table.probability[held] >= self.threshold for table in tables]
        best = best_members(np.stack([class_f1(tags[held], one) for one in said]))
        widths = per_class(self.median, self.medians, before.classes, "SmoothedFrames.medians").astype(int).tolist()
        found = strong_labels([table.frames for table in tables], tags, best, widths, self.sigma)
        frames = torch.zeros(len(given.targets), max(map(len, found)), tags.shape[1])
        for clip, target in zip(clips.tolist(), found, strict=True):
            frames[clip, : len(target)] = torch.from_numpy(target)
        return replace(given, train=train, frames=frames)
