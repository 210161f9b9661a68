"""The kinds of problems: one class a clip, several, events in time."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers import mini_data
from torch.nn import functional as F

from benchmark.data.datamodule import Event
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable
from benchmark.postprocessing import WholeClip
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training.kinds import DetectionModule
from benchmark.training.labels import Predict
from benchmark.training.network import Outputs

ESC, SED, BAD = get_task("esc"), get_task("sed"), get_task("bad")


def build(task, system, *overrides, mini=True):
    pl.seed_everything(0, verbose=False)
    recipe = load_recipe(task, system, mini=mini, overrides=overrides).build()
    return task.load("module")(recipe, task.classes_of(next(iter(task.protocols))))


def single(*overrides):
    return build(ESC, "logistic-regression", *overrides)


def table(probability):
    probability = np.asarray(probability, dtype=float)
    return ClipTable(np.arange(len(probability)), probability, np.zeros(probability.shape, np.float32))


THRESHOLDED = ["--postprocessing.class_path", "benchmark.postprocessing.ThresholdedArgmax"]


def test_one_class_is_a_softmax_and_the_most_probable_wins():
    module = single()
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 100.0]])
    expected = logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(module.activate(logits[:1]), expected[:1])
    assert module.activate(logits).sum(1).tolist() == pytest.approx([1, 1])
    chosen = module.decide(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]))  # the first of equals
    assert chosen.tolist() == [1, 0] and chosen.dtype == np.int64
    assert module.decisions(table([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])) == [1, 2]


def test_the_recipe_can_decide_otherwise():
    module = single(*THRESHOLDED, "--postprocessing.init_args.threshold", "0.6")
    probability = [[0.05, 0.35, 0.6], [0.1, 0.5, 0.4], [0.1, 0.9, 0.0]]
    assert module.decisions(table(probability)) == [2, 0, 1]
    assert all(type(index) is int for index in module.decisions(table(probability)))


def test_a_decoder_of_events_chooses_no_class():
    """Said when the network is built, not when it has been trained."""
    with pytest.raises(InputError, match=r"MedianFilter does not choose a class(.|\n)*postprocessing"):
        single("--postprocessing.class_path", "benchmark.postprocessing.MedianFilter")


def test_the_loss_of_one_class_takes_one_hot_targets():
    module, logits = single(), torch.randn(5, 10)
    classes = torch.arange(5)
    loss = module.compute_loss(Outputs(logits), F.one_hot(classes, 10).float(), torch.ones(5), torch.ones(5))
    torch.testing.assert_close(loss, -logits.log_softmax(1)[classes, classes].mean())


def test_several_classes_are_sigmoids_and_decide_nothing():
    module = build(BAD, "logistic-regression")
    assert module.activate(torch.tensor([[0.0]])).item() == 0.5
    assert module.decisions(table([[0.2], [0.9]])) == [None, None]


# Detection


@pytest.fixture(scope="module")
def crnn():
    """A small detector, never trained, and its data, cut into windows that overlap."""
    small = ["--backbone.init_args.channels", "[4, 4, 4]", "--backbone.init_args.hidden", "8"]
    module = build(SED, "baseline-crnn", "--data.hop_seconds", "0.75", "--data.clip_seconds", "1", *small)
    data = mini_data(SED, module.recipe.data, "test", "test")
    data.prepare_data()
    data.setup()
    batch = next(iter(data.test_dataloader()))
    signal = batch["waveform"].float() * batch["gain"][:, None, None]
    module.transforms[0].fit([module.frontend(signal, batch["length"])])
    return module.eval(), data


def test_frames_of_cnn8_are_a_hop_apart():
    """The front end's hop is 1328 samples of 32 kHz, and frequency alone is pooled."""
    module = build(SED, "cnn8", "--backbone.init_args.factors", "[1, 2]", mini=False)
    assert module.frame_seconds == pytest.approx(1328 / 32000, rel=1e-9)
    module = build(SED, "cnn8", "--frontend.init_args.hop_length", "640", "--backbone.init_args.factors", "[2, 2]")
    # 2 s of 640 samples are 97 frames (the window is 2048 samples, without padding), and 97 // 16 come out.
    assert module.frame_seconds == pytest.approx(97 / 6 * 640 / 32000, rel=1e-9)


