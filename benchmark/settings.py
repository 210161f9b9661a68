"""The plain values of a recipe: how long a network is trained, which weights count, and which stages there are."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import InputError
from benchmark.training.labels import LabelSource

if TYPE_CHECKING:
    Changes = dict[str, Any]
else:  # below `Any`, jsonargparse would fill in the arguments of classes, also those that a part is called with
    Changes = dict


@dataclass
class TrainerSettings:
    """How long and in which precision to train.

    Attributes:
        max_steps: Optimiser steps.
        val_every: Steps between two validations, where a part is held out for it.
        precision: Lightning's name of the precision; features and losses stay in float32.
        gradient_clip_val: Largest norm of the gradient.
        checkpoint_every: Steps between two checkpoints to resume from.
        on_bad_loss: What a step does whose loss or gradient is no number: `stop` the run, or `skip` the step and count
            it in the record.
        channels_last: Keep convolution weights in the layout that CPUs and tensor cores prefer; changes rounding only.
        fused: Let the optimiser move all weights at once, where it can; changes rounding only.
        sync_batchnorm: Let GPUs that share a training share the statistics of its batches, so that their number changes
            nothing; CPU processes cannot.
        compile: Compile the backbone (`torch.compile`); where that fails it computes as it is.
        scale: Share of all that takes time that is done: steps, folds, turns of stages (`run --scale`).
    """

    max_steps: int = 5000
    val_every: int = 500
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    gradient_clip_val: float | None = None
    checkpoint_every: int = 500
    on_bad_loss: Literal["stop", "skip"] = "stop"
    channels_last: bool = True
    fused: bool = True
    sync_batchnorm: bool = True
    compile: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_steps", "val_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}", f"trainer.{name}")
        check_scale(self.scale)


@dataclass
class Selection:
    """Which weights are scored.

    Attributes:
        monitor: Validation score, or `loss`, whose best value chooses the checkpoint; null scores the last step.
        mode: Whether the largest or the smallest value is best.
        also: Further monitors whose best weights are kept: recipes that differ only in which one they take share the
            training.
        patience: Validations without a gain after which training stops; null trains to the end.
        min_delta: How much better a value must be to count as a gain for `patience`.
        start: Step before which validations neither choose nor stop.
        average: Of so many best validations the predictions are averaged; where there were fewer, of all.
        fusion: What the fusion learns from: held-out predictions, or, as some sources do, those of the test part.
    """

    monitor: str | None = None
    mode: Literal["max", "min"] = "max"
    also: list[str] = field(default_factory=list)
    patience: int | None = None
    min_delta: float = 0.0
    start: int = 0
    average: int = 1
    fusion: Literal["held-out", "test"] = "held-out"

    def __post_init__(self) -> None:
        if "loss" in self.monitors and self.mode == "max":
            raise InputError("the best loss is the smallest", "selection.mode", "set it to min")
        if self.average < 1:
            raise InputError(f"average must be at least 1, not {self.average}", "selection.average")
        if self.average > 1 and self.monitor is None:
            remedy = "set selection.monitor to a score, or to loss"
            raise InputError("nothing says which validations are the best", "selection.average", remedy)
        if self.also and (self.monitor is None or len(set(self.monitors)) < len(self.monitors)):
            raise InputError(f"{self.also} beside {self.monitor}", "selection.also", "name further monitors, each once")
        if self.also and self.patience is not None:
            what = "patience with one of several monitors ends the training of all"
            raise InputError(what, "selection.patience", "set it to null, or take `also` out")

    @property
    def monitors(self) -> list[str]:
        """All whose best weights are kept; first the one whose weights are scored."""
        return [self.monitor, *self.also] if self.monitor is not None else []


@dataclass
class Stage:
    """One step of a system that takes several: trainings that do not depend on each other.

    Attributes:
        name: Names the stage's files.
        members: Members that it trains; none: all of the recipe's.
        folds: Parts into which the training part is dealt; each member is trained once a part, without it, validates on
            it and predicts it. 0: each member is trained once.
        valid_group: Group of the clips of a part that count in validation; null: all.
        labels: Where its labels come from; null: they are the given ones.
        start: `previous` goes on from the weights of the same member and part of the stage before; null starts afresh.
        repeat: How many times in a row the stage is done, each time with new labels.
        keep: Which of these turns counts in the end: the `last`, or of each member the one with the `best` score by
            which its weights were selected, on average over its parts.
        changes: Keys of the recipe that are different in this stage.
    """

    name: str
    members: list[str] = field(default_factory=list)
    folds: int = 0
    valid_group: str | None = None
    labels: LabelSource | None = None
    start: Literal["previous"] | None = None
    repeat: int = 1
    keep: Literal["last", "best"] = "last"
    changes: Changes = field(default_factory=dict)

    @property
    def has_own_labels(self) -> bool:
        """Whether each member learns labels of its own."""
        return self.labels is not None and self.labels.of_member

    def __post_init__(self) -> None:
        check_name("stage", self.name)
        if self.folds == 1 or self.folds < 0:
            raise InputError(f"stage {self.name} has {self.folds} folds", "stages", "take none or at least 2")
        if self.valid_group is not None and not self.folds:
            what = f"stage {self.name} has no folds, of which a group could be validated on"
            raise InputError(what, "stages", "take valid_group out, or add folds")
        if self.keep == "best" and self.repeat == 1:
            raise InputError(f"stage {self.name} has one turn to keep", "stages", "take `keep` out, or repeat it")
        if self.repeat < 1:
            raise InputError(f"stage {self.name} is repeated {self.repeat} times", "stages", "take at least 1")


def check_scale(scale: float) -> None:
    """Check that a scale is a share.

    Raises:
        InputError: It is not.
    """
    if not 0 < scale <= 1:
        raise InputError(f"scale must be in (0, 1], not {scale}", "trainer.scale")


def check_name(what: str, name: str) -> None:
    """Check that a name can be part of a file's.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]+", name):
        raise InputError(f"a {what} cannot be called {name!r}", f"{what}s", "use a-z, 0-9 and -")
