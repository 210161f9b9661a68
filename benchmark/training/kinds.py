"""One base module for a kind of problem: one class a clip, several classes a clip, events in time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.datamodule import Batch, Event, Example
from benchmark.errors import InputError
from benchmark.heads.pooling import valid_frames
from benchmark.metrics.clips import ClipTable
from benchmark.metrics.frames import FramePredictions
from benchmark.plots import plot_confusion
from benchmark.postprocessing import ClassDecision, EventDecoder
from benchmark.predictions import Predictions
from benchmark.training.module import TaskModule
from benchmark.training.network import Outputs


@runtime_checkable
class Framewise(Protocol):
    """A head that also classifies each frame."""

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, frames, classes)` of what the backbone gives."""


class SingleLabelModule(TaskModule):
    """Exactly one class is right: softmax outputs, one-hot targets."""

    def activate(self, logits: Tensor) -> Tensor:
        """Softmax over classes."""
        return logits.softmax(dim=1)

    def configure_head(self) -> None:
        """Set `head`, and check `postprocessing`, which is needed only after the training."""
        super().configure_head()
        decide = self.recipe.postprocessing
        if decide is not None and not isinstance(decide, ClassDecision):
            raise InputError(f"{type(decide).__name__} does not choose a class", "postprocessing", "take it out")
        self.decision = decide

    def decide(self, probability: NDArray[Any]) -> NDArray[np.int64]:
        """Class indices `(clips,)`: the most probable class, the first of equals, or what `postprocessing` says."""
        chosen = probability.argmax(axis=1) if self.decision is None else self.decision(probability)
        return np.asarray(chosen, dtype=np.int64)

    def stored(self, table: ClipTable, examples: Sequence[Example]) -> Predictions:
        """What a run keeps of its clips, with the class of each."""
        return replace(super().stored(table, examples), decision=self.decide(table.probability))

    def decisions(self, table: ClipTable) -> Sequence[int]:
        """The class index of each clip."""
        return [int(index) for index in self.decide(table.probability)]

    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Confusion matrix."""
        plot_confusion(path, table.target.argmax(1), self.decide(table.probability), self.classes, title)


class MultiLabelModule(TaskModule):
    """Each class is present or absent by itself: sigmoid outputs, which are the answer."""

    def configure_head(self) -> None:
        """Set `head`, and refuse what this kind of problem would ignore."""
        super().configure_head()
        if self.recipe.postprocessing is not None and not self.has_frames:
            raise InputError("probabilities are the answer, nothing is decided", "postprocessing", "take it out")

    def activate(self, logits: Tensor) -> Tensor:
        """Sigmoid of each logit."""
        return logits.sigmoid()


class DetectionModule(MultiLabelModule):
    """Sound events: classes of a clip, and of each of its frames, from which `postprocessing` makes events.

    A loss whose class says `on = "frames"` is called with frame logits, targets of frames where the labels have them,
    else of clips, and the number of valid frames.
    """

    has_frames = True
    frame_seconds: float
    window_frames: int

    def configure_head(self) -> None:
        """Set `head`, `window_frames` of the backbone's output, and `frame_seconds`: how far apart they are."""
        super().configure_head()
        if not isinstance(self.head, Framewise):
            remedy = "take one with frame_logits, e.g. benchmark.heads.FrequencyMaxTimeMean"
            raise InputError(f"{type(self.head).__name__} does not classify frames", "head", remedy)
        if not isinstance(self.recipe.postprocessing, EventDecoder):
            raise InputError(
                "nothing makes events of frames", "postprocessing", "e.g. benchmark.postprocessing.DoubleThreshold"
            )
        self.decoder = self.recipe.postprocessing
        silence = self.example_input()
        self.window_frames = self._frame_logits(self._network_output(silence)).shape[1]
        rate = getattr(self.frontend, "frames_per_second", None)
        seconds = self.recipe.data.clip_seconds
        if rate is not None and self.backbone.input == "features":
            seconds = silence.shape[2] / rate
        self.frame_seconds = seconds / self.window_frames

    def configure_metrics(self) -> None:
        """Set `predictions`, which also collects frames."""
        super().configure_metrics()
        self.predictions: FramePredictions = FramePredictions(self.recipe.data.window_mean)

    def classify(self, output: Tensor, valid: Tensor) -> Outputs:
        """Logits of clips and frames."""
        return Outputs(self.head(output, valid), self._frame_logits(output))

    def _frame_logits(self, output: Tensor) -> Tensor:
        assert isinstance(self.head, Framewise), "checked when it was built"
        return self.head.frame_logits(output)

    @property
    def _learns_frames(self) -> bool:
        return getattr(self.loss, "on", "clips") == "frames"

    def loss_target(self, batch: Batch) -> Tensor:
        """Targets of the clips, or those of the windows' frames where there are some and the loss is on frames."""
        if "frames" not in batch or not self._learns_frames:
            return super().loss_target(batch)
        frames, window = batch["frames"], torch.arange(self.window_frames, device=batch["start"].device)
        place = (self.first_frames(batch["start"])[:, None] + window).clamp(max=frames.shape[1] - 1)
        return self.labels_of(frames[torch.arange(len(frames), device=place.device)[:, None], place])

    def compute_loss(self, outputs: Outputs, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
        """The recipe's loss, on clips or on frames."""
        if not self._learns_frames:
            return super().compute_loss(outputs, target, valid, weight)
        assert outputs.frames is not None
        frames = valid_frames(valid, outputs.frames.shape[1])
        return self.loss(outputs.frames, target, frames)  # type: ignore[no-any-return]

    def evaluate(self, batch: Batch) -> tuple[Outputs, Tensor]:
        """Add a batch, with its frames, to `predictions`."""
        outputs, valid = super().evaluate(batch)
        assert outputs.frames is not None
        frames = valid_frames(valid, outputs.frames.shape[1])
        self.predictions.update_frames(self.first_frames(batch["start"]), frames, self.probabilities(outputs.frames))
        return outputs, valid

    def first_frames(self, start: Tensor) -> Tensor:
        """Frames at which windows that start at these samples begin."""
        return torch.round(start / self.recipe.data.sample_rate / self.frame_seconds).long()

    def events(self, tags: NDArray[Any], frames: NDArray[Any]) -> list[Event]:
        """Events of one clip.

        Args:
            tags: Probabilities of the clip `(classes,)`.
            frames: Probabilities over time `(frames, classes)`.
        """
        return self.decoder(tags, frames, self.frame_seconds, self.classes)

    def stored(self, table: ClipTable, examples: Sequence[Example]) -> Predictions:
        """What a run keeps of its clips, with the events of each."""
        annotated, found = [example.events for example in examples], self.decisions(table)
        return replace(super().stored(table, examples), events=found, reference_events=annotated)

    def decisions(self, table: ClipTable) -> Sequence[list[Event]]:
        """The events of each clip."""
        return [self.events(tags, frames) for tags, frames in zip(table.probability, table.frames, strict=True)]
