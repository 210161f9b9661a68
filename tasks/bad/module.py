"""Bird audio detection: one sigmoid output, AUC per data set."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics import binary_scores
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_binary_scores
from benchmark.training.kinds import MultiLabelModule
from benchmark.training.module import Scores


class BirdModule(MultiLabelModule):
    """Scores clips as the challenge does: each data set by itself, then their mean and harmonic mean."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """AUC and accuracy, per data set and combined."""
        return binary_scores(table.target[:, 0], table.probability[:, 0], [e.group for e in examples])

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Score histogram and ROC curve of each data set."""
        groups = [e.group for e in examples]
        plot_binary_scores(path, table.target[:, 0], table.probability[:, 0], groups, title)
