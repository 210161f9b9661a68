"""Urban sound tagging: 37 sigmoid outputs on two levels of a taxonomy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.data.datamodule import Example
from benchmark.metrics import taxonomy_scores
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import MultiLabelModule
from benchmark.training.module import Scores
from tasks.ust.official import COARSE, GROUPS


class UrbanModule(MultiLabelModule):
    """Scores clips as the challenge does: area under the precision-recall curve on both levels."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Micro and macro AUPRC and micro F1, coarse and fine; a held-out share of annotators is rounded, half down."""
        target = np.where(np.isnan(table.target), np.nan, table.target > 0.5)
        return taxonomy_scores(target, table.probability, GROUPS)

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """AUPRC of each coarse tag, on both levels."""
        scores = self.score(table, examples)
        bars = {
            f"{name} ({level})": scores[f"{level}/auprc/{group.name}"]
            for name, group in zip(COARSE, GROUPS, strict=True)
            for level in ("coarse", "fine")
        }
        plot_class_scores(path, bars, title, "AUPRC")
