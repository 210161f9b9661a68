"""What a system cannot be: one clear error each; and what a user's own model makes of a system."""

import pytest
import tiny_systems as tiny

from benchmark.recipe import load_recipe
from benchmark.registry import get_task


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"stages": [{"name": "a", "members": ["naer"]}]}, "there is no member 'naer'"),
        ({"stages": [{"name": "a", "folds": 1}]}, "stage a has 1 folds"),
        ({"stages": [{"name": "a", "folds": -2}]}, "stage a has -2 folds"),
        ({"stages": [{"name": "a", "folds": 130}]}, "part 121 of 130 has no clip"),
        ({"stages": [{"name": "a", "folds": 90, "valid_group": "warblrb10k"}]}, "has no clip of 'warblrb10k'"),
        ({"stages": [{"name": "a", "folds": 2, "valid_group": "warblrb"}]}, "did you mean 'warblrb10k'"),
        ({"stages": [{"name": "a", "repeat": 0}]}, "stage a is repeated 0 times"),
        ({"stages": [{"name": "a", "valid_group": "warblrb10k"}]}, "stage a has no folds"),
        ({"stages": [{"name": "a", "keep": "best"}]}, "stage a has one turn to keep"),
        ({"stages": [{"name": "a", "start": "previous"}]}, "no stage before a to start from"),
        ({"stages": [{"name": "a", "start": "next"}]}, "start"),
        ({"stages": [{"name": "a"}, {"name": "b", "folds": 2, "start": "previous"}]}, "other members or folds"),
        (
            {"stages": [{"name": "a", "members": ["far"]}, {"name": "b", "start": "previous"}]},
            "b goes on from a, which has other members",
        ),
        ({"stages": [{"name": "a", "repeat": 2}, {"name": "a-2"}]}, "the stages a-1, a-2, a-2 have one name"),
        ({"stages": [{"name": "a", "labels": {"class_path": "tiny_systems.OwnTags"}}]}, "no stage before a to label"),
        (
            {
                "stages": [
                    {"name": "a", "members": ["far"]},
                    {"name": "b", "labels": {"class_path": "tiny_systems.OwnTags"}},
                ]
            },
            "labels of their own from a, which has other members",
        ),
        ({"stages": [{"name": "a", "labels": {"class_path": "tiny_systems.NoTags"}}]}, "NoTags"),
        ({"stages": [{"name": "a", "changes": {"fusion": None}}]}, "fusion cannot change"),
        ({"stages": [{"name": "a", "chnages": {"trainer": {"max_steps": 1}}}]}, "chnages"),
        ({"members": {"Far": {}}}, "a member cannot be called 'Far'"),
        ({"members": {"a.b": {}}}, "a member cannot be called 'a.b'"),
        ({"members": {1: {}}}, "a member cannot be called 1"),
        ({"members": {"a": {"members": {}}}}, "members cannot change"),
        ({"members": {"a": {"trainer": {"max_step": 3}}}}, "did you mean 'max_steps'"),
        ({"members": {"a": {"data": {"batch_size": 0}}}}, "batch_size must be positive"),
        ({"fusion": {"class_path": "tiny_systems.Fifths"}}, "Fifths"),
        (
            {
                "stages": [
                    {"name": "a"},
                    {
                        "name": "b",
                        "start": "previous",
                        "changes": {"frontend": {"init_args": {"n_mels": 20}}, "transforms": []},
                    },
                ]
            },
            "those of another network",
        ),
    ],
)
def test_wrong_systems_are_one_clear_error(write, capsys, keys, message):
    write(**({"members": tiny.MEMBERS, "trainer": {"max_steps": 1}} | keys))
    assert tiny.run() == 2
    error = capsys.readouterr().err
    error = error[error.index("error: ") :]
    assert message in " ".join(error.split()) and len(error.splitlines()) <= 4


def test_a_users_own_model_takes_the_place_of_all_members(write, tmp_path, monkeypatch):
    (tmp_path / "own_model_of_a_user.py").write_text(
        "import torch\nclass Mean(torch.nn.Module):\n    input = 'features'\n    def forward(self, x):\n"
        "        return x.mean((1, 2))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    write(
        members=tiny.MEMBERS,
        stages=[
            {
                "name": "one",
                "members": ["far"],
                "folds": 2,
                "changes": {"head": {"class_path": "benchmark.heads.Dense"}},
            },
            {"name": "two", "folds": 2, "start": "previous"},
        ],
    )
    trainings = load_recipe(get_task("bad"), "tiny", model="own_model_of_a_user.Mean").trainings()
    assert [training.name for training in trainings] == ["one.part1", "one.part2", "two.part1", "two.part2"]
    for training in trainings:
        recipe = training.config.as_dict()
        assert recipe["backbone"]["class_path"] == "own_model_of_a_user.Mean"
        assert recipe["head"]["class_path"] == "benchmark.heads.GlobalMeanPool"
    assert tiny.run("--model", "own_model_of_a_user.Mean", "--trainer.max_steps", "1") == 0
    assert tiny.newest().record.steps == 4
