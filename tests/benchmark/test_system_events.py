"""Systems that detect events, and how predictions of several networks become one."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
import torch

from benchmark.data.datamodule import Labels
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable, table_of
from benchmark.plan import write_mini
from benchmark.predict import Predictor
from benchmark.products import fuse, held_out_of, join


def product(member, frames, outputs=("clips", "frames")):
    """A network that was trained without two clips; clip 0 has so many frames."""
    probability = np.full((2, 1), 0.5)
    out = ClipTable(np.array([0, 1]), probability, np.zeros((2, 1), np.float32))
    test = ClipTable(
        np.array([5, 6]), probability, np.zeros((2, 1), np.float32), [np.ones((frames, 1)), np.ones((9, 1))]
    )
    return SimpleNamespace(training=SimpleNamespace(member=member, outputs=outputs), held_out=out, test=test)


def labels(first=0.0):
    """Of eight clips; clip 0 has this label, the others 1."""
    return Labels(np.arange(0), np.arange(0), torch.tensor([[first], *[[1.0]] * 7]), torch.arange(8) / 2)


def test_a_fusion_learns_nothing_from_clips_without_labels(tmp_path):
    fusion = tiny.Thirds()
    table = fuse([product("a", 7), product("b", 7)], fusion, labels(torch.nan), tmp_path)
    assert fusion.learnt["target"].tolist() == [[1]] and fusion.learnt["weight"].tolist() == [0.5]
    assert fusion.learnt["probability"].shape == (2, 1, 1) and table.clip.tolist() == [5, 6]


@pytest.mark.parametrize("fusion", [None, tiny.Thirds()])
def test_frames_are_joined_as_far_as_all_networks_have_some(tmp_path, fusion):
    table = fuse([product("a", 8), product("b", 7)], fusion, labels(), tmp_path)
    assert [len(frames) for frames in table.frames] == [7, 9]


def test_networks_whose_frames_are_other_times_are_not_joined(tmp_path):
    products = [product("a", 500), product("b", 250)]
    with pytest.raises(InputError, match="250 and 500 frames of one clip"):
        fuse(products, None, labels(), tmp_path)


def test_members_may_give_tags_alone_or_frames_alone(tmp_path):
    """Also where the frames of the others are other times; held-out tags are those of the taggers, too."""
    tagger, other = (product(name, 250, ["clips"]) for name in ("tagger", "other"))
    localiser = product("localiser", 500, ["frames"])
    other = other_said(other, 0.9)
    localiser = other_said(localiser, 0.1)
    table = fuse([tagger, localiser, other], None, labels(), tmp_path)
    assert table.probability == pytest.approx(0.7) and [len(frames) for frames in table.frames] == [500, 9]
    held = join([tagger, localiser, other], None, held_out_of([tagger, localiser, other]))
    assert held.clip.tolist() == [0, 1] and held.probability == pytest.approx(0.7)


def other_said(one, probability):
    tables = (table._replace(probability=np.full((2, 1), probability)) for table in (one.held_out, one.test))
    return SimpleNamespace(training=one.training, **dict(zip(("held_out", "test"), tables, strict=True)))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """2 members x 2 folds of a system that detects events, fused; and how to run it again, without training a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("systems-runs")))
        write = tiny.install(patch, tmp_path_factory.mktemp("systems") / "sed", tiny.SED)
        write(
            members={
                "slow": {"optimizer": {"init_args": {"lr": 1e-3}}},
                "fast": {"optimizer": {"init_args": {"lr": 0.1}}},
            },
            stages=[{"name": "all", "folds": 2}],
            fusion={"class_path": "tiny_systems.Thirds"},
        )
        assert tiny.run(task="sed") == 0
        first, steps = tiny.newest(), tiny.watch(patch)
        assert tiny.run("--postprocessing.init_args.threshold", "0.9", task="sed") == 0
        return SimpleNamespace(steps=steps, again=tiny.newest(), **vars(first))


def test_frames_are_fused_as_clips_are(detector):
    means = []
    for member in ("slow", "fast"):
        tables = [table_of(detector.tables[f"all.{member}.part{part}"], "test") for part in (1, 2)]
        means.append([np.mean(parts, axis=0) for parts in zip(*(table.frames for table in tables), strict=True)])
    frames = [slow / 3 + 2 * fast / 3 for slow, fast in zip(*means, strict=True)]
    np.testing.assert_allclose(detector.predictions["frames"], np.concatenate(frames), atol=1e-6)
    assert detector.predictions["frame_counts"].tolist() == [len(part) for part in frames]
    assert np.abs(np.concatenate(means[0]) - np.concatenate(means[1])).max() > 0.01


def test_predict_finds_the_frames_of_the_run(detector):
    predictor, root = Predictor([detector.folder]), write_mini(tiny.SED)
    frames = np.split(detector.predictions["frames"], np.cumsum(detector.predictions["frame_counts"])[:-1])
    for place in (0, 5):
        (file,) = root.rglob(str(detector.predictions["clip_id"][place]).split("/", 1)[1])
        prediction = predictor.predict(file)
        np.testing.assert_allclose(prediction.clip, detector.predictions["probabilities"][place], atol=1e-3)
        np.testing.assert_allclose(prediction.curve, frames[place], atol=1e-3)


def test_another_postprocessing_is_of_the_same_networks(detector):
    assert not detector.steps and detector.again.folder != detector.folder
    for name in ("probabilities", "frames"):
        np.testing.assert_array_equal(detector.again.predictions[name], detector.predictions[name])
    assert (detector.again.folder / "submission.csv").read_text() != (detector.folder / "submission.csv").read_text()
    assert detector.again.record.group != detector.record.group and detector.again.record.steps == 12
