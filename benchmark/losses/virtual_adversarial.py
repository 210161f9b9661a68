"""Virtual adversarial training: predictions must not change where the input changes in the worst direction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.errors import InputError
from benchmark.processes import drawn

Network = Callable[[Tensor], Tensor]


class VirtualAdversarial(nn.Module):
    """Divergence of the predictions from those of the input moved by `eps` in the direction that changes them most.

    The direction is found by power iterations from a random one: the gradient of the divergence at a distance of `xi`,
    scaled to length 1, clip by clip. No label is needed. The divergence is that of independent Bernoulli variables,
    `sum_c p log(p / q) + (1 - p) log((1 - p) / (1 - q))`, from the unchanged input's `p`, which is taken as given.
    Frames that are 0 in all bins are padding and stay so.

    Source: card `task4-gcrnn-vat-salr-harb`, VAT (Miyato et al.).

    Args:
        eps: Length (L2) of the perturbation of a clip.
        xi: Distance at which the gradient is taken.
        iterations: Power iterations.
        weight: By what the divergence is multiplied.

    Raises:
        InputError: `eps` or `xi` is not positive, there is no iteration, or `weight` is negative.
    """

    def __init__(self, eps: float = 2.0, xi: float = 1.0, iterations: int = 1, weight: float = 1.0) -> None:
        super().__init__()
        for name, value in (("eps", eps), ("xi", xi)):
            if not value > 0:
                raise InputError(f"{name} must be positive, not {value}", f"VirtualAdversarial.{name}")
        if iterations < 1:
            raise InputError(f"iterations must be at least 1, not {iterations}", "VirtualAdversarial.iterations")
        if weight < 0:
            raise InputError(f"weight must not be negative, not {weight}", "VirtualAdversarial.weight")
        self.eps, self.xi, self.iterations, self.weight = eps, xi, iterations, weight

    def forward(self, network: Network, x: Tensor, logits: Tensor) -> Tensor:
        """Weighted mean divergence of a batch.

        Args:
            network: Gives clip logits `(batch, classes)` of network input.
            x: Network input `(batch, ...)`.
            logits: What it gives for `x`.

        Returns:
            Mean over clips, in nats, times `weight`.
        """
        x, given = x.detach().float(), logits.detach().float()
        was_mixed = torch.is_autocast_enabled(x.device.type)
        with torch.autocast(x.device.type, enabled=False):
            if was_mixed:  # the rounding of the given logits would be taken for an effect of the perturbation
                with torch.no_grad():
                    given = network(x).float()
            moved = x + self.eps * self.direction(network, x, given)
            return self.weight * bernoulli_divergence(given, network(moved).float()).mean()

    def direction(self, network: Network, x: Tensor, logits: Tensor) -> Tensor:
        """Directions `(batch, ...)` of length 1; 0 where no direction changes anything.

        Args:
            network: Gives clip logits `(batch, classes)` of network input.
            x: Network input, float32 `(batch, ...)`.
            logits: What it gives for `x`, without gradient.
        """
        real = torch.ones_like(x, dtype=torch.bool)
        if x.ndim == 4:
            real = (x != 0).any(3, keepdim=True).any(1, keepdim=True)
        found = _unit(drawn(lambda n: x.new_empty(n, *x.shape[1:]).normal_(), len(x)) * real)
        for _ in range(self.iterations):
            found.requires_grad_()
            divergence = bernoulli_divergence(logits, network(x + self.xi * found).float()).sum()
            (gradient,) = torch.autograd.grad(divergence, found)
            found = _unit(gradient.detach() * real)
        return found


def bernoulli_divergence(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of independent Bernoulli variables, summed over classes.

    Args:
        p_logits: Logits of the first distribution `(batch, classes)`.
        q_logits: Logits of the second.

    Returns:
        In nats `(batch,)`.
    """
    present = F.logsigmoid(p_logits) - F.logsigmoid(q_logits)
    absent = F.logsigmoid(-p_logits) - F.logsigmoid(-q_logits)
    return (p_logits.sigmoid() * present + (-p_logits).sigmoid() * absent).sum(1)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """While it lasts, batch normalisation works as it did but does not move its running statistics.

    Args:
        network: Where the normalisations are.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    saved = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked = norm.num_batches_tracked.clone()
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, saved, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked


def _unit(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    # Gradients may be so small that their squares vanish.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return F.normalize(flat, dim=1).view_as(x)
