"""Predictions gathered clip by clip, the same on one process and on many."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from benchmark.fusion.mean import Mean, MeanKind


class ClipTable(NamedTuple):
    """Predictions of a split, one row a clip, in rising order of the clip index.

    Attributes:
        clip: Clip indices, int64 of shape ``(n,)``.
        probability: A mean over each clip's windows, float64 of shape ``(n, classes)``.
        target: float32 of shape ``(n, classes)``.
        frames: Where a task detects events: probabilities over time of each clip, float32 of shape
            ``(frames of the clip, classes)``; the last frames may differ in number from clip to clip.
    """

    clip: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    target: npt.NDArray[np.float32]
    frames: Sequence[npt.NDArray[np.float32]] = ()


def table_arrays(table: ClipTable) -> dict[str, npt.NDArray[Any]]:
    """A table as plain arrays, to be written to a file."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "clip": table.clip,
        "probability": table.probability,
        "target": table.target,
    }
    if len(table.frames):
        arrays |= {"frames": np.concatenate(table.frames), "frame_counts": np.array([len(f) for f in table.frames])}
    return arrays


def table_of(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> ClipTable:
    """The table whose arrays were written as `<name>/<array>`."""
    clip, probability, target = (arrays[f"{name}/{key}"] for key in ("clip", "probability", "target"))
    if f"{name}/frames" not in arrays:
        return ClipTable(clip, probability, target)
    ends = np.cumsum(arrays[f"{name}/frame_counts"])[:-1]
    return ClipTable(clip, probability, target, np.split(arrays[f"{name}/frames"], ends))


def mean_of_tables(tables: Sequence[ClipTable]) -> ClipTable:
    """The mean of several networks' predictions of the same clips; of frames, as far as all of them have some."""
    probability = np.mean([table.probability for table in tables], axis=0)
    frames = [
        np.mean([part[: min(map(len, parts))] for part in parts], axis=0)
        for parts in zip(*(table.frames for table in tables), strict=True)
    ]
    return tables[0]._replace(probability=probability, frames=frames)


class ClipPredictions(Metric):
    """Collects window predictions and averages them to clip predictions.

    A distributed sampler repeats clips so that every process gets the same number; the repetitions carry the same
    clip and window index and are counted once. Averages are taken in float64 in the order of the windows, so
    that the result depends neither on batch size nor on how clips were dealt to processes.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    clip: list[Tensor]
    window: list[Tensor]
    probability: list[Tensor]
    target: list[Tensor]

    # Class axes are flattened, so that a process without a clip, which does not know the number of classes, can
    # take part in gathering.
    _state_dtypes: ClassVar[tuple[tuple[str, torch.dtype], ...]] = (
        ("clip", torch.int64),
        ("window", torch.int64),
        ("probability", torch.float32),
        ("target", torch.float32),
    )

    def __init__(self, mean: MeanKind = "arithmetic", **kwargs: Any) -> None:
        """Start empty.

        Args:
            mean: Which mean of its windows' probabilities a clip gets.
            **kwargs: Settings of :class:`torchmetrics.Metric`.
        """
        super().__init__(**kwargs)
        self.mean = Mean(mean)
        for name, _ in self._state_dtypes:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, clip: Tensor, window: Tensor, probability: Tensor, target: Tensor) -> None:
        """Add a batch of windows.

        Args:
            clip: Clip index of each window, of shape ``(batch,)``.
            window: Index of the window within its clip, of shape ``(batch,)``.
            probability: Predicted probabilities, of shape ``(batch, classes)``.
            target: Labels of the clip, of shape ``(batch, classes)``.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        batch = clip.shape[0] if clip.ndim == 1 else -1
        if (
            window.shape != (batch,)
            or probability.ndim != 2
            or len(probability) != batch
            or target.shape != probability.shape
        ):
            shapes = ", ".join(str(tuple(part.shape)) for part in (clip, window, probability, target))
            raise ValueError(f"expected (batch,), (batch,), (batch, classes), (batch, classes), got {shapes}")
        self._add(clip=clip, window=window, probability=probability, target=target)

    def _add(self, **parts: Tensor) -> None:
        dtypes = dict(self._state_dtypes)
        for name, part in parts.items():
            getattr(self, name).append(part.detach().to(dtypes[name]).flatten())

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes; a process without a clip takes part with empty states.

        torchmetrics would let it take part with float32 in place of the int64 states, which cannot be gathered.

        Args:
            *args: Passed on to :meth:`torchmetrics.Metric.sync`.
            **kwargs: Passed on to :meth:`torchmetrics.Metric.sync`.
        """
        for name, dtype in self._state_dtypes:
            state = getattr(self, name)
            if isinstance(state, list) and not state:
                state.append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> ClipTable:
        """Average the windows of each clip, each counted once.

        Returns:
            The table of all clips seen by any process; arrays of length 0 if there was none.

        Raises:
            ValueError: If two windows of one clip carry different targets.
        """
        clip, window = self._gathered("clip"), self._gathered("window")
        probability, target = self._gathered("probability"), self._gathered("target")
        if not clip.size:
            return ClipTable(clip, np.zeros((0, 0)), np.zeros((0, 0), np.float32))
        probability, target = probability.reshape(clip.size, -1), target.reshape(clip.size, -1)

        order = np.lexsort((window, clip))
        clip, window = clip[order], window[order]
        repeated = (np.diff(clip, prepend=clip[0] - 1) == 0) & (np.diff(window, prepend=window[0]) == 0)
        kept, clip = order[~repeated], clip[~repeated]

        clips, first, windows = np.unique(clip, return_index=True, return_counts=True)
        targets = target[kept][first]
        same = np.isclose(target[kept], np.repeat(targets, windows, axis=0), rtol=0, atol=0, equal_nan=True)
        differs = ~same.all(axis=1)
        if differs.any():
            raise ValueError(f"windows of clip {clip[differs][0]} carry different targets")
        rows = np.split(probability[kept].astype(np.float64), first[1:])
        return ClipTable(clips, np.stack([self.of_windows(row) for row in rows]), targets)

    def of_windows(self, probability: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Probability `(classes,)` of a clip with windows of these `(windows, classes)`."""
        mean: npt.NDArray[Any] = self.mean(probability[:, None])[0]
        return mean

    def _gathered(self, name: str) -> npt.NDArray[Any]:
        state = getattr(self, name)
        if isinstance(state, list) and not state:
            return torch.empty(0, dtype=dict(self._state_dtypes)[name]).numpy()
        array: npt.NDArray[Any] = dim_zero_cat(state).cpu().numpy()
        return array
