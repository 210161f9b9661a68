"""Labels of unlabelled clips worked out by hand, and targets of frames on their way to the loss."""

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers import mini_data
from torch.nn import functional as F

from benchmark.data.datamodule import Example, Labels
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable
from benchmark.postprocessing.smoothing import median_smooth
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training.added_labels import AddedTags, SmoothedFrames
from benchmark.training.network import Outputs

SED, NAN = get_task("sed"), float("nan")
GROUPS = ["weak", "pool", "weak", "sea", "test", "weak", "weak"]
TARGET = [[1, 0], [NAN, NAN], [0, 1], [NAN, NAN], [1, 1], [1, 1], [0, 1]]
TRAIN, VALID = [0, 2], [5, 6]
# On the validation part, clips 5 and 6, the first member is right on the first class and the second on the second.
DEEP = np.array([[0.9, 0.1], [0.5, 0.49], [0.2, 0.6], [0.1, 0.9], [0, 0], [0.9, 0.2], [0.2, 0.3]])
SHALLOW = np.array([[0.9, 0.9], [0.6, 0.1], [0.2, 0.1], [0.2, 0.8], [0, 0], [0.2, 0.9], [0.9, 0.8]])


def before(valid=VALID):
    """Two members whose frames of a clip are `5 + clip` ramps up to what they say of it."""
    given = Labels(np.array(TRAIN), np.array(valid), torch.tensor(TARGET), torch.ones(7))
    examples = [Example(str(i), None, tuple(TARGET[i]), group) for i, group in enumerate(GROUPS)]
    data = SimpleNamespace(given=given, examples=examples)

    def table(said, clips):
        assert np.all(np.diff(clips) > 0)
        frames = [ramps(said[clip], clip) for clip in clips]
        return ClipTable(clips, said[clips], given.targets[clips].numpy(), frames)

    return SimpleNamespace(
        data=data,
        classes=("Cat", "Dog"),
        predict=lambda clips: table((DEEP + SHALLOW) / 2, clips),
        predict_each=lambda clips: [table(said, clips) for said in (DEEP, SHALLOW)],
    )


def ramps(said, clip):
    return np.linspace(0, 1, 5 + clip)[:, None] * said * np.where(np.arange(5 + clip) == 2, 0.5, 1)[:, None]


def test_added_clips_get_hard_tags_and_labelled_ones_keep_theirs():
    labels = AddedTags(["pool", "sea"]).relabel(before())
    assert (labels.train.tolist(), labels.valid.tolist()) == ([0, 1, 2, 3], VALID)
    assert labels.targets[[1, 3]].tolist() == [[1, 0], [0, 1]]  # means of 0.55, 0.295, 0.15 and 0.85
    assert labels.targets[[0, 2, 5]].tolist() == [TARGET[clip] for clip in (0, 2, 5)] and labels.frames is None


def test_frames_are_of_the_best_member_of_each_class_smoothed_and_masked():
    labels = SmoothedFrames(["pool", "sea"], median=3, medians={"Dog": 5}).relabel(before())
    assert (labels.train.tolist(), labels.valid.tolist()) == ([0, 1, 2, 3], VALID)
    np.testing.assert_array_equal(labels.targets.numpy(), before().data.given.targets.numpy())
    assert labels.frames.shape == (7, 11, 2) and labels.frames.dtype == torch.float32
    for clip in (0, 1, 2, 3, 5, 6):
        cat, dog = median_smooth(ramps(DEEP[clip], clip), 3)[:, 0], median_smooth(ramps(SHALLOW[clip], clip), 5)[:, 1]
        expected = np.stack([cat, dog], axis=1) * np.where(np.array(TARGET[clip]) == 0, 0, 1)
        np.testing.assert_allclose(labels.frames[clip, : 5 + clip], expected, atol=1e-6)
        assert not labels.frames[clip, 5 + clip :].any()
    assert not labels.frames[4].any()  # a test clip


def test_what_cannot_be_labelled_is_named():
    for source, there, message in (
        (AddedTags(["pol"]), before(), "no clip of pol"),
        (SmoothedFrames(["see"]), before(), "no clip of see"),
        (SmoothedFrames(["sea"]), before(valid=[]), "no validation part"),
        (SmoothedFrames(["sea"], medians={"Cow": 3}), before(), "Cow"),
    ):
        with pytest.raises(InputError, match=message):
            source.relabel(there)


# On the way to the loss

WORDS = [
    "--backbone.init_args.channels",
    "[2, 2, 2]",
    "--backbone.init_args.hidden",
    "2",
    "--data.valid_fraction",
    "0.2",
]
WORDS += ["--data.clip_seconds", "1", "--data.hop_seconds", "0.5", "--data.subsets", "[]"]
WORDS += ["--loss.class_path", "benchmark.losses.FrameBCE"]


@pytest.fixture(scope="module")
def detector():
    """A detector of windows that overlap, and its data with targets of frames: number of the frame / 1000 + class."""
    pl.seed_everything(0, verbose=False)
    recipe = load_recipe(SED, "baseline-crnn", mini=True, overrides=WORDS).build()
    module = SED.load("module")(recipe, SED.classes)
    module.transforms[0].fitted.fill_(True)
    data = mini_data(SED, recipe.data, "test", "test")
    data.prepare_data()
    data.setup()
    number = torch.arange(101) / 1000
    frames = number[None, :, None].repeat(len(data.examples), 1, 10)
    data.labels = Labels(**vars(data.given) | {"frames": frames})
    data.setup()
    return module, data


def test_a_window_is_compared_with_its_own_frames(detector):
    module, data = detector
    (whole,) = [clip for clip in data.given.train.tolist() if data.store.lengths[clip] == 2 * 44100][:1]
    batch = data.train.__getitems__(np.flatnonzero(data.train.clip == whole))
    assert (batch["start"] / 44100).tolist() == [0, 0.5, 1]
    target = module.loss_target(batch)
    assert target.shape == (3, module.window_frames, 10)
    for first, window in zip(module.first_frames(batch["start"]).tolist(), target, strict=True):
        expected = (first + torch.arange(module.window_frames)).clamp(max=100) / 1000
        torch.testing.assert_close(window[:, 3], expected)
    assert "frames" not in data.windows(np.array([whole])).__getitems__([0])


def test_training_and_validation_losses_are_on_these_frames(detector):
    module, data = detector
    batch = data.valid.__getitems__([2, 3])
    target = module.loss_target(batch)
    module.train()
    loss = module.training_step(batch, 0)
    x, valid, _ = module.clip_input(batch)
    module.eval()
    module.validation_step(batch, 0)
    outputs = module(x, valid)
    torch.testing.assert_close(module.val_loss.compute(), F.binary_cross_entropy_with_logits(outputs.frames, target))
    assert loss.isfinite() and module.predictions.target[-1].shape == (20,)
    module.predictions.reset()
    module.val_loss.reset()


def test_a_loss_on_clips_is_told_their_tags(detector, monkeypatch):
    module, data = detector
    batch = data.train.__getitems__([0, 1])
    monkeypatch.setattr(module, "loss", torch.nn.BCEWithLogitsLoss())
    assert torch.equal(module.loss_target(batch), batch["target"])
    loss = module.compute_loss(Outputs(torch.zeros(2, 10)), batch["target"], torch.ones(2), torch.ones(2))
    assert loss.item() == pytest.approx(np.log(2), abs=1e-6)
