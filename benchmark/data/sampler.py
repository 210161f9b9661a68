"""Training batches as a pure function of (seed, step): what makes runs repeatable and resumable."""

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler

from benchmark.errors import InputError


class StreamBatches(Sampler[list[int]]):
    """Cuts an endless stream of reshuffled passes over the data into batches of one size.

    Batch `step` holds the places `step * batch_size …` of the stream, so nothing is dropped, a batch larger than
    the split wraps round into a fresh shuffle, and a resumed run continues with the very batch that was next.

    Args:
        n: Number of items.
        batch_size: Items of one step, over all ranks.
        seed: Seed of the shuffles.
        position: Gives the step at which iteration starts.
        rank: This process.
        world: Number of processes, which share each batch.

    Raises:
        InputError: There are no items, or the batch cannot be shared equally.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, position: Callable[[], int] = lambda: 0, rank: int = 0, world: int = 1
    ) -> None:
        if n < 1:
            raise InputError("the training split is empty", remedy="check the data folder and the protocol")
        if batch_size % world:
            raise InputError(
                f"batch_size {batch_size} cannot be shared by {world} devices",
                "data.batch_size",
                f"use a multiple of {world}",
            )
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.position, self.rank, self.world = position, rank, world
        self._shuffle = lru_cache(maxsize=4)(self._draw)

    def __iter__(self) -> Iterator[list[int]]:
        """Endless batches from the present position on."""
        for step in itertools.count(self.position()):
            yield self.batch(step)

    def batch(self, step: int) -> list[int]:
        """This rank's items of batch `step`."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)[self.rank :: self.world]
        return [int(self._shuffle(place // self.n)[place % self.n]) for place in places.tolist()]

    def _draw(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.n)
