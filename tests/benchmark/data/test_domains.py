"""Batches with a fixed number of clips of each domain."""

from collections import Counter
from types import SimpleNamespace

import pytest
from helpers import mini_data

from benchmark.data.domains import DomainBatches
from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.registry import get_task

DOMAINS = ["b", *"aaaaaaaaaaaaaaaaaaaa", "b", "c", "c", "c", "b", "d"]
SIZES = {"a": 10, "b": 3, "c": 3}


def take(batches, n):
    iterator = iter(batches)
    return [next(iterator) for _ in range(n)]


def test_every_batch_has_the_clips_of_each_domain_in_this_order():
    for batch in take(DomainBatches(DOMAINS, SIZES, seed=0), 20):
        assert [DOMAINS[item] for item in batch] == ["a"] * 10 + ["b"] * 3 + ["c"] * 3


def test_a_small_domain_goes_round_while_a_large_one_passes_once():
    batches = take(DomainBatches(DOMAINS, SIZES, seed=0), 2)
    counts = Counter(item for batch in batches for item in batch)
    assert {DOMAINS[item]: count for item, count in counts.items()} == {"a": 1, "b": 2, "c": 2}
    assert len(counts) == 20 + 3 + 3


def test_a_domain_that_is_not_named_never_comes():
    items = {item for batch in take(DomainBatches(DOMAINS, {"a": 4}, seed=0), 10) for item in batch}
    assert items == set(range(1, 21))


def test_passes_are_reshuffled_and_those_of_two_domains_differ():
    domains = ["a"] * 12 + ["b"] * 12
    first, second = take(DomainBatches(domains, {"a": 12, "b": 12}, seed=0), 2)
    assert first[:12] != second[:12]
    assert first[:12] != [item - 12 for item in first[12:]]


def test_a_resumed_stream_continues_with_the_next_batch():
    whole = take(DomainBatches(DOMAINS, SIZES, seed=4), 12)
    assert take(DomainBatches(DOMAINS, SIZES, seed=4, position=lambda: 7), 5) == whole[7:]
    assert take(DomainBatches(DOMAINS, SIZES, seed=5), 12) != whole


def test_ranks_share_the_clips_of_each_domain():
    sizes = {"a": 4, "b": 2}
    whole = DomainBatches(DOMAINS, sizes, seed=0).batch(3)
    shares = [DomainBatches(DOMAINS, sizes, seed=0, rank=rank, world=2).batch(3) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(whole)
    assert [Counter(DOMAINS[item] for item in share) for share in shares] == [Counter(a=2, b=1)] * 2


def test_impossible_batches_are_refused():
    with pytest.raises(InputError, match="no training clip is of 'e'"):
        DomainBatches(DOMAINS, {"e": 3}, seed=0)
    with pytest.raises(InputError, match="0 clips of 'a'"):
        DomainBatches(DOMAINS, {"a": 0}, seed=0)
    with pytest.raises(InputError, match="a batch of no domain"):
        DomainBatches(DOMAINS, {}, seed=0)
    with pytest.raises(InputError, match="cannot be shared by 2 devices"):
        DomainBatches(DOMAINS, SIZES, seed=0, world=2)


def test_training_batches_are_of_the_named_domains_and_statistics_of_all():
    settings = {"sample_rate": 8000, "clip_seconds": 1, "batch_size": 5, "domains": {"warblrb10k": 4, "ff1010bird": 1}}
    data = mini_data(get_task("bad"), DataSettings(**settings), "random-3-fold", "1")
    data.trainer = SimpleNamespace(global_step=0, global_rank=0, world_size=1)
    data.prepare_data()
    data.setup()
    for _, batch in zip(range(20), data.train_dataloader(), strict=False):
        assert [data.examples[clip].group for clip in batch["clip"]] == ["warblrb10k"] * 4 + ["ff1010bird"]
    assert {data.examples[clip].group for clip in data.train.clip} == {"warblrb10k", "ff1010bird", "BirdVox-DCASE-20k"}
    assert sum(len(batch["clip"]) for batch in data.in_order(data.train)) == len(data.train)
