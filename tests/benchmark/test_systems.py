"""Systems of members, folds and stages: what each training learns from, leaves out and predicts, and what is fused."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
import torch
from helpers import mini_data

from benchmark.data.settings import DataSettings
from benchmark.fitting import Fitting
from benchmark.frontends import Standardize
from benchmark.metrics.clips import table_of
from benchmark.plan import write_mini
from benchmark.predict import Predictor
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training.labels import Predict

BAD, PARTS = tiny.BAD, (1, 2, 3)
LOSS = {"class_path": "tiny_systems.WeightedBCE"}
GRID = {
    "data": {"group_weights": {"warblrb10k": 0.5}},
    "loss": LOSS,
    "members": tiny.MEMBERS,
    "stages": [
        {
            "name": "one",
            "folds": 3,
            "valid_group": "warblrb10k",
            "changes": {"selection": {"monitor": "auc"}, "trainer": {"val_every": 1}},
        },
        {"name": "two", "folds": 3, "start": "previous", "changes": {"optimizer": {"init_args": {"lr": 1e-9}}}},
    ],
    "fusion": {"class_path": "tiny_systems.Thirds"},
}
LABELS = {
    "loss": LOSS,
    "trainer": {"max_steps": 2},
    "members": tiny.MEMBERS,
    "stages": [
        {"name": "one", "folds": 2},
        {"name": "own", "folds": 2, "labels": {"class_path": "tiny_systems.OwnTags", "init_args": {"weight": 0.25}}},
        {
            "name": "both",
            "members": ["far"],
            "folds": 2,
            "repeat": 2,
            "labels": {"class_path": "tiny_systems.HeldOutTags", "init_args": {"weight": 0.5}},
        },
        {"name": "last", "members": ["far"], "labels": {"class_path": "tiny_systems.HeldOutTags"}},
    ],
}


def whole_run(tmp_path_factory, **keys):
    """A run: what it left, its steps, and of each training its labels, its data, its first weights and their losses."""
    learnt, fitted, original, fit = {}, [], Fitting.train, Standardize.fit

    def watched(self, training, *args):
        tiny.WeightedBCE.seen = []
        trained = original(self, training, *args)
        labels = trained.data.labels or trained.data.given
        learnt[training.name] = SimpleNamespace(
            labels=labels, data=trained.data, training=training, batches=tiny.WeightedBCE.seen
        )
        return trained

    def watched_fit(self, batches):
        fitted.append(len(learnt))
        fit(self, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("systems-runs")))
        patch.setattr(Fitting, "train", watched)
        patch.setattr(Standardize, "fit", watched_fit)
        tiny.install(patch, tmp_path_factory.mktemp("systems") / "bad")(**keys)
        tiny.HeldOutTags.seen, steps = [], tiny.watch(patch)
        assert tiny.run() == 0
        return SimpleNamespace(
            learnt=learnt, steps=steps, fitted=fitted, tags=tiny.HeldOutTags.seen, **vars(tiny.newest())
        )


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """2 members x 3 folds x 2 stages, fused."""
    return whole_run(tmp_path_factory, **GRID)


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory):
    """Three stages that learn the tags of the one before."""
    return whole_run(tmp_path_factory, **LABELS)


def held_out(run, name):
    return table_of(run.tables[name], "held_out")


def names(stage):
    return [f"{stage}.{member}.part{part}" for member in ("near", "far") for part in PARTS]


def test_each_stage_trains_each_member_once_a_part(grid):
    expected = names("one") + names("two")
    assert list(grid.learnt) == expected
    assert grid.steps == [(name, step) for name in expected for step in (1, 2, 3)]
    assert grid.record.steps == 12 * 3
    assert {path.parent.name for path in grid.folder.glob("metrics/*/metrics.csv")} == set(expected)
    assert grid.files.keys() == {f"{name}.{kind}" for name in expected for kind in ("ckpt", "npz")}
    assert [one.training.is_last for one in grid.learnt.values()] == [False] * 6 + [True] * 6
    assert {one.training.config.as_dict()["data"]["sample_rate"] for one in grid.learnt.values()} == {16000, 32000}


def test_the_record_counts_each_network_of_the_last_stage_once(grid):
    assert grid.record.parameters == 2 * 121
    assert grid.record.macs == sum(int(grid.tables[f"two.{member}.part1"]["macs"]) for member in tiny.MEMBERS)


def test_a_part_is_left_out_of_its_training_and_validates_it(grid):
    for name, one in grid.learnt.items():
        out, data = held_out(grid, name).clip, one.data
        groups = np.array([example.group for example in data.examples])
        assert not set(out) & set(one.labels.train)
        assert set(out) | set(one.labels.train) == set(np.flatnonzero(groups != "ff1010bird"))
        valid = out[groups[out] == "warblrb10k"] if name.startswith("one") else out
        assert one.labels.valid.tolist() == valid.tolist()
        assert set(data.train.clip) == set(one.labels.train) and set(data.valid.clip) == set(valid)


def test_held_out_tables_of_a_member_are_apart_and_cover_the_training_part(grid):
    for stage in ("one", "two"):
        for member in tiny.MEMBERS:
            parts = [held_out(grid, f"{stage}.{member}.part{part}") for part in PARTS]
            clips = np.concatenate([table.clip for table in parts])
            assert len(set(clips)) == len(clips) == 120
            # The same for all members and stages, so that what is held out of one is held out of all.
            expected = [held_out(grid, f"one.near.part{part}").clip.tolist() for part in PARTS]
            assert [table.clip.tolist() for table in parts] == expected


def test_a_part_is_predicted_by_the_network_that_left_it_out(grid):
    for name in ("one.near.part2", "two.far.part3"):
        training = grid.learnt[name].training
        recipe = training.config.build()
        module = BAD.load("module")(recipe, BAD.classes)
        module.load_state_dict(grid.weights[name])
        for kind in ("held_out", "test"):
            table = table_of(grid.tables[name], kind)
            again = Predict(module, grid.learnt[name].data)(table.clip)
            np.testing.assert_allclose(again.probability, table.probability, atol=1e-6)
            np.testing.assert_array_equal(again.target, table.target)


def test_a_stage_that_goes_on_starts_from_its_own_member_and_part(grid):
    """At a rate of 1e-9, weights stay where they were; normalisation is not fitted again."""
    for name in names("one"):
        before, after = grid.weights[name], grid.weights[name.replace("one", "two")]
        assert before.keys() == after.keys()
        assert all(torch.allclose(before[key], after[key], rtol=0, atol=1e-7) for key in before)
    others = [grid.weights[name] for name in names("one")]
    key = next(key for key in others[0] if key.endswith("weight"))
    assert all(not torch.allclose(a[key], b[key], atol=1e-4) for a in others for b in others if a is not b)
    assert grid.fitted == list(range(6))


def test_a_stage_that_goes_on_may_have_another_loss(write):
    stages = [
        {"name": "a"},
        {"name": "b", "start": "previous", "changes": {"loss": {"class_path": "tiny_systems.Half"}}},
    ]
    write(stages=stages, trainer={"max_steps": 1})
    assert tiny.run() == 0
    weights = tiny.newest().weights
    assert weights["b"].keys() - weights["a"].keys() == {"loss.share"}


def test_the_fusion_learns_from_held_out_predictions_with_the_groups_weights(grid):
    joined = []
    for member in tiny.MEMBERS:
        tables = [held_out(grid, f"two.{member}.part{part}") for part in PARTS]
        order = np.argsort(np.concatenate([table.clip for table in tables]))
        joined.append(np.concatenate([table.probability for table in tables])[order])
    examples = grid.learnt["two.far.part1"].data.examples
    trained = [example for example in examples if example.group != "ff1010bird"]
    learnt = dict(np.load(grid.folder / "fusion.npz"))
    np.testing.assert_array_equal(learnt["probability"], joined)
    np.testing.assert_array_equal(learnt["target"], [example.target for example in trained])
    np.testing.assert_array_equal(learnt["weight"], [0.5 if e.group == "warblrb10k" else 1 for e in trained])


def test_the_test_table_is_the_mean_over_parts_fused(grid, monkeypatch):
    means = [
        np.mean([grid.tables[f"two.{member}.part{part}"]["test/probability"] for part in PARTS], axis=0)
        for member in tiny.MEMBERS
    ]
    expected = means[0] / 3 + 2 * means[1] / 3
    np.testing.assert_allclose(grid.predictions["probabilities"], expected, atol=1e-12)
    with (grid.folder / "submission.csv").open() as file:
        submitted = [float(row[1]) for row in csv.reader(file) if row[1] != "prediction"]
    np.testing.assert_allclose(submitted, expected[:, 0], atol=1e-5)
    assert np.abs(means[0] - means[1]).max() > 1e-2


def test_predict_says_of_a_test_clip_what_the_run_said(grid):
    """Of members with other rates and windows, in 3 networks each."""
    predictor, root = Predictor([grid.folder]), write_mini(BAD)
    assert [len(networks) for networks in predictor.systems[0].members.values()] == [3, 3]
    for place in (0, 17, 59):
        dataset, item = grid.predictions["clip_id"][place].split("/")
        prediction = predictor.predict(root / dataset / "wav" / f"{item}.wav")
        assert prediction.clip == pytest.approx(grid.predictions["probabilities"][place], abs=1e-3)


# Dealing


def dealt(task, protocol, fold, parts):
    data = mini_data(get_task(task), DataSettings(sample_rate=8000, clip_seconds=1, batch_size=4), protocol, fold)
    data.prepare_data()
    data.setup()
    pool = data.given.train
    found = data.deal(data.examples, pool, parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), pool)
    assert [part.tolist() for part in found] == [part.tolist() for part in data.deal(data.examples, pool, parts)]
    return [[data.examples[clip] for clip in part] for part in found]


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_targets_and_groups_are_dealt_evenly(parts):
    found = dealt("bad", "leave-one-dataset-out", "ff1010bird", parts)
    kinds = {(example.target, example.group) for part in found for example in part}
    assert len(kinds) == 4
    for kind in kinds:
        counts = [sum((example.target, example.group) == kind for example in part) for part in found]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("parts", [2, 4])
def test_places_are_dealt_whole(parts):
    found = dealt("asc", "official-fold1", "1", parts)
    places = [{example.cluster for example in part} for part in found]
    assert all(places) and "" not in set().union(*places)
    assert not any(a & b for i, a in enumerate(places) for b in places[:i])
    largest = max(sum(e.cluster == place for e in part) for part in found for place in {e.cluster for e in part})
    assert max(map(len, found)) - min(map(len, found)) <= largest


# Labels and weights


def test_a_member_learns_its_own_held_out_tags_where_the_source_is_of_members(relabelled):
    for member in tiny.MEMBERS:
        made = relabelled.tables[f"labels.own.{member}"]
        for part in (1, 2):
            table = held_out(relabelled, f"one.{member}.part{part}")
            np.testing.assert_allclose(made["targets"][table.clip], table.probability, atol=1e-7)
            assert set(made["weights"][table.clip]) == {0.25}
            one = relabelled.learnt[f"own.{member}.part{part}"]
            np.testing.assert_array_equal(one.labels.targets, made["targets"])
            # The loss meets the tags, with their weight.
            seen = torch.cat(one.batches)
            tags = torch.from_numpy(made["targets"][one.labels.train, 0])
            assert set(seen[:, 0].tolist()) <= set(tags.tolist()) and set(seen[:, 1].tolist()) == {0.25}


def test_tags_are_the_mean_of_all_members_where_they_are_not(relabelled):
    made = relabelled.tables["labels.both-1"]
    for part in (1, 2):
        tables = [held_out(relabelled, f"own.{member}.part{part}") for member in tiny.MEMBERS]
        expected = np.mean([table.probability for table in tables], axis=0)
        np.testing.assert_allclose(made["targets"][tables[0].clip], expected, atol=1e-7)
    tested = np.setdiff1d(
        np.arange(180), np.concatenate([held_out(relabelled, f"own.far.part{p}").clip for p in (1, 2)])
    )
    assert np.isin(made["targets"][tested], (0, 1)).all() and set(made["weights"][tested]) == {1}


def test_a_repeated_stage_gets_new_labels_each_time(relabelled):
    turns = ["one.near", "one.far", "own.near", "own.far", "both-1.far", "both-2.far"]
    assert list(relabelled.learnt) == [f"{turn}.part{part}" for turn in turns for part in (1, 2)] + ["last.far"]
    assert len(relabelled.tags) == 2 + 2 + 1
    for turn, before in (("both-2", "both-1"), ("last", "both-2")):
        for part in (1, 2):
            table = held_out(relabelled, f"{before}.far.part{part}")
            made = relabelled.tables[f"labels.{turn}"]["targets"][table.clip]
            np.testing.assert_allclose(made, table.probability, atol=1e-7)


def test_a_stage_without_folds_learns_from_the_whole_part(relabelled):
    (one, table) = relabelled.learnt["last.far"], held_out(relabelled, "last.far")
    assert len(one.labels.train) == 120 and not len(one.labels.valid) and not len(table.clip)
    test = relabelled.tables["last.far"]["test/probability"]
    np.testing.assert_array_equal(relabelled.predictions["probabilities"], test)


def test_labels_of_clips_that_nothing_was_held_out_of_are_unknown(write, monkeypatch):
    """Without parts and without a validation part there are none at all."""
    write(stages=[{"name": "a"}, {"name": "b", "labels": {"class_path": "tiny_systems.HeldOutTags"}}])
    tiny.HeldOutTags.seen = []
    assert tiny.run("--trainer.max_steps", "1") == 0
    (tags,) = tiny.HeldOutTags.seen
    assert tags.isnan().all() and tags.shape == (180, 1)


def test_group_weights_reach_the_loss(grid):
    weights = {"warblrb10k": 0.5, "BirdVox-DCASE-20k": 1.0}
    for one in grid.learnt.values():
        groups = {one.data.examples[clip].group for clip in one.labels.train}
        assert {weights[group] for group in groups} == set(torch.cat(one.batches)[:, 1].tolist())


def test_an_augmentation_mixes_weights_as_it_mixes_targets():
    """A quarter of the example at the same place from the end: 0.75 x 1 + 0.25 x 0.2 is 0.8."""
    recipe = load_recipe(BAD, "logistic-regression", mini=True).build()
    recipe.augmentations, recipe.loss = [tiny.MixReversed()], tiny.WeightedBCE()
    module = BAD.load("module")(recipe, BAD.classes)
    module.log = lambda *args, **kwargs: None
    module.train()
    tiny.WeightedBCE.seen = []
    batch = {
        "waveform": torch.randint(-1000, 1000, (2, 1, 64000), dtype=torch.int16),
        "gain": torch.full((2,), 1e-4),
        "length": torch.tensor([64000, 64000]),
        "target": torch.tensor([[1.0], [0.0]]),
        "weight": torch.tensor([1.0, 0.2]),
    }
    recipe.transforms[1].fitted.fill_(True)
    module.training_step(batch, 0)
    torch.testing.assert_close(tiny.WeightedBCE.seen[0], torch.tensor([[0.75, 0.8], [0.25, 0.4]]))
