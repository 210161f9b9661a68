"""Frames of overlapping windows against plain loops, in any order, batch and number of processes."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.metrics.frames import FramePredictions, join_windows

pytestmark = pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")

CLIPS, CLASSES, FRAMES = 7, 3, 8


def windows_of_all_clips():
    """Clip `3 c` has `c % 3 + 1` windows of 8 frames, 5 frames apart; the last one is padded in some clips."""
    rng = np.random.default_rng(5)
    rows = [
        (3 * clip, window, 5 * window, FRAMES if window < clip % 3 else 1 + clip)
        for clip in range(CLIPS)
        for window in range(clip % 3 + 1)
    ]
    clip, window, first, valid = torch.tensor(rows).T
    frames = torch.from_numpy(rng.random((len(rows), FRAMES, CLASSES), dtype=np.float32))
    return clip, window, frames.mean(1), (clip[:, None] % 2).expand(-1, CLASSES).float(), first, valid, frames


def fill(parts, order, batch):
    metric = FramePredictions()
    for rows in torch.as_tensor(order, dtype=torch.long).split(batch):
        if len(rows):
            metric.update(*(part[rows] for part in parts[:4]))
            metric.update_frames(*(part[rows] for part in parts[4:]))
    return metric


def by_hand(parts, wanted):
    """The frames of one clip, frame by frame."""
    clip, _, _, _, first, valid, frames = (part.numpy() for part in parts)
    rows = np.flatnonzero(clip == wanted)
    result = []
    for frame in range(max(first[row] + valid[row] for row in rows)):
        seen = [frames[row, frame - first[row]] for row in rows if first[row] <= frame < first[row] + valid[row]]
        result.append(np.mean(seen, axis=0))
    return np.array(result)


def shares():
    rows = torch.randperm(len(windows_of_all_clips()[0]), generator=torch.Generator().manual_seed(3)).tolist()
    return [rows[:9], rows[9:] + rows[:4]]


def assert_same(one, other):
    for name in ("clip", "probability", "target"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert len(one.frames) == len(other.frames) == len(one.clip)
    for part, expected in zip(one.frames, other.frames, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_where_windows_overlap_their_mean_is_taken():
    frames = np.array([[[1.0], [2], [3], [4]], [[10], [20], [30], [40]]])
    joined = join_windows(np.array([0, 2]), np.array([4, 4]), frames)
    assert joined[:, 0].tolist() == [1, 2, (3 + 10) / 2, (4 + 20) / 2, 30, 40]
    assert joined.dtype == np.float32


def test_padding_counts_nowhere():
    frames = np.array([[[1.0], [2], [99], [99]], [[10], [99], [99], [99]]])
    assert join_windows(np.array([0, 1]), np.array([2, 1]), frames)[:, 0].tolist() == [1, 6]
    assert join_windows(np.array([0]), np.array([3]), frames[:1])[:, 0].tolist() == [1, 2, 99]


def test_each_clip_has_its_frames_in_the_order_of_the_table():
    parts = windows_of_all_clips()
    table = fill(parts, range(len(parts[0])), 4).compute()
    assert table.clip.tolist() == [3 * clip for clip in range(CLIPS)]
    for clip, frames in zip(table.clip, table.frames, strict=True):
        np.testing.assert_allclose(frames, by_hand(parts, clip), rtol=1e-6)
    # Clip 1: its second window has two frames, from frame 5 on, and ends before the first one does.
    assert [len(frames) for frames in table.frames] == [1, 8, 13, 4, 10, 16, 7]


@pytest.mark.parametrize("batch", [1, 3, 5, 32])
@pytest.mark.parametrize("order", ["forward", "backward", "dealt out with repetitions", "twice"])
def test_order_batch_size_and_repetitions_do_not_matter(order, batch):
    parts = windows_of_all_clips()
    rows = list(range(len(parts[0])))
    orders = {"forward": rows, "backward": rows[::-1], "twice": rows + rows}
    expected = fill(parts, rows, 4).compute()
    assert_same(fill(parts, orders.get(order, shares()[0] + shares()[1]), batch).compute(), expected)


def test_a_window_a_channel_is_averaged_like_an_overlap():
    metric = FramePredictions()
    index = torch.zeros(2, dtype=torch.long)
    metric.update(index, torch.arange(2), torch.rand(2, 1), torch.ones(2, 1))
    metric.update_frames(index, torch.tensor([3, 3]), torch.tensor([[[1.0], [0], [0.5], [9]], [[0], [0], [0.25], [9]]]))
    assert metric.compute().frames[0].tolist() == [[0.5], [0], [0.375]]


def test_nothing_reset_and_clips_without_frames():
    metric = FramePredictions()
    assert len(metric.compute().clip) == len(metric.compute().frames) == 0
    parts = windows_of_all_clips()
    metric.update(*(part[:2] for part in parts[:4]))
    assert len(metric.compute().clip) == 2 and len(metric.compute().frames) == 0
    metric = fill(parts, range(6), 2)
    metric.reset()
    assert len(metric.compute().frames) == 0


def test_half_precision_is_accepted():
    metric = FramePredictions()
    index = torch.zeros(1, dtype=torch.long)
    metric.update(index, index, torch.ones(1, 1), torch.ones(1, 1))
    metric.update_frames(index, torch.tensor([2]), torch.tensor([[[0.25], [0.5]]]).bfloat16())
    assert metric.compute().frames[0].tolist() == [[0.25], [0.5]]


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    """With clips on both, on the first only, and on none; the other process runs this file."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=env) as other:
        gather(0, tmp_path)
    assert other.returncode == 0
    parts = windows_of_all_clips()
    for rank in range(2):
        found = np.load(tmp_path / f"{rank}.npz")
        for case, rows in (("both", range(len(parts[0]))), ("idle", shares()[0]), ("empty", [])):
            expected = fill(parts, rows, 4).compute()
            np.testing.assert_array_equal(found[f"{case}_clip"], expected.clip)
            assert found[f"{case}_counts"].tolist() == [len(frames) for frames in expected.frames]
            joined = np.concatenate(expected.frames) if expected.frames else np.zeros((0, CLASSES))
            np.testing.assert_array_equal(found[f"{case}_frames"], joined)


def gather(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        parts, arrays = windows_of_all_clips(), {}
        for case, rows in (("both", shares()[rank]), ("idle", shares()[0] if rank == 0 else []), ("empty", [])):
            table = fill(parts, rows, 4).compute()
            arrays[f"{case}_clip"] = table.clip
            arrays[f"{case}_counts"] = np.array([len(frames) for frames in table.frames], dtype=int)
            arrays[f"{case}_frames"] = np.concatenate(table.frames) if table.frames else np.zeros((0, CLASSES))
        np.savez(folder / f"{rank}.npz", **arrays)
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    gather(1, Path(sys.argv[1]))
