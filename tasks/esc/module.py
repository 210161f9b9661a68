"""Environmental sounds: one class a clip, accuracy."""

from collections.abc import Sequence

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.training.kinds import SingleLabelModule
from benchmark.training.module import Scores
from tasks.esc.official import scores


class EscModule(SingleLabelModule):
    """Scores a fold by the share of its clips that are right."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Accuracy, overall and per class."""
        return scores(table.target.argmax(1), self.decide(table.probability), self.classes)
