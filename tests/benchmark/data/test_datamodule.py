from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from helpers import mini_data

from benchmark.data.datamodule import (
    ClipDataModule,
    Example,
    Inventory,
    Labels,
)
from benchmark.data.settings import DataSettings
from benchmark.data.windows import window_starts
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipPredictions
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
    assert window_starts(length, window, hop, 0.1).tolist() == starts


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


def test_impossible_settings_are_named():
    with pytest.raises(InputError, match="clip_seconds must be positive"):
        DataSettings(sample_rate=8000, clip_seconds=-1, batch_size=4)
    with pytest.raises(InputError, match="valid_fraction"):
        DataSettings(sample_rate=8000, clip_seconds=1, batch_size=4, valid_fraction=1.0)


class Tiny(ClipDataModule):
    """Clips that the test has written; the first two thirds are for training."""

    @classmethod
    def take_stock(cls, root, on_error, protocol):
        raise NotImplementedError

    def split(self, examples):
        test = np.array([example.group == "test" for example in examples])
        return np.flatnonzero(~test), np.flatnonzero(test)

    def write_submission(self, path, table, examples, decisions):
        raise NotImplementedError


RATE = 1000
ONE_HOT = np.eye(3)


def tiny(folder, lengths, labels, channels=2, tested=1, kind=Tiny, **settings):
    """A data module of noise clips of so many samples; the last `tested` are the test part."""
    examples = []
    for index, (length, label) in enumerate(zip(lengths, labels, strict=True)):
        path = folder / f"{index}.wav"
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, (length, channels))
        soundfile.write(path, noise, RATE, subtype="PCM_16")
        group = "test" if index >= len(lengths) - tested else "train"
        examples.append(Example(str(index), path, tuple(label), group))
    chosen = {"sample_rate": RATE, "clip_seconds": 0.1, "batch_size": 4} | settings
    data = kind(Inventory(examples, [], ""), folder / "store", DataSettings(**chosen), "p", "1", 0)
    data.trainer = SimpleNamespace(global_step=0, global_rank=0, world_size=1)
    data.prepare_data()
    return data


def loudness(batch):
    """A made-up probability: the mean magnitude of each window `(batch, 1)`."""
    signal = batch["waveform"].float() * batch["gain"][:, None, None]
    return (signal.abs().sum((1, 2)) / batch["length"])[:, None]


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 3, 32])
def test_each_channel_is_a_window_of_its_own_and_a_clip_their_mean(tmp_path, channels, size):
    lengths = [100, 250, 60, 320]
    options = {"mono": False, "each_channel": True, "eval_batch_size": size}
    data = tiny(tmp_path, lengths, ONE_HOT[[0, 1, 2, 0]], channels, tested=2, **options)
    data.setup()
    predictions, windows = ClipPredictions(), []
    for loader in (data.in_order(data.train), data.test_dataloader()):
        for batch in loader:
            assert batch["waveform"].shape[1:] == (1, 100)
            windows += zip(*(batch[name].tolist() for name in ("clip", "window", "start")), strict=True)
            predictions.update(batch["clip"], batch["window"], loudness(batch), batch["target"][:, :1])
    # A window a channel; the last window of a clip ends with it.
    starts = [[0], [0, 100, 150], [0], [0, 100, 200, 220]]
    expected = [(clip, start) for clip, places in enumerate(starts) for start in places for _ in range(channels)]
    assert [(clip, start) for clip, _, start in windows] == expected
    for clip, places in enumerate(starts):
        assert [w for c, w, _ in windows if c == clip] == list(range(len(places) * channels))
    table = predictions.compute()
    for clip, places in enumerate(starts):
        signal, _ = soundfile.read(tmp_path / f"{clip}.wav", always_2d=True)
        means = [np.abs(signal[start : start + 100, c]).mean() for start in places for c in range(channels)]
        assert table.probability[clip, 0] == pytest.approx(np.mean(means), rel=1e-3)


def test_channels_are_averaged_or_taken_each_by_itself(tmp_path):
    data = tiny(tmp_path, [100, 100, 250], ONE_HOT[[0, 1, 2]], 3)
    data.setup()
    (batch,) = data.test_dataloader()
    assert batch["window"].tolist() == [0, 1, 2]
    signal, _ = soundfile.read(tmp_path / "2.wav")
    found = batch["waveform"].float() * batch["gain"][:, None, None]
    np.testing.assert_allclose(found[0, 0], signal[:100].mean(1), atol=1e-4)
    for both in (True, False):
        with pytest.raises(InputError, match=r"channels(.|\n)*data\.each_channel"):
            DataSettings(sample_rate=8000, clip_seconds=1, batch_size=4, mono=both, each_channel=both)


