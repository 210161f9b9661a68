"""Mixup: training on weighted means of two examples."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Beta

from benchmark.errors import InputError
from benchmark.processes import drawn, whole_batch


class Mixup(nn.Module):
    """Mix each example with a partner of its batch: `x = share * x1 + (1 - share) * x2`, and the target alike.

    The share is drawn from Beta(alpha, alpha). What is linear in the targets, such as an example's weight in one more
    column, is mixed with them. Source: cards `task2-noisy-labels-iqbal` (one share a batch, alpha 1) and
    `task2-cp-jku-self-verification` (one an example, the reversed batch as partners, alpha 0.2 and 0.3).

    Args:
        alpha: Both parameters of the distribution; 1: uniform, smaller: rather one of the two examples.
        per: Whether the whole `batch` has one share or each `example` its own.
        partner: `permuted`: the batch in random order; `reversed`: the batch from its end.
        domain: Whether the `features` or the `waveform` are mixed.

    Raises:
        InputError: `alpha` is not positive, or a choice is unknown.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        per: Literal["batch", "example"] = "batch",
        partner: Literal["permuted", "reversed"] = "permuted",
        domain: Literal["features", "waveform"] = "features",
    ) -> None:
        super().__init__()
        if alpha <= 0:
            raise InputError(f"alpha must be positive, not {alpha}", "Mixup.alpha")
        for name, value, choices in (
            ("per", per, ("batch", "example")),
            ("partner", partner, ("permuted", "reversed")),
            ("domain", domain, ("features", "waveform")),
        ):
            if value not in choices:
                raise InputError(f"{name} must be {' or '.join(choices)}, not {value!r}", f"Mixup.{name}")
        self.alpha, self.per, self.partner, self.domain = alpha, per, partner, domain

    def forward(self, x: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mix.

        Args:
            x: Waveforms `(batch, channels, time)` or features `(batch, channels, frames, bins)`, 0 in the padding.
            lengths: int64 `(batch,)` samples or frames.
            target: `(batch, columns)`.

        Returns:
            The mixed x and targets, of the same shapes, and the lengths of the longer of each two.
        """
        if not self.training:
            return x, lengths, target
        alpha = torch.tensor(self.alpha, device=x.device)
        spread = Beta(alpha, alpha)
        if self.partner == "reversed":
            other = drawn(lambda n: torch.arange(n - 1, -1, -1, device=x.device), len(x))
        else:
            other = drawn(lambda n: torch.randperm(n, device=x.device), len(x))
        share = drawn(lambda n: spread.sample((n,)), len(x)) if self.per == "example" else spread.sample((1,))
        share = share.to(target.dtype)
        partner, partners, wanted = (whole_batch(part)[other] for part in (x, lengths, target))
        mixed = x.lerp(partner, (1 - share).to(x.dtype).reshape(-1, *[1] * (x.ndim - 1)))
        return mixed, torch.maximum(lengths, partners), target.lerp(wanted, 1 - share[:, None])
