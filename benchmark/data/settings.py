"""The plain values of a recipe that say how waveforms are cut and batched."""

from dataclasses import dataclass, field

from benchmark.data.inventory import OnError
from benchmark.errors import InputError


@dataclass
class DataSettings:
    """How waveforms are cut and batched.

    Attributes:
        sample_rate: Rate in Hz at which the store holds the clips.
        clip_seconds: Length of a window; a shorter clip is padded, a longer one is cut into several.
        batch_size: Windows of one training step, over all devices.
        hop_seconds: Distance of two windows of one clip; null: the window's length.
        eval_batch_size: Windows of one evaluation step.
        valid_fraction: Share of the training part held out to select on.
        mono: Average the channels.
        each_channel: Where they are not averaged: make every channel a window of its own.
        undersample: Draw as many windows of each class in every pass as the rarest class has.
        domains: Windows of each group in a training batch; groups that are not named are in none, and count in the
            statistics of normalisation alone. None: all are drawn alike.
        drop_rest: Leave out the end of a clip that fills no whole window.
        subsets: Further parts of the task's data to learn from, such as its unlabelled clips.
        labels: How labels are made of several annotators' votes; null: the task's first rule.
        group_weights: How much the clips of a group count in a loss that weighs examples; 1 where it is not named.
        on_error: What a broken or missing file does: `stop` the run, or `skip` the clip and count it in the record.
    """

    sample_rate: int
    clip_seconds: float
    batch_size: int
    hop_seconds: float | None = None
    eval_batch_size: int = 32
    valid_fraction: float = 0.0
    mono: bool = True
    each_channel: bool = False
    undersample: bool = False
    domains: dict[str, int] = field(default_factory=dict)
    drop_rest: bool = False
    subsets: list[str] = field(default_factory=list)
    labels: str | None = None
    group_weights: dict[str, float] = field(default_factory=dict)
    on_error: OnError = "stop"

    def __post_init__(self) -> None:
        for name in ("sample_rate", "clip_seconds", "batch_size", "eval_batch_size", "hop_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"{name} must be positive, not {value}", f"data.{name}")
        for name in ("clip_seconds", "hop_seconds"):
            if (value := getattr(self, name)) is not None and round(value * self.sample_rate) < 1:
                raise InputError(f"{name} of {value} is less than a sample", f"data.{name}")
        if not 0 <= self.valid_fraction < 1:
            raise InputError(f"valid_fraction must be in [0, 1), not {self.valid_fraction}", "data.valid_fraction")
        if self.mono == self.each_channel:
            what = "each_channel needs the channels" if self.mono else "channels are averaged or taken each by itself"
            raise InputError(what, "data.mono, data.each_channel", "set one of them to true and the other to false")
        if self.domains and sum(self.domains.values()) != self.batch_size:
            what = f"{sum(self.domains.values())} windows of domains in a batch of {self.batch_size}"
            raise InputError(what, "data.domains, data.batch_size", "make both the same number")
        if self.domains and self.undersample:
            what = "the windows of a batch are drawn by domain or by class"
            raise InputError(what, "data.domains, data.undersample", "take one of them out")
