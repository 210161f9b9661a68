"""Schedules that lower the learning rate where a validation score stops getting better, and may start anew."""

import math
from typing import Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from benchmark.errors import InputError


class ReduceOnPlateau(LRScheduler):
    """Multiply the learning rate by a factor after more than `patience` validations in a row without a gain.

    Optimiser steps alone change nothing: who validates tells the schedule what it watches, by `validated`. The rule is
    that of `torch.optim.lr_scheduler.ReduceLROnPlateau` with a threshold of 0. What it has seen is in its state: a
    resumed training goes on with it.

    Source: card `task-ust-cnn-vggish`, fine branch models (0.1 after 5, 0.2 after 6 validations).

    Args:
        optimizer: The optimiser.
        monitor: Validation score, or `loss`, that it watches.
        mode: Whether a gain is a larger (`max`) or a smaller (`min`) value.
        factor: What the rate is multiplied by.
        patience: Validations without a gain that are borne.
        min_lr: Smallest rate.

    Raises:
        InputError: `factor` is not between 0 and 1, or another setting is impossible.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        monitor: str = "loss",
        mode: Literal["max", "min"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        min_lr: float = 0.0,
    ) -> None:
        name = type(self).__name__
        if not 0 < factor < 1:
            raise InputError(f"factor must be above 0 and below 1, not {factor}", f"{name}.factor")
        if patience < 0 or min_lr < 0:
            raise InputError(f"patience of {patience}, min_lr of {min_lr}", name, "neither may be negative")
        if mode not in ("max", "min") or (monitor, mode) == ("loss", "max"):
            raise InputError(f"{monitor} gets better towards its {mode}?", f"{name}.mode", "take min for losses")
        self.monitor, self.mode, self.factor, self.patience, self.min_lr = monitor, mode, factor, patience, min_lr
        self.best = -math.inf if mode == "max" else math.inf
        self.without_gain = 0
        self.rates = [float(group["lr"]) for group in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each parameter group."""
        return list(self.rates)

    def validated(self, value: float) -> None:
        """Take note of a validation, and change the rate if it is time.

        Args:
            value: What `monitor` is there; NaN is no gain.
        """
        if value > self.best if self.mode == "max" else value < self.best:
            self.best, self.without_gain = value, 0
            return
        self.without_gain += 1
        if self.without_gain > self.patience:
            self.without_gain = 0
            self.change()
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate
            self._last_lr = self.get_lr()

    def change(self) -> None:
        """Choose the next rates."""
        self.rates = [max(rate * self.factor, min(rate, self.min_lr)) for rate in self.rates]


class PlateauRestarts(ReduceOnPlateau):
    """Lower the rate on plateaus down to a smallest one; from there start again with the first rate, and lower it less.

    Each restart makes the factor larger. The optimiser forgets its averages with every change of the rate, as if it
    were new. What was best before a restart stays the best. Source: card `task-ust-cnn-vggish`, training ("modified
    warm restarts": after 10 validations, factors 0.1, 0.2 and so on, not below 1e-6).

    Args:
        optimizer: The optimiser.
        monitor: Validation score, or `loss`, that it watches.
        mode: Whether a gain is a larger (`max`) or a smaller (`min`) value.
        factor: What the rate is multiplied by, before the first restart.
        patience: Validations without a gain that are borne.
        min_lr: Smallest rate, above 0; the next plateau after it restarts.
        factor_step: How much each restart adds to the factor.
        max_factor: Largest factor.

    Raises:
        InputError: A setting is impossible.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        monitor: str = "loss",
        mode: Literal["max", "min"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        min_lr: float = 1e-6,
        factor_step: float = 0.1,
        max_factor: float = 0.9,
    ) -> None:
        if min_lr <= 0:
            raise InputError(f"min_lr must be positive, not {min_lr}", "PlateauRestarts.min_lr", "or never restart")
        if factor_step < 0 or not factor <= max_factor < 1:
            what = f"factors of {factor} to {max_factor} in steps of {factor_step}"
            raise InputError(what, "PlateauRestarts.factor_step, PlateauRestarts.max_factor")
        self.factor_step, self.max_factor, self.restarts = factor_step, max_factor, 0
        super().__init__(optimizer, monitor, mode, factor, patience, min_lr)

    def change(self) -> None:
        """The lower rate, or the first one again."""
        # A rate that was multiplied down to the smallest one may be a last digit above it.
        if max(self.rates) <= self.min_lr * (1 + 1e-9):
            self.restarts += 1
            self.rates = [float(rate) for rate in self.base_lrs]
            self.factor = min(self.factor + self.factor_step, self.max_factor)
        else:
            super().change()
        self.optimizer.state.clear()