def test_windows_begin_at_whole_frames():
    module = build(SED, "cnn4", "--frontend.init_args.hop_length", "640", "--backbone.init_args.factors", "[1, 2]")
    assert module.frame_seconds == pytest.approx(0.02)
    assert module.first_frames(torch.tensor([0, 319, 321, 640, 32000])).tolist() == [0, 0, 1, 1, 50]


def test_a_loss_on_clips_or_on_frames(crnn):
    module, _ = crnn
    clips, frames = torch.randn(2, 10), torch.randn(2, 8, 10)
    target, valid = (torch.rand(2, 10) > 0.5).float(), torch.tensor([0.5, 1.0])
    expected = F.binary_cross_entropy_with_logits(clips, target)
    weight = torch.ones(len(clips))
    torch.testing.assert_close(module.compute_loss(Outputs(clips, frames), target, valid, weight), expected)
    module = build(SED, "baseline-crnn", "--loss.class_path", "benchmark.losses.FrameBCE")
    loss = module.compute_loss(Outputs(clips, frames), target, valid, weight)
    each = [F.binary_cross_entropy_with_logits(frames[i, :n], target[i].expand(n, -1)) for i, n in enumerate((4, 8))]
    torch.testing.assert_close(loss, torch.stack(each).mean())


def test_a_head_without_frames_is_refused():
    with pytest.raises(InputError, match=r"Dense does not classify frames(.|\n)*frame_logits"):
        build(SED, "cnn4", "--head.class_path", "benchmark.heads.Dense")


@pytest.mark.parametrize("words", [["--postprocessing", "null"], THRESHOLDED])
def test_a_detector_without_a_decoder_is_refused(words):
    with pytest.raises(InputError, match=r"nothing makes events(.|\n)*postprocessing"):
        build(SED, "baseline-crnn", *words)


@pytest.fixture
def one_thread():
    """Many batches of one clip: threads would wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def evaluate(module, data, size):
    data.settings.eval_batch_size = size
    return Predict(module, data)(np.unique(data.test.clip)[:8])  # the first two are shorter than the others


def test_evaluation_does_not_depend_on_the_batch_size(crnn, one_thread):
    module, data = crnn
    one, many = evaluate(module, data, 1), evaluate(module, data, 32)
    assert one.clip.tolist() == many.clip.tolist() and len(one.frames) == 8
    np.testing.assert_allclose(one.probability, many.probability, atol=1e-5)
    for frames, others in zip(one.frames, many.frames, strict=True):
        assert frames.shape == others.shape
        np.testing.assert_allclose(frames, others, atol=1e-5)
    assert np.ptp(np.concatenate(one.frames)) > 1e-3  # not all the same


def test_frames_last_as_long_as_the_audio(crnn, one_thread):
    module, data = crnn
    for clip, frames in zip(*evaluate(module, data, 32)[:4:3], strict=True):
        assert len(frames) * module.frame_seconds == pytest.approx(data.store.seconds[clip], abs=0.05)


def test_events_are_the_decoders_clip_by_clip(crnn, monkeypatch):
    module, _ = crnn
    monkeypatch.setattr(module, "decoder", WholeClip(threshold=0.8, seconds=100))
    probability = np.zeros((3, 10))
    probability[0, 2] = probability[2, [0, 9]] = 0.9
    frames = [np.zeros((count, 10), np.float32) for count in (5, 6, 7)]
    found = module.decisions(table(probability)._replace(frames=frames))
    end, classes = 7 * module.frame_seconds, SED.classes
    assert found == [
        [Event(0.0, 5 * module.frame_seconds, classes[2])],
        [],
        [Event(0.0, end, classes[0]), Event(0.0, end, classes[9])],
    ]
    assert isinstance(module, DetectionModule)
