"""Learning rate schedules that PyTorch does not have; they are stepped after every optimiser step."""

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from benchmark.errors import InputError


class HoldThenLinear(LRScheduler):
    """Keep the learning rate for some steps, then lower it linearly to zero.

    Source: card `task2-cp-jku-self-verification`, training table (500 epochs, from the 100th on; 30, from the 5th on).

    Args:
        optimizer: The optimiser.
        hold_steps: Steps with the full rate.
        total_steps: Steps after which the rate is zero.

    Raises:
        InputError: Not `0 <= hold_steps < total_steps`.
    """

    def __init__(self, optimizer: Optimizer, hold_steps: int, total_steps: int) -> None:
        if not 0 <= hold_steps < total_steps:
            what = f"hold_steps of {hold_steps} and total_steps of {total_steps} leave no step to lower the rate"
            raise InputError(what, "scheduler.hold_steps, scheduler.total_steps")
        self.hold_steps, self.total_steps = hold_steps, total_steps
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each parameter group after `last_epoch` steps."""
        left = (self.total_steps - self.last_epoch) / (self.total_steps - self.hold_steps)
        return [float(base) * min(max(left, 0.0), 1.0) for base in self.base_lrs]
