"""Urban sound tagging: 37 sigmoid outputs on two levels of a taxonomy."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import MultiLabelModule
from tasks.ust import official


class UrbanModule(MultiLabelModule):
    """Scores clips as the challenge does: area under the precision-recall curve on both levels."""

    rescorer = staticmethod(official.rescorer)

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """AUPRC of each coarse tag, on both levels."""
        scores = self.score(table, examples)
        bars = {
            f"{name} ({level})": scores[f"{level}/auprc/{group.name}"]
            for name, group in zip(official.COARSE, official.GROUPS, strict=True)
            for level in ("coarse", "fine")
        }
        plot_class_scores(path, bars, title, "AUPRC")
