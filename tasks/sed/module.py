"""Sound event detection: tags of clips and events in time, scored as the challenge does."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.metrics.events import tag_scores
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import DetectionModule
from benchmark.training.module import Scores
from tasks.sed.official import EVAL, TEST, event_scores


class SoundEventModule(DetectionModule):
    """Scores the events of clips whose events are annotated, and the tags of all."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Event- and segment-based scores and those of clip tags; weakly labelled clips have the latter only."""
        tags = tag_scores(table.target, table.probability, self.classes)
        if not all(example.group in (TEST, EVAL) for example in examples):
            return tags
        ids = [example.clip_id for example in examples]
        found = dict(zip(ids, self.decisions(table), strict=True))
        return event_scores(dict(zip(ids, (e.events for e in examples), strict=True)), found) | tags

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Event-based F1 of each class."""
        scores = self.score(table, examples)
        plot_class_scores(path, {name: scores[f"event_f1/{name}"] for name in self.classes}, title, "event-based F1")
