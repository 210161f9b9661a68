"""Labels that networks which were not trained on a clip confirm, change or leave."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmark.augmentations.crop import RandomExcerpt
from benchmark.data.datamodule import DataSettings, Example, Labels
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipPredictions, ClipTable
from benchmark.training.labels import Network, Predict
from benchmark.training.verified_labels import PromotedLabels, SelfVerifiedLabels

GROUPS = ["verified", "unverified", "unverified", "unverified", "verified", "unverified", "private"]
CLASSES = [0, 0, 1, 2, 2, 0, 1]
N = len(CLASSES)
GIVEN = Labels(np.arange(6), np.arange(0), torch.eye(3)[CLASSES], torch.tensor([1, 0.7, 0.7, 0.7, 1, 0.7, 1]))


def before(probability=None, networks=(), given=GIVEN):
    examples = [Example(str(clip), None, (), group) for clip, group in enumerate(GROUPS)]
    data = SimpleNamespace(examples=examples, given=given)
    return SimpleNamespace(data=data, held_out=lambda: np.array(probability), networks=lambda: iter(networks))


NAN = [np.nan] * 3
HELD_OUT = [
    [0.1, 0.9, 0.0],  # contradicts a verified label
    [0.8, 0.1, 0.1],  # confirms 0
    [0.2, 0.6, 0.2],  # confirms 1, but not enough
    [0.4, 0.3, 0.3],  # contradicts 2 for 0
    [0.0, 0.0, 1.0],
    [0.3, 0.3, 0.4],  # contradicts 0 for 2
    NAN,
]


def test_labels_are_promoted_replaced_or_stay():
    labels = PromotedLabels("unverified", 0.7, 0.0, 0.9).relabel(before(HELD_OUT))
    assert labels.targets.argmax(1).tolist() == [0, 0, 1, 0, 2, 2, 1]
    assert torch.equal(labels.targets.sum(1), torch.ones(N)) and labels.targets.dtype == torch.float32
    torch.testing.assert_close(labels.weights, torch.tensor([1, 1, 0.9, 0.9, 1, 0.9, 1]))
    assert labels.train.tolist() == [0, 1, 2, 3, 4, 5] and labels.valid.tolist() == []
    assert GIVEN.targets.argmax(1).tolist() == CLASSES  # a new table, the old one stays


def test_a_label_stays_where_the_other_class_is_not_probable_enough():
    labels = PromotedLabels("unverified", 0.7, 0.4, 0.9).relabel(before(HELD_OUT))
    assert labels.targets.argmax(1).tolist() == CLASSES


class Said:
    """A network that says what is written down, and keeps what it was asked."""

    def __init__(self, probability):
        self.probability, self.asked = np.array(probability), []

    def excerpts(self, clips, frames, times, seed):
        self.asked.append((clips.tolist(), frames, times, seed))
        return ClipTable(clips, self.probability[clips], np.zeros((len(clips), 3)))


def test_each_network_verifies_the_unverified_clips_of_its_own_part():
    sure = np.full((N, 3), 0.01)
    sure[np.arange(N), CLASSES] = 0.98
    unsure = np.where(sure > 0.5, 0.9, 0.05)
    one, two = Said(sure), Said(unsure)
    networks = [Network(one, np.array([0, 1, 2]), 11), Network(two, np.array([3, 4, 5]), 12)]
    source = SelfVerifiedLabels("unverified", frames=7, excerpts=5)
    labels = source.relabel(before(networks=networks))
    assert labels.train.tolist() == [0, 1, 2, 4]  # 3 and 5 are not above 0.95; the test clip 6 is never learnt
    assert (one.asked, two.asked) == ([([1, 2], 7, 5, 11)], [([3, 5], 7, 5, 12)])
    assert torch.equal(labels.targets, GIVEN.targets) and torch.equal(labels.weights, GIVEN.weights)
    anew = SelfVerifiedLabels("unverified", threshold=None).relabel(before(networks=networks))
    assert anew.train.tolist() == [0, 1, 2, 3, 4, 5]


def test_no_more_clips_of_a_class_than_allowed_are_taken_from_a_part():
    same = Labels(GIVEN.train, GIVEN.valid, torch.eye(3)[[0] * N], GIVEN.weights)
    said = np.tile([0.96, 0.02, 0.02], (N, 1)) + np.arange(N)[:, None] * [0.001, 0, 0]
    network = Network(Said(said), np.arange(6), 1)
    labels = SelfVerifiedLabels("unverified", most=2).relabel(before(networks=[network], given=same))
    assert labels.train.tolist() == [0, 3, 4, 5]  # of 1, 2, 3 and 5 the two most confident


def test_what_cannot_be_verified_is_named():
    many = Labels(GIVEN.train, GIVEN.valid, torch.ones(N, 3), GIVEN.weights)
    network = Network(Said(np.full((N, 3), 1 / 3)), np.arange(6), 1)
    for source, there, message in (
        (PromotedLabels("unverifed"), before(HELD_OUT), "no clip of unverifed"),
        (PromotedLabels("unverified"), before([NAN] * N), "no clip of unverified was held out"),
        (PromotedLabels("unverified"), before(HELD_OUT, given=many), "exactly one class"),
        (SelfVerifiedLabels("unverifed"), before(networks=[network]), "no clip of unverifed"),
        (SelfVerifiedLabels("unverified"), before(networks=[network], given=many), "exactly one class"),
    ):
        with pytest.raises(InputError, match=message):
            source.relabel(there)


class Frames(torch.nn.Module):
    """A network that says the mean of its frames; a clip's features are its frames' numbers over 100."""

    device = torch.device("cpu")

    def __init__(self, input="features"):
        super().__init__()
        self.backbone = SimpleNamespace(input=input)
        self.predictions = ClipPredictions()

    def each(self):
        yield self

    def transfer_batch_to_device(self, batch, device, index):
        return batch

    def clip_input(self, batch):
        assert not self.training
        number, _, time = batch["waveform"].shape
        places = torch.arange(time).float() / 100
        return places.expand(number, 1, -1)[..., None], batch["length"] / time, batch["target"]

    def forward(self, x, valid):
        assert valid.tolist() == [1.0] * len(x)
        return SimpleNamespace(clips=x.mean((1, 2)).expand(-1, 2))

    def probabilities(self, logits):
        return logits


class Clips:
    """Clips of 20 frames, of which a clip has 10 or 20."""

    lengths = (20, 10, 20)

    def __init__(self, clips):
        self.clip = np.array(clips)

    def __len__(self):
        return len(self.clip)

    def __getitems__(self, places):
        clip = torch.from_numpy(self.clip[np.array(places)])
        return {
            "waveform": torch.zeros(len(clip), 1, 20, dtype=torch.int16),
            "gain": torch.ones(len(clip)),
            "length": torch.tensor([self.lengths[number] for number in clip]),
            "target": torch.zeros(len(clip), 2),
            "clip": clip,
            "window": torch.zeros(len(clip), dtype=torch.int64),
        }


def excerpts(seed, times=25, frames=4, input="features"):
    settings = DataSettings(sample_rate=1, clip_seconds=1, batch_size=1, eval_batch_size=2)
    predict = Predict(Frames(input), SimpleNamespace(settings=settings, windows=Clips))
    return predict.excerpts(np.arange(3), frames, times, seed).probability[:, 0]


def test_a_clip_is_the_mean_of_its_random_excerpts():
    said = excerpts(0, times=2000)
    # The first frame of 4 is any of 0 to 16, or of 0 to 6 where 10 are valid; the mean of 4 is 1.5 more.
    np.testing.assert_allclose(said, [0.095, 0.045, 0.095], atol=0.003)
    one = excerpts(0, times=1) * 100 - 1.5
    np.testing.assert_allclose(one, one.round(), atol=1e-4)


def test_the_excerpts_are_drawn_by_the_seed_alone():
    torch.manual_seed(1)
    first, state = excerpts(5), torch.get_rng_state()
    torch.manual_seed(2)
    assert np.array_equal(first, excerpts(5)) and not np.array_equal(first, excerpts(6))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())  # other draws of a run stay what they were


def test_excerpts_need_features():
    with pytest.raises(InputError, match="waveforms"):
        excerpts(0, input="waveform")
    assert RandomExcerpt(4).training  # else nothing would be drawn
