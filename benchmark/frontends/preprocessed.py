"""A front end behind changes of the waveform that belong to it, in training and in evaluation."""

from collections.abc import Callable

from torch import Tensor, nn


class Preprocessed(nn.Module):
    """Steps that change the waveform, then a front end.

    Args:
        steps: Called in order with waveform `(batch, channels, time)` and lengths in samples; each gives the same pair.
        frontend: Gets what the last step gives.
    """

    def __init__(self, steps: list[nn.Module], frontend: nn.Module) -> None:
        super().__init__()
        self.steps, self.frontend = nn.ModuleList(steps), frontend

    @property
    def frames_per_second(self) -> float | None:
        """Frame rate of the front end in Hz; None where it has none."""
        return getattr(self.frontend, "frames_per_second", None)

    def engine_on(self, device_type: str) -> str:
        """What computes the front end's spectrograms on a device; `none` where it has no choice."""
        choose: Callable[[str], str] | None = getattr(self.frontend, "engine_on", None)
        return choose(device_type) if choose is not None else "none"

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch of waveforms.

        Args:
            waveform: `(batch, channels, time)`.
            lengths: Samples that are not padding, int64 `(batch,)`.

        Returns:
            What the front end gives: features `(batch, channels, frames, bins)`, and lengths in frames.
        """
        for step in self.steps:
            waveform, lengths = step(waveform, lengths)
        features, lengths = self.frontend(waveform, lengths)
        return features, lengths
