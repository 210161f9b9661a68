import threading
import time
from contextlib import closing

import pytest

from benchmark.data import parallel
from benchmark.data.parallel import in_order, usable_cores


@pytest.mark.parametrize("jobs", [None, 1, 4])
def test_results_come_in_the_order_of_the_items(jobs):
    def work(item):
        time.sleep(0.002 * (item % 3))
        return item**2

    assert list(in_order(work, range(40), jobs)) == [item**2 for item in range(40)]
    assert list(in_order(work, [], jobs)) == []


def test_work_stays_a_few_items_ahead_of_what_is_taken():
    begun = []
    with closing(in_order(begun.append, range(1000), jobs=2)) as results:
        for _ in range(10):
            next(results)
        time.sleep(0.05)
        assert len(begun) <= 10 + 2 * 2 + 1
    assert len(begun) < 20


def test_an_error_ends_the_work():
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        list(in_order(work, range(1000), jobs=2))
    assert len(begun) < 20


def test_work_is_done_by_several_threads():
    both = threading.Barrier(2, timeout=5)
    assert sorted(in_order(lambda _: both.wait(), range(2), jobs=2)) == [0, 1]
    assert usable_cores() >= 1


@pytest.mark.parametrize(("said", "cores"), [("max 100000", 8), ("350000 100000", 3), ("50000 100000", 1), (None, 8)])
def test_a_container_may_use_its_share_of_the_cores(tmp_path, monkeypatch, said, cores):
    share = tmp_path / "cpu.max"
    if said is not None:
        share.write_text(f"{said}\n")
    monkeypatch.setattr(parallel, "CPU_SHARE", share)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert usable_cores() == cores
