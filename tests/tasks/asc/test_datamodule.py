"""What the data is called by the official numbers, and how protocols divide it."""

import numpy as np
import pytest

from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from tasks.asc.datamodule import SceneDataModule
from tasks.asc.mini import Row, write_lists, write_mini
from tasks.asc.official import CLASSES, STEREO

DEVELOPMENT = STEREO.folder("development")


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini")
    write_mini(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Lists with the official numbers: 286 places, 864 clips a scene, 6122 and 2518 clips; the audio is empty."""
    root = tmp_path_factory.mktemp("whole")
    (root / DEVELOPMENT / "audio").mkdir(parents=True)
    rows = []
    for index, scene in enumerate(CLASSES):
        n_places = 28 if index < 4 else 29
        n_test = 252 if index < 8 else 251
        for number in range(864):
            test = number < n_test
            place = 29 * index + (number % 8 if test else 8 + number % (n_places - 8))
            filename = f"audio/{scene}-paris-{place}-{len(rows)}-a.wav"
            rows.append(Row(filename, scene, f"paris-{place}", "a", test))
            (root / DEVELOPMENT / filename).touch()
    write_lists(root / DEVELOPMENT, rows)
    return root


def take_stock(root, on_error="stop", protocol="official-fold1"):
    return SceneDataModule.take_stock(root, on_error, protocol)


def module(root, protocol, seed=0):
    inventory = take_stock(root, protocol=protocol)
    settings = DataSettings(sample_rate=44_100, clip_seconds=1, batch_size=4)
    return SceneDataModule(inventory, root, settings, protocol, "1", seed)


def ids(module, indices):
    return {module.inventory.examples[i].clip_id for i in indices}


def test_the_official_numbers_are_full(whole):
    inventory = take_stock(whole)
    found = {count.name: count.found for count in inventory.counts}
    assert found["clips"] == 8640
    assert found["fold 1 training"] == 6122
    assert found["fold 1 test"] == 2518
    assert found["locations"] == 286
    assert inventory.variant == "full"


def test_a_missing_recording_makes_it_partial_and_another_list_custom(whole):
    gone = next((whole / DEVELOPMENT / "audio").glob("tram-*"))
    gone.unlink()
    with pytest.raises(InputError, match=gone.stem):
        take_stock(whole)
    inventory = take_stock(whole, "skip")
    assert inventory.variant == "partial:0.9999"
    assert list(inventory.missing) == [gone.stem]
    train, test = inventory.parts["1"]
    assert (len(train), len(test), gone.stem in train | test) == (6122, 2518, True)
    gone.touch()
    path = whole / DEVELOPMENT / "evaluation_setup" / "fold1_train.txt"
    text = path.read_text()
    path.write_text(text.rstrip("\n").rpartition("\n")[0] + "\n")
    assert take_stock(whole).variant.startswith("custom:")
    path.write_text(text)


def test_another_division_of_the_same_clips_is_another_data_set(mini, tmp_path):
    write_mini(tmp_path)
    first = take_stock(mini).fingerprint
    assert take_stock(tmp_path).fingerprint == first
    path = tmp_path / DEVELOPMENT / "evaluation_setup" / "fold1_train.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]) + "\n")
    assert take_stock(tmp_path).fingerprint != first


def test_fold_1_is_as_listed(mini):
    data = module(mini, "official-fold1")
    train, test = data.split(data.inventory.examples)
    assert (len(train), len(test)) == (80, 40)
    listed = (mini / DEVELOPMENT / "evaluation_setup" / "fold1_test.txt").read_text().split()
    assert ids(data, test) == {name.removeprefix("audio/").removesuffix(".wav") for name in listed}


@pytest.mark.parametrize(("protocol", "part"), [("challenge", "evaluation"), ("leaderboard", "leaderboard")])
def test_the_challenges_sets_are_tested_after_training_on_the_whole_development_set(mini, protocol, part):
    data = module(mini, protocol)
    train, test = data.split(data.inventory.examples)
    assert len(train) == 120
    assert ids(data, test) == {f"{part}/{number}" for number in range(10)}


def test_the_tested_sets_need_neither_place_nor_device(tmp_path):
    write_mini(tmp_path)
    path = tmp_path / STEREO.folder("evaluation") / "meta.csv"
    rows = [line.split("\t")[:2] for line in path.read_text().splitlines()]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    inventory = take_stock(tmp_path, protocol="challenge")
    assert len(inventory.parts["1"].test) == 10
    assert {e.group for e in inventory.examples} == {"a"}
    assert {e.cluster for e in inventory.examples if e.clip_id in inventory.parts["1"].test} == {""}


@pytest.mark.parametrize("protocol", ["official-fold1", "challenge"])
def test_validation_hears_other_places(mini, protocol):
    data = module(mini, protocol)
    examples = data.inventory.examples
    train, _ = data.split(examples)
    fitted, valid = data.hold_out(examples, train, 0.3)
    assert sorted([*fitted, *valid]) == sorted(train)
    where = [{examples[i].cluster for i in part} for part in (fitted, valid)]
    assert all(place.split("-")[1].isdigit() for place in where[0] | where[1])
    assert not where[0] & where[1]
    for part in (fitted, valid):
        assert {int(np.argmax(examples[i].target)) for i in part} == set(range(10))
    assert {place.split("-")[0] for place in where[0]} == {place.split("-")[0] for place in where[1]}


def test_a_file_on_no_list_is_named(mini, tmp_path):
    write_mini(tmp_path)
    (tmp_path / DEVELOPMENT / "audio" / "stranger.wav").touch()
    with pytest.raises(InputError, match=r"stranger\.wav is on no list"):
        take_stock(tmp_path)
    assert list(take_stock(tmp_path, "skip").strangers) == [f"{DEVELOPMENT}/audio/stranger.wav"]


def test_what_is_missing_is_named_with_its_address(tmp_path):
    with pytest.raises(InputError) as error:
        take_stock(tmp_path)
    assert f"{DEVELOPMENT}/evaluation_setup/fold1_evaluate.txt" in str(error.value)
    assert "make data TASK=asc" in str(error.value) and "DATA=mini" in str(error.value)
