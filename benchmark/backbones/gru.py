"""A bidirectional GRU as frameworks of 2018 had it, for short sequences."""

from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.errors import InputError


class BidirectionalGRU(nn.Module):
    """Gated recurrent units in both directions, with one bias a gate and a choice of the candidate's activation.

    With input x, state h and activation f: `z, r = sigmoid(W x + U h + b)`, `n = f(W x + U (r * h) + b)`, next state
    `z * h + (1 - z) * n`. PyTorch's own GRU has a second bias, resets after the product and knows tanh alone; it is
    many times faster on long sequences, since this one takes a Python step a frame. Input weights start
    Glorot-uniform and recurrent ones orthogonal, those of the three gates as one matrix, and biases at 0.

    Source: card `task2-noisy-labels-iqbal`, model table (512 units a direction, ReLU).

    Args:
        dim: Size of a frame's vector.
        hidden: Units in each direction.
        activation: Of the candidate state.

    Raises:
        InputError: A size is below 1, or the activation is unknown.
    """

    def __init__(self, dim: int, hidden: int, activation: Literal["tanh", "relu"] = "tanh") -> None:
        super().__init__()
        if min(dim, hidden) < 1:
            raise InputError(f"sizes must be at least 1, not {dim} and {hidden}", "BidirectionalGRU.dim, hidden")
        activations = {"tanh": torch.tanh, "relu": torch.relu}
        if activation not in activations:
            raise InputError(f"activation must be tanh or relu, not {activation!r}", "BidirectionalGRU.activation")
        self.hidden, self.activate = hidden, activations[activation]
        self.weight_input = nn.Parameter(torch.empty(2, dim, 3 * hidden))
        self.weight_hidden = nn.Parameter(torch.empty(2, hidden, 3 * hidden))
        self.bias = nn.Parameter(torch.zeros(2, 1, 3 * hidden))
        for direction in range(2):
            nn.init.xavier_uniform_(self.weight_input[direction])
            nn.init.orthogonal_(self.weight_hidden[direction])

    def forward(self, x: Tensor) -> Tensor:
        """The states of both directions, the forward one first.

        Args:
            x: `(batch, time, dim)`.

        Returns:
            `(batch, time, 2 * hidden)`.
        """
        batch, time = x.shape[:2]
        both = torch.stack([x, x.flip(1)]).flatten(1, 2)
        inputs = torch.unflatten(torch.baddbmm(self.bias, both, self.weight_input), 1, (batch, time))
        gates, candidate = torch.split(self.weight_hidden, [2 * self.hidden, self.hidden], dim=2)
        state = inputs.new_zeros(2, batch, self.hidden)
        states = []
        for frame in inputs.unbind(2):
            update, reset = (frame[..., : 2 * self.hidden] + state @ gates).sigmoid().chunk(2, dim=2)
            new = self.activate(frame[..., 2 * self.hidden :] + (reset * state) @ candidate)
            state = update * state + (1 - update) * new
            states.append(state)
        forward, backward = torch.stack(states, dim=2)
        return torch.cat([forward, backward.flip(1)], dim=2)
