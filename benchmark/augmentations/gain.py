"""Changes of level."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.processes import drawn


class GainSteps(nn.Module):
    """Raise or lower each clip by a number of steps; every number that its peak allows, and none, is equally likely.

    A clip is raised as long as its peak is not above `highest`, and lowered as long as it is not below `lowest`.
    Source: card `task-ust-cnn-vggish`, augmentation (1 dB, up to four steps, peaks of 0.5 to 1).

    Args:
        step_db: A step in decibels.
        most: Most steps up, and down.
        lowest: Peak below which nothing is lowered.
        highest: Peak above which nothing is raised.

    Raises:
        InputError: `step_db` or `most` is not positive, or not `0 <= lowest <= highest`.
    """

    domain: ClassVar[str] = "waveform"

    def __init__(self, step_db: float = 1.0, most: int = 4, lowest: float = 0.5, highest: float = 1.0) -> None:
        super().__init__()
        if step_db <= 0 or most < 1:
            raise InputError(f"{most} steps of {step_db} dB change nothing", "GainSteps.step_db, GainSteps.most")
        if not 0 <= lowest <= highest:
            raise InputError(f"peaks of {lowest} to {highest}", "GainSteps.lowest, GainSteps.highest")
        self.step_db, self.most, self.lowest, self.highest = step_db, most, lowest, highest

    def forward(self, waveform: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Change the level.

        Args:
            waveform: `(batch, channels, time)`, 0 in the padding.
            lengths: int64 `(batch,)` samples.
            target: Passed on.

        Returns:
            Waveforms of the same shape, and the rest as it came.
        """
        if not self.training:
            return waveform, lengths, target
        steps = torch.arange(-self.most, self.most + 1, device=waveform.device)
        gains = 10 ** (steps * self.step_db / 20)
        peaks = waveform.abs().amax((1, 2))[:, None] * gains
        allowed = torch.where(steps > 0, peaks <= self.highest, peaks >= self.lowest) | (steps == 0)
        # The one of so many allowed ones, each equally likely.
        share = drawn(lambda n: torch.rand(n, device=waveform.device), len(waveform))
        place = (share * allowed.sum(1)).long().clamp(max=allowed.sum(1) - 1)
        chosen = (allowed.cumsum(1) == place[:, None] + 1).int().argmax(1, keepdim=True)
        return waveform * gains[chosen][:, :, None].to(waveform.dtype), lengths, target
