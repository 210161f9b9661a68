"""Training batches with a fixed number of clips of each domain, also a pure function of (seed, step)."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from torch.utils.data import Sampler

from benchmark.data.sampler import StreamBatches
from benchmark.errors import InputError
from benchmark.suggest import did_you_mean


class DomainBatches(Sampler[list[int]]):
    """Joins batches of the domains, each of which goes round by itself in an endless stream of reshuffled passes.

    A small domain is thereby repeated more often; nothing is dropped, and items of other domains never come. Source:
    card `task1-audasc-adversarial-da`, training (10 clips of device A, 3 of B and 3 of C).

    Args:
        domains: Domain of each item.
        sizes: Items of each domain in one batch, over all ranks.
        seed: Seed of the shuffles.
        position: Gives the step at which iteration starts.
        rank: This process.
        world: Number of processes, which share each batch.

    Raises:
        InputError: A domain has no items, or a batch cannot be shared equally.
    """

    def __init__(
        self,
        domains: Sequence[str],
        sizes: Mapping[str, int],
        seed: int,
        position: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        of_item = np.asarray(domains)
        present = sorted({*domains})
        self.position = position
        self.members, self.streams = [], []
        for place, (domain, size) in enumerate(sizes.items()):
            if domain not in present:
                raise InputError(f"no training clip is of {domain!r}", "data.domains", did_you_mean(domain, present))
            if size < 1:
                raise InputError(f"{size} clips of {domain!r} in a batch", "data.domains", "take 1 or more")
            self.members.append(np.flatnonzero(of_item == domain))
            own_seed = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
            self.streams.append(StreamBatches(len(self.members[-1]), size, own_seed, rank=rank, world=world))
        if not self.streams:
            raise InputError("a batch of no domain", "data.domains", "name at least one")

    def __iter__(self) -> Iterator[list[int]]:
        """Endless batches from the present position on."""
        for step in itertools.count(self.position()):
            yield self.batch(step)

    def batch(self, step: int) -> list[int]:
        """This rank's items of batch `step`, domain by domain."""
        return [
            int(members[place])
            for members, stream in zip(self.members, self.streams, strict=True)
            for place in stream.batch(step)
        ]