class Stereo(Tiny):
    channels = 2


class OneRate(Tiny):
    one_rate = True


def test_the_official_number_of_channels_is_checked_and_the_file_named(tmp_path):
    tiny(tmp_path, [100, 100], ONE_HOT[[0, 1]], channels=2, kind=Stereo).setup()
    with pytest.raises(InputError, match=r"3 channels instead of 2\n.*0\.wav"):
        tiny(tmp_path, [100, 100], ONE_HOT[[0, 1]], channels=3, kind=Stereo)


def test_a_clip_of_another_format_is_left_out_of_every_part(tmp_path):
    data = tiny(tmp_path, [100] * 4, ONE_HOT[[0, 1, 2, 0]], 2, kind=Stereo, on_error="skip")
    soundfile.write(tmp_path / "1.wav", np.zeros(100), RATE)
    data.prepare_data()
    data.setup()
    assert [example.clip_id for example in data.examples] == ["0", "2", "3"]
    assert data.train.clip.tolist() == [0, 1] and data.test.clip.tolist() == [2]
    assert list(data.skipped) == ["1"] and "1 channels instead of 2" in data.skipped["1"]


def test_the_one_official_rate_is_checked_and_both_files_named(tmp_path):
    data = tiny(tmp_path, [100] * 3, ONE_HOT[[0, 1, 2]], kind=OneRate)
    soundfile.write(tmp_path / "1.wav", np.zeros((100, 2)), 2 * RATE)
    with pytest.raises(InputError, match="mixed sample rates: 0 has 1000 Hz, 1 has 2000 Hz"):
        data.prepare_data()


def test_undersampling_draws_as_many_clips_of_each_class(tmp_path):
    labels = ONE_HOT[[0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 0]]
    data = tiny(tmp_path, [100] * 11, labels, undersample=True, batch_size=6)
    data.setup()
    seen = set()
    for _, batch in zip(range(40), data.train_dataloader(), strict=False):
        assert batch["target"].sum(0).tolist() == [2, 2, 2]  # a pass is one batch: the rarest class has two clips
        seen |= set(batch["clip"].tolist())
    assert seen == set(range(10))
    assert len(data.train) == 10  # statistics are of all clips


@pytest.mark.parametrize("labels", [[[0], [1], [1]], [[1, 1], [0, 1], [1, 0]], [[0, 0], [0, 1], [1, 0]]])
def test_undersampling_where_a_clip_has_not_one_class_is_refused(tmp_path, labels):
    data = tiny(tmp_path, [100] * 3, labels, undersample=True)
    data.setup()
    with pytest.raises(InputError, match=r"exactly one class(.|\n)*data\.undersample"):
        data.train_dataloader()


def test_labels_of_a_stage_replace_the_split_and_the_targets(tmp_path):
    data = tiny(tmp_path, [100] * 4, ONE_HOT[[0, 1, 2, 0]], valid_fraction=0.0)
    targets = torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    data.labels = Labels(np.array([0, 2]), np.array([1]), targets, torch.ones(len(targets)))
    data.setup()
    assert (data.train.clip.tolist(), data.valid.clip.tolist(), data.test.clip.tolist()) == ([0, 2], [1], [3])
    (batch,) = data.in_order(data.train)
    assert batch["target"].tolist() == targets[[0, 2]].tolist()


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_a_part_without_clips_is_named(tmp_path, fraction):
    for tested, part in ((3, "training"), (0, "test")):
        data = tiny(tmp_path, [100] * 3, ONE_HOT[[0, 0, 0]], tested=tested, valid_fraction=fraction)
        with pytest.raises(InputError, match=f"the {part} part of p, fold 1 has no clips"):
            data.setup()


def test_a_fraction_that_holds_nothing_out_is_named(tmp_path):
    data = tiny(tmp_path, [100] * 4, ONE_HOT[[0, 1, 2, 0]], valid_fraction=0.2)
    with pytest.raises(InputError, match="validation part has no clips"):
        data.setup()


@pytest.mark.parametrize("name", ["clip_seconds", "hop_seconds"])
def test_windows_of_less_than_a_sample_are_named(name):
    with pytest.raises(InputError, match=f"{name} of 1e-05 is less than a sample"):
        DataSettings(**({"sample_rate": 8000, "clip_seconds": 1, "batch_size": 4} | {name: 1e-5}))
