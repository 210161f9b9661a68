import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.metrics.clips import ClipPredictions

pytestmark = pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")

CLIPS, CLASSES = 11, 3


def windows_of_all_clips():
    """Clip `c` has `c % 3 + 1` windows; clip indices are not contiguous."""
    rng = np.random.default_rng(7)
    rows = [(5 * clip, window) for clip in range(CLIPS) for window in range(clip % 3 + 1)]
    targets = {5 * clip: rng.integers(0, 2, CLASSES) for clip in range(CLIPS)}
    clip, window = torch.tensor(rows).T
    probability = torch.from_numpy(rng.random((len(rows), CLASSES), dtype=np.float32))
    target = torch.tensor(np.array([targets[int(index)] for index in clip])).float()
    return clip, window, probability, target


def fill(metric, parts, order, batch):
    for rows in torch.as_tensor(order, dtype=torch.long).split(batch):
        if len(rows):
            metric.update(*(part[rows] for part in parts))
    return metric


def shares():
    """Rows of two processes, as a distributed sampler deals them: uneven, shuffled, the first rows repeated."""
    rows = torch.randperm(len(windows_of_all_clips()[0]), generator=torch.Generator().manual_seed(3)).tolist()
    return [rows[:15], rows[15:] + rows[:4]]


def test_windows_are_averaged_and_clips_sorted():
    parts = windows_of_all_clips()
    table = fill(ClipPredictions(), parts, range(len(parts[0])), 4).compute()
    np.testing.assert_array_equal(table.clip, 5 * np.arange(CLIPS))
    clip, _, probability, target = (part.numpy() for part in parts)
    for row, index in enumerate(table.clip):
        np.testing.assert_allclose(table.probability[row], probability[clip == index].mean(0), rtol=1e-6)
        np.testing.assert_array_equal(table.target[row], target[clip == index][0])
    assert [array.dtype for array in table[:3]] == [np.int64, np.float64, np.float32]


def test_order_batch_size_and_repetitions_do_not_matter():
    parts = windows_of_all_clips()
    rows = list(range(len(parts[0])))
    expected = fill(ClipPredictions(), parts, rows, 32).compute()
    for order, batch in ((rows[::-1], 1), (shares()[0] + shares()[1], 5), (rows + rows, 3)):
        for one, other in zip(fill(ClipPredictions(), parts, order, batch).compute()[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(one, other)


def test_average_is_float64():
    metric = ClipPredictions()
    metric.update(torch.zeros(3), torch.arange(3), torch.tensor([[1.0], [1e-9], [1e-9]]), torch.ones(3, 1))
    assert metric.compute().probability[0, 0] == pytest.approx((1 + 2e-9) / 3, rel=1e-14)


def test_empty_and_reset():
    metric = ClipPredictions()
    assert [len(array) for array in metric.compute()[:3]] == [0, 0, 0]
    fill(metric, windows_of_all_clips(), range(6), 2)
    assert len(metric.compute().clip) == 3
    metric.reset()
    assert [len(array) for array in metric.compute()[:3]] == [0, 0, 0]


def test_half_precision_is_accepted():
    metric = ClipPredictions()
    metric.update(torch.tensor([4]), torch.tensor([0]), torch.tensor([[0.25]]).bfloat16(), torch.tensor([[1]]))
    assert metric.compute().probability.tolist() == [[0.25]]


def test_bad_input():
    metric = ClipPredictions()
    index = torch.arange(2)
    with pytest.raises(ValueError, match=r"expected .* got \(2,\), \(2,\), \(2,\), \(2,\)"):
        metric.update(index, index, torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="expected"):
        metric.update(index, torch.arange(3), torch.zeros(2, 1), torch.zeros(2, 1))
    metric.update(torch.tensor([8, 8]), index, torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]))
    with pytest.raises(ValueError, match="clip 8 carry different targets"):
        metric.compute()


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    """The tables that two gloo processes end up with: this one and another, whose program is this file."""
    folder = tmp_path_factory.mktemp("gloo")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, __file__, str(folder)], env=env) as other:
        gather(0, folder)
    assert other.returncode == 0
    return [np.load(folder / f"{rank}.npz") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["both", "idle"])
def test_two_processes_equal_one(gathered, case):
    parts = windows_of_all_clips()
    expected = fill(ClipPredictions(), parts, range(len(parts[0])) if case == "both" else shares()[0], 4).compute()
    for tables in gathered:
        for name, array in expected._asdict().items():
            np.testing.assert_array_equal(tables[f"{case}_{name}"], array)


def test_two_processes_without_a_clip(gathered):
    assert all(len(tables["empty_clip"]) == 0 for tables in gathered)


def gather(rank: int, folder: Path) -> None:
    """Compute under a group of two: with clips on both processes, on the first only, on none."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        save_tables(rank, folder)
    finally:
        torch.distributed.destroy_process_group()


def save_tables(rank: int, folder: Path) -> None:
    parts = windows_of_all_clips()
    both = fill(ClipPredictions(), parts, shares()[rank], 4)
    idle = fill(ClipPredictions(), parts, shares()[0] if rank == 0 else [], 4)
    tables = {"both": both.compute(), "idle": idle.compute(), "empty": ClipPredictions().compute()}
    arrays = {f"{case}_{name}": array for case, table in tables.items() for name, array in table._asdict().items()}
    np.savez(folder / f"{rank}.npz", **arrays)
    assert sum(map(len, both.clip)) == len(shares()[rank])


if __name__ == "__main__":
    gather(1, Path(sys.argv[1]))


def test_a_clip_is_the_geometric_mean_of_its_windows():
    metric = ClipPredictions("geometric")
    probability = torch.tensor([[0.9, 0.1], [0.4, 0.1], [0.5, 0.5]])
    metric.update(torch.tensor([3, 3, 5]), torch.tensor([0, 1, 0]), probability, torch.zeros(3, 2))
    np.testing.assert_allclose(metric.compute().probability, [[0.6, 0.1], [0.5, 0.5]], atol=1e-6)
    np.testing.assert_allclose(metric.of_windows(np.array([[0.2, 0.8], [0.8, 0.2]])), [0.4, 0.4], atol=1e-6)
