"""General-purpose audio tagging: one class a clip, scored by its first three guesses."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import SingleLabelModule
from tasks.tagging import official


class TaggingModule(SingleLabelModule):
    """Scores clips as Kaggle did, by the three classes of highest mean probability."""

    rescorer = staticmethod(official.rescorer)

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """MAP@3 of each class."""
        scores = self.score(table, examples)
        bars = {name: scores[f"{official.MAIN_SCORE}/{name}"] for name in self.classes}
        plot_class_scores(path, bars, title, "MAP@3")
