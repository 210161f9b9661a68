import numpy as np
import pytest
import torch
from helpers import mini_data

from benchmark.data.datamodule import DataSettings, Example, stratified_folds, window_starts
from benchmark.errors import InputError
from benchmark.registry import get_task

BAD = get_task("bad")


@pytest.mark.parametrize(
    ("length", "window", "hop", "starts"),
    [
        (10, 10, 10, [0]),
        (3, 10, 10, [0]),  # shorter than a window: padded
        (11, 10, 10, [0]),  # a rest of at most a tenth gets no window
        (15, 10, 10, [0, 5]),  # the last window ends with the clip
        (30, 10, 10, [0, 10, 20]),
        (25, 10, 5, [0, 5, 10, 15]),
    ],
)
def test_windows_cover_the_clip(length, window, hop, starts):
    assert window_starts(length, window, hop).tolist() == starts


def make(protocol="leave-one-dataset-out", fold="ff1010bird", **settings):
    defaults = {"sample_rate": 8000, "clip_seconds": 2, "batch_size": 8}
    data = mini_data(BAD, DataSettings(**(defaults | settings)), protocol, fold)
    data.prepare_data()
    data.setup()
    return data


def groups(data, windows):
    return {data.examples[clip].group for clip in windows.clip}


def test_a_fold_of_leave_one_dataset_out_tests_on_one_data_set_only():
    data = make()
    assert groups(data, data.test) == {"ff1010bird"}
    assert groups(data, data.train) == {"warblrb10k", "BirdVox-DCASE-20k"}
    assert len(set(data.test.clip) | set(data.train.clip)) == len(data.examples) == data.inventory.listed


def test_the_random_folds_are_disjoint_complete_and_stratified():
    tests = [set(make("random-3-fold", fold).test.clip.tolist()) for fold in "123"]
    assert sum(map(len, tests)) == len(set.union(*tests)) == len(make().examples)
    assert max(map(len, tests)) - min(map(len, tests)) <= 1


def test_validation_is_held_out_of_training():
    data = make(valid_fraction=0.25)
    train, valid, test = (set(part.clip.tolist()) for part in (data.train, data.valid, data.test))
    assert not train & valid and not valid & test and not train & test
    assert len(valid) == pytest.approx(0.25 * len(train | valid), abs=3)
    assert groups(data, data.valid) == {"warblrb10k", "BirdVox-DCASE-20k"}


def test_a_batch_holds_the_clips_samples_targets_and_lengths():
    data = make()
    batch = next(iter(data.test_dataloader()))
    assert batch["waveform"].dtype == torch.int16 and batch["waveform"].shape[1:] == (1, 16000)
    short = int(batch["length"].argmin())
    assert not batch["waveform"][short, :, int(batch["length"][short]) :].any()
    for clip, target in zip(batch["clip"], batch["target"], strict=True):
        assert tuple(target.tolist()) == data.examples[clip].target


def test_folds_spread_each_stratum_evenly():
    examples = [Example(str(i), None, (float(i % 5 == 0),), "ab"[i % 2]) for i in range(100)]
    folds = stratified_folds(examples, 3, seed=0)
    for target in (0.0, 1.0):
        for group in "ab":
            members = [folds[i] for i, e in enumerate(examples) if e.target == (target,) and e.group == group]
            counts = np.bincount(members, minlength=3)
            assert counts.max() - counts.min() <= 1


def test_impossible_settings_are_named():
    with pytest.raises(InputError, match="clip_seconds must be positive"):
        DataSettings(sample_rate=8000, clip_seconds=-1, batch_size=4)
    with pytest.raises(InputError, match="valid_fraction"):
        DataSettings(sample_rate=8000, clip_seconds=1, batch_size=4, valid_fraction=1.0)
