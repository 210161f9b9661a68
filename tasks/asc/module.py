"""Acoustic scenes: one class a clip, the mean of the classes' accuracies."""

from collections.abc import Sequence

from benchmark.data.datamodule import Example
from benchmark.metrics import classwise_accuracy
from benchmark.metrics.clips import ClipTable
from benchmark.training.kinds import SingleLabelModule
from benchmark.training.module import Scores


class SceneModule(SingleLabelModule):
    """Scores clips as the challenge does: every scene counts alike."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Accuracy: mean over classes, over clips, and of each class."""
        return classwise_accuracy(table.target.argmax(1), self.decide(table.probability), self.classes)
