"""Training batches as a pure function of (seed, step): what makes runs repeatable and resumable."""

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from benchmark.errors import InputError

Indices = npt.NDArray[np.int64]


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
        classes: Class of each item; each pass then draws as many items of every class as the rarest one has.

    Raises:
        InputError: There are no items, or the batch cannot be shared equally.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int,
        position: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world: int = 1,
        classes: Indices | None = None,
    ) -> None:
        if n < 1:
            raise InputError("the training split is empty", remedy="check the data folder and the protocol")
        if batch_size % world:
            raise InputError(
                f"batch_size {batch_size} cannot be shared by {world} devices",
                "data.batch_size",
                f"use a multiple of {world}",
            )
        members = [np.arange(n)] if classes is None else [np.flatnonzero(classes == c) for c in np.unique(classes)]
        self.members, self.share = members, min(map(len, members))
        self.n, self.batch_size, self.seed = self.share * len(members), batch_size, seed
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

    def _draw(self, epoch: int) -> Indices:
        generator = np.random.default_rng([self.seed, epoch])
        if len(self.members) == 1:
            return generator.permutation(self.members[0])
        drawn = [generator.permutation(members)[: self.share] for members in self.members]
        return generator.permutation(np.concatenate(drawn))
