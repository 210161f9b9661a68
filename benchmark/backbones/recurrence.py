"""Weighted recurrence: less memory of a trained recurrent layer, without training it again."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from benchmark.errors import InputError


@contextmanager
def scaled_recurrence(layer: nn.RNNBase, omega: float) -> Iterator[None]:
    """While it lasts, the layer's matrices from state to state are multiplied by `omega`; its biases stay.

    Of a GRU, every gate then sees `omega` times the state before, while the share of the old state that is kept goes on
    unscaled. For inference: the weights must not change between a forward and its backward pass.

    Source: card `task4-wgru-mil`, weighted recurrence.

    Args:
        layer: A trained recurrent layer.
        omega: In [0, 1]; 1 changes nothing.

    Raises:
        InputError: `omega` is not in [0, 1].
    """
    if not 0 <= omega <= 1:
        raise InputError(f"omega must be in [0, 1], not {omega}", "omega")
    weights = [parameter for name, parameter in layer.named_parameters() if name.startswith("weight_hh")]
    saved = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.mul_(omega)
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, saved, strict=True):
                weight.copy_(before)
