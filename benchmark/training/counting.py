"""How large a model is and what a forward pass costs, counted as papers count."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark.errors import InputError

Convention = Literal["trainable", "with_running_statistics"]


def count_parameters(model: nn.Module, convention: Convention = "trainable") -> int:
    """Parameters of a model.

    Args:
        model: The model.
        convention: `trainable`: what an optimiser may change; `with_running_statistics`: these and the running
            means and variances of batch normalisation, which some frameworks hold as weights.

    Raises:
        InputError: The convention is unknown.
    """
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if convention == "trainable":
        return trainable
    if convention == "with_running_statistics":
        statistics = (
            buffer for name, buffer in model.named_buffers() if name.endswith(("running_mean", "running_var"))
        )
        return trainable + sum(buffer.numel() for buffer in statistics)
    raise InputError(
        f"there is no way of counting named {convention!r}", "convention", "take trainable or with_running_statistics"
    )


def count_flops(model: nn.Module, *inputs: Tensor) -> int:
    """Floating point operations of one forward pass in evaluation mode.

    Convolutions, matrix products and attention count, a multiply-accumulate as 2; normalisation, activations and
    Fourier transforms do not.

    Args:
        model: The model; its state and mode stay as they are.
        inputs: What its forward takes.
    """
    modes = {module: module.training for module in model.modules()}
    counter = FlopCounterMode(display=False)
    model.eval()
    try:
        with torch.no_grad(), counter:
            model(*inputs)
    finally:
        for module, training in modes.items():
            module.training = training
    return counter.get_total_flops()


def count_macs(model: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one forward pass in evaluation mode: half of `count_flops`."""
    return count_flops(model, *inputs) // 2
