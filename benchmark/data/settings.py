"""The plain values of a recipe that say how waveforms are cut and batched."""

import math
from dataclasses import dataclass, field

from benchmark.data.inventory import OnError
from benchmark.data.windows import Cut
from benchmark.errors import InputError
from benchmark.fusion.mean import MeanKind


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
        min_rest: Share of a window that the end of a clip must exceed to get a window of its own, which ends with it.
        split_at_silence: Cut windows inside the segments between a clip's pauses, none across a pause
            (`benchmark.frontends.silence.split_at_silence`).
        window_mean: Which mean of its windows' probabilities a clip gets.
        subsets: Further parts of the task's data to learn from, such as its unlabelled clips.
        labels: How labels are made of several annotators' votes; null: the task's first rule.
        classes: Patterns of the names of the classes that the network learns, such as `1-*`; none: all.
        with_class: Class without which a clip is neither trained nor validated on; null: any clip is.
        group_weights: How much the clips of a group count in a loss that weighs examples; 1 where it is not named.
        cache_features: Make the features of all windows once, where nothing random comes before them, they are used
            more than once and the memory holds them.
        resident: Hold the waveforms in the accelerator's memory, where it holds them all.
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
    min_rest: float = 0.1
    split_at_silence: bool = False
    window_mean: MeanKind = "arithmetic"
    subsets: list[str] = field(default_factory=list)
    labels: str | None = None
    classes: list[str] = field(default_factory=list)
    with_class: str | None = None
    group_weights: dict[str, float] = field(default_factory=dict)
    cache_features: bool = True
    resident: bool = True
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
        if not 0 <= self.min_rest <= 1:
            raise InputError(f"min_rest must be in [0, 1], not {self.min_rest}", "data.min_rest")
        if self.split_at_silence and not self.mono:
            raise InputError("pauses are looked for in one channel", "data.split_at_silence", "set data.mono to true")
        if self.mono == self.each_channel:
            what = "each_channel needs the channels" if self.mono else "channels are averaged or taken each by itself"
            raise InputError(what, "data.mono, data.each_channel", "set one of them to true and the other to false")
        if self.domains and sum(self.domains.values()) != self.batch_size:
            what = f"{sum(self.domains.values())} windows of domains in a batch of {self.batch_size}"
            raise InputError(what, "data.domains, data.batch_size", "make both the same number")
        if self.domains and self.undersample:
            what = "the windows of a batch are drawn by domain or by class"
            raise InputError(what, "data.domains, data.undersample", "take one of them out")

    def cut(self, hop_seconds: float | None = None) -> Cut:
        """How clips are cut into windows, on request at another distance, with all of the clip's end."""
        rate = self.sample_rate
        hop = round((hop_seconds or self.hop_seconds or self.clip_seconds) * rate)
        drop_rest = self.drop_rest and hop_seconds is None
        return Cut(round(self.clip_seconds * rate), hop, math.inf if drop_rest else self.min_rest)
