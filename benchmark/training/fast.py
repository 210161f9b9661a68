"""What makes a training fast and its scores no other: each part is a switch of the recipe, and the record names it."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.data.sources import FeatureSource
from benchmark.data.windows import WindowDataset
from benchmark.devices import has_room

Features = tuple[Tensor, Tensor]


def are_fixed(parts: Iterable[nn.Module], make: Callable[[], Features]) -> bool:
    """Whether features depend on the waveform alone: nothing that makes them learns or draws random numbers."""
    if any(parameter.requires_grad for part in parts for parameter in part.parameters()):
        return False
    (first, _), (second, _) = make(), make()
    return torch.equal(first, second)


def keep_features(windows: WindowDataset, batches: Iterable[Features], device: torch.device) -> WindowDataset:
    """The same windows with their features made once, on the device; as they were, where they have no room there.

    Args:
        windows: Whose features.
        batches: Features and lengths of all of them, batch by batch in their order.
        device: Where to keep them.
    """
    kept: Features | None = None
    filled = 0
    for features, lengths in batches:
        if kept is None:
            if not has_room(device, len(windows) * features[0].nbytes):
                return windows
            kept = features.new_empty((len(windows), *features.shape[1:])), lengths.new_empty(len(windows))
        rows = slice(filled, filled + len(features))
        kept[0][rows], kept[1][rows] = features, lengths
        filled = rows.stop
    return windows if kept is None else windows.given_by(FeatureSource(*kept))


def make_optimizer(make: Callable[..., torch.optim.Optimizer], weights: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The recipe's optimiser, in its fused form where it has one and the recipe does not choose another."""
    may_fuse = getattr(make, "keywords", {}).get("fused", False) is None
    return make(weights, fused=True) if may_fuse else make(weights)


def is_fused(optimizer: Any) -> bool:
    """Whether an optimiser moves all weights at once."""
    return bool(optimizer.param_groups[0].get("fused"))


def compile_in_place(network: nn.Module, device: torch.device) -> bool:
    """Compile a network when it is first called, and say whether that can be done here; else it computes as it is."""
    torch._dynamo.config.suppress_errors = True  # what the compiler does not understand computes as it is
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:  # whatever a missing compiler or driver raises
        logging.getLogger(__name__).warning("not compiled, because the compiler fails: %s", str(error).splitlines()[0])
        return False
    network.compile()
    return True
