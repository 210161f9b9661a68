from collections import Counter

import pytest

from benchmark.data.sampler import StreamBatches
from benchmark.errors import InputError


def take(batches, n):
    iterator = iter(batches)
    return [next(iterator) for _ in range(n)]


def test_every_pass_holds_every_item_once_and_is_reshuffled():
    stream = [i for batch in take(StreamBatches(10, 4, seed=1), 5) for i in batch]
    assert sorted(stream[:10]) == sorted(stream[10:20]) == list(range(10))
    assert stream[:10] != stream[10:20]


def test_a_batch_larger_than_the_split_wraps_round():
    (batch,) = take(StreamBatches(5, 12, seed=0), 1)
    assert len(batch) == 12
    assert set(Counter(batch[:10]).values()) == {2}


def test_a_resumed_stream_continues_with_the_next_batch():
    assert take(StreamBatches(10, 3, seed=4, position=lambda: 7), 5) == take(StreamBatches(10, 3, seed=4), 12)[7:]


def test_seeds_differ():
    assert take(StreamBatches(50, 50, seed=0), 1) != take(StreamBatches(50, 50, seed=1), 1)


def test_ranks_share_the_global_batch():
    whole = StreamBatches(10, 4, seed=0).batch(3)
    shares = [StreamBatches(10, 4, seed=0, rank=rank, world=2).batch(3) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(whole)


def test_impossible_batches_are_refused():
    with pytest.raises(InputError, match="cannot be shared by 3 devices"):
        StreamBatches(10, 4, seed=0, world=3)
    with pytest.raises(InputError, match="training split is empty"):
        StreamBatches(0, 4, seed=0)
