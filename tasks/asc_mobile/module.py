"""Acoustic scenes from several devices: the mean of devices B and C."""

from collections.abc import Sequence

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.training.module import Scores
from tasks.asc.module import SceneModule
from tasks.asc_mobile.official import device_scores


class MobileSceneModule(SceneModule):
    """Scores clips as the challenge does: by device, each scene counting alike."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Accuracy by device, and over all clips: mean over classes, over clips, and of each class."""
        devices = [example.group for example in examples]
        return device_scores(table.target.argmax(1), self.decide(table.probability), devices, self.classes)
