"""Bird audio detection: one sigmoid output, AUC per data set."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_binary_scores
from benchmark.training.kinds import MultiLabelModule
from tasks.bad import official


class BirdModule(MultiLabelModule):
    """Scores clips as the challenge does: each data set by itself, then their mean and harmonic mean."""

    rescorer = staticmethod(official.rescorer)

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Score histogram and ROC curve of each data set."""
        groups = [e.group for e in examples]
        plot_binary_scores(path, table.target[:, 0], table.probability[:, 0], groups, title)
