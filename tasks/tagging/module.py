"""General-purpose audio tagging: one class a clip, scored by its first three guesses."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.datamodule import Example
from benchmark.metrics.clips import ClipTable
from benchmark.metrics.ranking import top_k
from benchmark.plots import plot_class_scores
from benchmark.training.kinds import SingleLabelModule
from benchmark.training.module import Scores
from tasks.tagging.official import GUESSES, MAIN_SCORE, tagging_scores


class TaggingModule(SingleLabelModule):
    """Scores clips as Kaggle did, by the three classes of highest mean probability."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """MAP@3 and accuracy, in all, per part of the test set, and per class."""
        ranked = top_k(table.probability, GUESSES)
        return tagging_scores(table.target.argmax(1), ranked, [example.group for example in examples])

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """MAP@3 of each class."""
        scores = self.score(table, examples)
        plot_class_scores(path, {name: scores[f"{MAIN_SCORE}/{name}"] for name in self.classes}, title, "MAP@3")
