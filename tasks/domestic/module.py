"""Domestic activities: one class a segment, F1 averaged over classes."""

from collections.abc import Sequence

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.training.kinds import SingleLabelModule
from benchmark.training.module import Scores
from tasks.domestic.official import scores


class DomesticModule(SingleLabelModule):
    """Scores segments as the challenge does, and those of known and unknown arrays by themselves."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """F1 and accuracy."""
        return scores(table.target.argmax(1), self.decide(table.probability), [e.group for e in examples])
