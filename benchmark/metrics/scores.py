"""Any official score as a `torchmetrics.Metric`, for training loops outside of this suite."""

from collections.abc import Callable
from typing import Any

from benchmark.metrics.clips import ClipTable
from benchmark.metrics.frames import FramePredictions


class ClipScores(FramePredictions):
    """Gathers predictions as the suite does, and scores them by one of this package's functions.

    Batches of any size and order, windows, repetitions by a distributed sampler and any number of processes give the
    same scores, e.g. of acoustic scenes::

        metric = ClipScores(lambda t: classwise_accuracy(t.target.argmax(1), t.probability.argmax(1), SCENES))
        metric.update(clip, window, probability, target)
        metric.compute()["accuracy"]

    Args:
        score: Scores of a table of clips.
        **kwargs: Settings of :class:`torchmetrics.Metric`.
    """

    def __init__(self, score: Callable[[ClipTable], dict[str, float | None]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.score = score

    def compute(self) -> dict[str, float | None]:  # type: ignore[override]
        """The scores of all clips seen by any process."""
        return self.score(super().compute())
