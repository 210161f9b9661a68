"""The simple recurrent unit: a recurrent layer whose only sequential part is element-wise."""

import torch
from torch import Tensor, nn

from benchmark.errors import InputError


class SRU(nn.Module):
    """A layer of simple recurrent units over a sequence, in one direction or both.

    With `z = W x`, `f = sigmoid(W_f x + b_f)` and `r = sigmoid(W_r x + b_r)` of every frame, the state is
    `c_t = f_t c_(t-1) + (1 - f_t) z_t` from `c_0 = 0`, and the output `r_t tanh(c_t) + (1 - r_t) x_t`; where the input
    is not as wide as the state, the last term has a projection of it. All products of matrices are those of whole
    sequences; only the state goes frame by frame, in float32.

    Source: card `task4-cp-jku-iterative-distillation`, model (Lei et al., Training RNNs as fast as CNNs).

    Args:
        input_size: Size of a frame's vector.
        hidden: Units in each direction.
        bidirectional: Whether a second set of units reads the sequence backwards.

    Raises:
        InputError: A size is not positive.
    """

    def __init__(self, input_size: int, hidden: int, bidirectional: bool = True) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden", hidden)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, not {value}", f"SRU.{name}")
        self.hidden, self.directions = hidden, 2 if bidirectional else 1
        self.maps = 3 if input_size == hidden else 4
        self.linear = nn.Linear(input_size, self.directions * self.maps * hidden, bias=False)
        for first in range(0, self.linear.out_features, hidden):
            nn.init.xavier_uniform_(self.linear.weight.data[first : first + hidden])
        self.bias = nn.Parameter(torch.zeros(self.directions, 2, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Run over the frames.

        Args:
            x: `(batch, time, input_size)`.

        Returns:
            `(batch, time, directions * hidden)`: forward, then backward outputs.
        """
        maps = self.linear(x).float().unflatten(2, (self.directions, self.maps, self.hidden))
        if self.directions == 2:
            maps = torch.stack([maps[:, :, 0], maps[:, :, 1].flip(1)], dim=2)
        forget, reset = (maps[:, :, :, 1:3] + self.bias).sigmoid().unbind(3)
        state = decaying_sum(forget, (1 - forget) * maps[:, :, :, 0]).tanh()
        if self.maps == 4:
            skipped = maps[:, :, :, 3]
        else:
            ways = [x.float(), x.float().flip(1)]
            skipped = torch.stack(ways[: self.directions], dim=2)
        output: Tensor = skipped + reset * (state - skipped)
        if self.directions == 1:
            return output[:, :, 0]
        return torch.cat([output[:, :, 0], output[:, :, 1].flip(1)], dim=2)


def decaying_sum(keep: Tensor, new: Tensor) -> Tensor:
    """`c_t = keep_t c_(t-1) + new_t` from `c_0 = 0`.

    Args:
        keep: `(batch, time, ...)`.
        new: Of the same shape.

    Returns:
        The states, of the same shape.
    """
    state = torch.zeros_like(new[:, 0])
    states = []
    for kept, added in zip(keep.unbind(1), new.unbind(1), strict=True):
        state = torch.addcmul(added, kept, state)
        states.append(state)
    return torch.stack(states, dim=1)
