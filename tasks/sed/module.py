"""Sound event detection: tags of clips and events in time, scored as the challenge does."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import DetectionModule
from tasks.sed import official


class SoundEventModule(DetectionModule):
    """Scores the events of clips whose events are annotated, and the tags of all."""

    rescorer = staticmethod(official.rescorer)

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Event-based F1 of each class."""
        scores = self.score(table, examples)
        plot_class_scores(path, {name: scores[f"event_f1/{name}"] for name in self.classes}, title, "event-based F1")
