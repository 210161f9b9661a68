"""Thresholds against brute force, and the labels that a stage gets of the one before."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from benchmark.data.datamodule import Example, Labels
from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipPredictions, ClipTable
from benchmark.training.labels import Predict, PseudoTags, best_thresholds

TENTHS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def brute_force(target, probability, thresholds):
    chosen = []
    for k in range(target.shape[1]):
        scores = [f1_score(target[:, k], probability[:, k] >= t, zero_division=0) for t in thresholds]
        chosen.append(thresholds[int(np.argmax(np.round(scores, 12)))])
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, (40, 6))
    probability = np.clip(0.3 * target + 0.7 * rng.random((40, 6)), 0, 1).round(1 + seed % 3)
    assert best_thresholds(target, probability, TENTHS).tolist() == brute_force(target, probability, TENTHS)


def test_the_first_of_equals_and_classes_without_a_clip():
    target = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]])
    probability = np.array([[0.95, 0.1, 0.35], [0.12, 0.2, 0.35], [0.95, 0.3, 0.35]])
    # Class 0 is right from 0.2 to 0.9, class 1 never, class 2 up to 0.3: the smallest each time.
    assert best_thresholds(target, probability, TENTHS).tolist() == [0.2, 0.0, 0.0]
    assert best_thresholds(target, probability, (0.9, 0.5))[0] == 0.9


def test_an_unknown_target_is_not_present():
    target = np.array([[1.0], [np.nan], [1.0]])
    assert best_thresholds(target, np.array([[0.9], [0.4], [0.8]]), TENTHS) == [0.5]


GROUPS = ["weak", "pool", "weak", "pool", "test", "weak", "pool"]
PROBABILITY = np.array([[0.9, 0.2], [0.9, 0.55], [0.4, 0.6], [0.3, 0.1], [0.5, 0.5], [0.6, 0.8], [0.61, 0.6]])
TARGET = np.array([[1, 0], [np.nan, np.nan], [0, 1], [np.nan, np.nan], [1, 1], [1, 1], [np.nan, np.nan]])


class Windows:
    """Windows of clips in batches: clip `c` has `c + 1` windows."""

    def __init__(self, clips, targets):
        clips = np.asarray(clips, dtype=int)
        self.clip = np.repeat(clips, clips + 1)
        self.window = np.concatenate([np.arange(0), *(np.arange(clip + 1) for clip in clips)])
        self.targets = targets

    def __len__(self):
        return len(self.clip)

    def __getitems__(self, indices):
        clip = torch.from_numpy(self.clip[indices])
        return {"clip": clip, "window": torch.from_numpy(self.window[indices]), "target": self.targets[clip]}


def data(valid=(0, 2), groups=GROUPS):
    examples = [Example(str(i), None, tuple(t), g) for i, (t, g) in enumerate(zip(TARGET, groups, strict=True))]
    return SimpleNamespace(
        examples=examples,
        # Clips come in any order and more than once.
        valid=Windows([*valid, *valid][::-1], None),
        given=Labels(np.arange(0), np.arange(0), torch.tensor(TARGET, dtype=torch.float32), torch.ones(len(TARGET))),
    )


def before(there):
    return SimpleNamespace(data=there, predict=predict)


def predict(clips):
    assert np.all(np.diff(clips) > 0)
    return ClipTable(clips, PROBABILITY[clips], TARGET[clips].astype(np.float32))


def test_tags_come_from_the_thresholds_of_the_validation_part():
    labels = PseudoTags("pool", "weak").relabel(before(data()))
    assert labels.train.tolist() == [1, 3, 6]
    assert labels.valid.tolist() == [0, 2, 5]
    # Clips 0 and 2 validate: class 0 needs more than 0.4, so 0.5; class 1 more than 0.2, so 0.3.
    assert labels.targets[[1, 3, 6]].tolist() == [[1, 1], [0, 0], [1, 1]]
    assert labels.targets[[0, 2, 4, 5]].tolist() == TARGET[[0, 2, 4, 5]].tolist()
    assert labels.targets.dtype == torch.float32


def test_own_thresholds_in_any_order():
    """The smallest of equals, as documented: of 0.5 to 0.9 all are right for class 0."""
    labels = PseudoTags("pool", "weak", thresholds=(0.9, 0.5, 0.6)).relabel(before(data()))
    assert labels.targets[6].tolist() == [1, 1]


def test_what_cannot_be_relabelled_is_named():
    for source, there, message in (
        (PseudoTags("pol", "weak"), data(), "no clip of pol"),
        (PseudoTags("pool", "weka"), data(), "no clip of weka"),
        (PseudoTags("pool", "weak"), data(valid=()), "no validation part"),
    ):
        with pytest.raises(InputError, match=message):
            source.relabel(before(there))


class Network(torch.nn.Module):
    """Says (clip + window) / 10."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.predictions = ClipPredictions()
        self.sizes = []

    def each(self):
        yield self

    def transfer_batch_to_device(self, batch, device, index):
        return batch

    def evaluate(self, batch):
        assert not self.training and torch.is_inference_mode_enabled()
        self.sizes.append(len(batch["clip"]))
        said = (batch["clip"] + batch["window"]).float()[:, None] / 10
        self.predictions.update(batch["clip"], batch["window"], said.expand(-1, 2), batch["target"])


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
@pytest.mark.parametrize("size", [1, 4, 32])
def test_predictions_of_any_clips(size):
    module = Network().train()
    there = data()
    there.settings = DataSettings(sample_rate=1, clip_seconds=1, batch_size=1, eval_batch_size=size)
    there.windows = lambda clips: Windows(clips, there.given.targets)
    say = Predict(module, there)
    for clips in ([1, 3, 6], [0, 4]):  # the second call knows nothing of the first
        table = say(np.array(clips))
        assert table.clip.tolist() == clips
        # The mean of clip + 0 ... clip over the windows.
        np.testing.assert_allclose(table.probability[:, 0], [1.5 * clip / 10 for clip in clips], atol=1e-7)
        np.testing.assert_array_equal(table.target, TARGET[clips].astype(np.float32))
    assert max(module.sizes) <= size and sum(module.sizes) == 2 + 4 + 7 + 1 + 5
