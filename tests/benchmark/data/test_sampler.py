from collections import Counter

import numpy as np
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


CLASSES = np.repeat([7, 2, 5], [10, 3, 6])  # class 2 is the rarest, with 3 items


def passes(batches, n):
    """The first `n` passes of a stream, each of 3 x 3 items."""
    stream = [item for batch in take(batches, -(-9 * n // batches.batch_size)) for item in batch]
    return [stream[9 * place : 9 * (place + 1)] for place in range(n)]


@pytest.mark.parametrize("size", [1, 4, 9, 32])
def test_an_undersampled_pass_holds_the_rarest_classs_number_of_each(size):
    for items in passes(StreamBatches(19, size, seed=1, classes=CLASSES), 12):
        assert len(set(items)) == 9
        assert Counter(CLASSES[items].tolist()) == {7: 3, 2: 3, 5: 3}
        assert set(items) >= {10, 11, 12}


def test_undersampled_passes_are_drawn_anew_and_shuffled():
    drawn = passes(StreamBatches(19, 4, seed=1, classes=CLASSES), 20)
    assert len({tuple(sorted(items)) for items in drawn}) > 10
    assert any(CLASSES[items].tolist() != sorted(CLASSES[items].tolist()) for items in drawn)
    assert len({CLASSES[items].tobytes() for items in drawn}) > 10


def test_undersampling_uses_every_item_in_the_end():
    # A clip of the ten is not drawn in 60 passes with probability 0.7 ** 60, below 1e-9.
    drawn = passes(StreamBatches(19, 5, seed=3, classes=CLASSES), 60)
    assert {item for items in drawn for item in items} == set(range(19))
    counts = Counter(item for items in drawn for item in items)
    # 60 draws with probability 3/10: mean 18, standard deviation 3.5.
    assert all(2 <= counts[item] <= 34 for item in range(10))
    assert all(counts[item] == 60 for item in range(10, 13))


def test_undersampling_is_a_function_of_seed_and_step():
    whole = take(StreamBatches(19, 4, seed=5, classes=CLASSES), 30)
    assert whole == take(StreamBatches(19, 4, seed=5, classes=CLASSES), 30)
    assert whole[17:] == take(StreamBatches(19, 4, seed=5, position=lambda: 17, classes=CLASSES), 13)
    assert [StreamBatches(19, 4, seed=5, classes=CLASSES).batch(step) for step in (29, 3)] == [whole[29], whole[3]]
    assert whole != take(StreamBatches(19, 4, seed=6, classes=CLASSES), 30)


def test_ranks_share_undersampled_batches():
    whole = StreamBatches(19, 6, seed=0, classes=CLASSES).batch(4)
    shares = [StreamBatches(19, 6, seed=0, rank=rank, world=3, classes=CLASSES).batch(4) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == sorted(whole)


def test_equal_classes_and_a_single_class_lose_nothing():
    for classes in (np.arange(8) % 2, np.zeros(8, dtype=int)):
        stream = take(StreamBatches(8, 8, seed=0, classes=classes), 2)
        assert sorted(stream[0]) == sorted(stream[1]) == list(range(8))
