"""What a folder holds and is called, and how it is split."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from tasks.tagging.datamodule import TaggingDataModule
from tasks.tagging.official import (
    AUDIO_TEST,
    AUDIO_TRAIN,
    CLASSES,
    SCORED_LIST,
    TRAIN_LIST,
    WHOLE_TEST_LIST,
    read_test,
    read_train,
)

TEST, FOLDS = "official-test", "verified-4-fold"


@pytest.fixture(scope="module")
def official_copy(reference, tmp_path_factory):
    """All official lists, and an empty file for each clip that is scored or trained on."""
    root, metadata = tmp_path_factory.mktemp("full"), reference / "realdata" / "metadata" / "FSDKaggle2018"
    for folder in (AUDIO_TRAIN, AUDIO_TEST, str(Path(TRAIN_LIST).parent)):
        (root / folder).mkdir(parents=True)
    for name in (TRAIN_LIST, WHOLE_TEST_LIST):
        shutil.copy(metadata / Path(name).name, root / name)
    for clip in read_train(root / TRAIN_LIST):
        (root / AUDIO_TRAIN / clip.fname).touch()
    for clip in read_test(root / WHOLE_TEST_LIST).scored:
        (root / AUDIO_TEST / clip.fname).touch()
    return root


def test_the_official_lists_with_all_their_audio_are_full(official_copy):
    found = TaggingDataModule.take_stock(official_copy, "stop", TEST)
    assert (found.variant, found.listed, len(found.examples)) == ("full", 9473 + 1600, 11_073)
    groups = Counter(example.group for example in found.examples)
    assert groups == {"verified": 3710, "unverified": 5763, "public": 301, "private": 1299}
    found = TaggingDataModule.take_stock(official_copy, "stop", FOLDS)
    assert (found.variant, found.listed) == ("full", 9473)


def test_ignored_audio_is_neither_needed_nor_strange(official_copy):
    ignored = sorted(read_test(official_copy / WHOLE_TEST_LIST).ignored)[:3]
    for fname in ignored:
        (official_copy / AUDIO_TEST / fname).touch()
    found = TaggingDataModule.take_stock(official_copy, "stop", TEST)
    assert (found.variant, found.strangers) == ("full", {})
    assert not {example.clip_id for example in found.examples} & set(ignored)


def test_fewer_recordings_are_partial_and_another_label_is_custom(official_copy, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(official_copy, root)
    lost = sorted((root / AUDIO_TRAIN).iterdir())[:1107]
    for path in lost:
        path.unlink()
    found = TaggingDataModule.take_stock(root, "skip", TEST)
    assert found.variant == "partial:0.9000"  # 9,966 of 11,073
    assert set(found.missing) == {path.name for path in lost}
    text = (root / TRAIN_LIST).read_text()
    (root / TRAIN_LIST).write_text(text.replace(",Bark,", ",Meow,", 1))
    assert TaggingDataModule.take_stock(root, "skip", TEST).variant.startswith("custom:")


def test_folds_of_the_official_list_are_stratified_and_of_verified_clips(official_copy):
    inventory = TaggingDataModule.take_stock(official_copy, "stop", FOLDS)
    examples = inventory.examples
    verified = {i for i, example in enumerate(examples) if example.group == "verified"}
    per_class = Counter(examples[i].target for i in verified)
    tested = []
    for fold in "1234":
        train, test = module(inventory, fold).split(examples)
        assert sorted([*train, *test]) == list(range(9473))
        assert set(test) <= verified
        counts = Counter(examples[i].target for i in test)
        assert all(abs(counts[target] - total / 4) < 1 for target, total in per_class.items())
        tested.append(set(test))
    assert set.union(*tested) == verified
    assert sum(map(len, tested)) == 3710


def test_a_missing_clip_moves_no_other_to_another_fold(official_copy, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(official_copy, root)
    whole = TaggingDataModule.take_stock(root, "stop", FOLDS)
    (lost,) = (root / AUDIO_TRAIN / clip.fname for clip in read_train(root / TRAIN_LIST)[:1])
    lost.unlink()
    rest = TaggingDataModule.take_stock(root, "skip", FOLDS)
    assert set(rest.missing) == {lost.name}
    for fold in "1234":
        names = [
            {inventory.examples[place].clip_id for place in module(inventory, fold).split(inventory.examples)[1]}
            for inventory in (whole, rest)
        ]
        assert names[1] == names[0] - {lost.name}


def module(inventory, fold, protocol=FOLDS):
    settings = DataSettings(sample_rate=32_000, clip_seconds=1, batch_size=2)
    return TaggingDataModule(inventory, Path(), settings, protocol, fold, 0)


@pytest.mark.parametrize(("seconds", "windows"), [(0.2, 1), (0.3, 1), (0.4, 1), (1.0, 6)])
def test_the_official_baseline_leaves_out_what_fills_no_window(seconds, windows):
    """A window of 0.286 s starts every 0.125 s as long as it lies in the clip; a shorter clip is padded to one."""
    settings = load_recipe(get_task("tagging"), "fsdkaggle2018-baseline").as_dict()["data"]
    rate = settings["sample_rate"]
    assert round(settings["clip_seconds"] * rate) == 24 * 441 + 2048  # 25 frames
    whole = np.array([[0, round(seconds * rate)]])
    assert len(DataSettings(**settings).cut().spans(whole)) == windows


# A small folder, and what can be wrong with it


@pytest.fixture
def root(tmp_path):
    """Two training and three test clips, of which two are scored."""
    root = tmp_path / "data"
    lists = {
        TRAIN_LIST: "fname,label,manually_verified\na.wav,Bark,1\nb.wav,Meow,0\n",
        SCORED_LIST: "fname,label,usage\nc.wav,Bark,Public\nd.wav,Meow,Private\n",
    }
    for name, text in lists.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for folder, names in ((AUDIO_TRAIN, "ab"), (AUDIO_TEST, "cd")):
        (root / folder).mkdir()
        for name in names:
            soundfile.write(root / folder / f"{name}.wav", np.zeros(4410), 44_100, subtype="PCM_16")
    return root


def stock(root, on_error="stop", protocol=TEST):
    return TaggingDataModule.take_stock(root, on_error, protocol)


def test_examples_in_the_order_of_the_lists(root):
    found = stock(root)
    assert [(e.clip_id, e.group, CLASSES[int(np.argmax(e.target))]) for e in found.examples] == [
        ("a.wav", "verified", "Bark"),
        ("b.wav", "unverified", "Meow"),
        ("c.wav", "public", "Bark"),
        ("d.wav", "private", "Meow"),
    ]
    assert {sum(e.target) for e in found.examples} == {1.0}
    assert found.examples[2].path == root / AUDIO_TEST / "c.wav"
    assert found.variant.startswith("custom:")
    assert found.summary == "2 training clips, 1 of them verified; 2 test clips"


def test_official_test_trains_on_the_training_set_alone(root):
    inventory = stock(root)
    train, test = module(inventory, "test", TEST).split(inventory.examples)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])


def test_unverified_clips_are_never_tested(root):
    inventory = stock(root, protocol=FOLDS)
    splits = [module(inventory, fold).split(inventory.examples) for fold in "1234"]
    assert sorted(test.tolist() for _, test in splits) == [[], [], [], [0]]  # one clip is verified
    assert all(1 in train for train, _ in splits)


def test_folds_need_no_test_set(root):
    shutil.rmtree(root / AUDIO_TEST)
    (root / SCORED_LIST).unlink()
    assert [e.clip_id for e in stock(root, protocol=FOLDS).examples] == ["a.wav", "b.wav"]
    with pytest.raises(InputError) as error:
        stock(root)
    message = str(error.value)
    assert f"missing {AUDIO_TEST}/, {SCORED_LIST}" in message
    assert "make data TASK=tagging" in message and "DATA=mini" in message


def test_either_name_of_the_test_list_will_do(root):
    (root / SCORED_LIST).rename(root / WHOLE_TEST_LIST)
    assert len(stock(root).examples) == 4


def test_both_test_lists_must_agree(root):
    whole = root / WHOLE_TEST_LIST
    whole.write_text("fname,label,usage\nd.wav,Meow,Private\nx.wav,None,Ignored\nc.wav,Bark,Public\n")
    (root / AUDIO_TEST / "x.wav").touch()
    assert len(stock(root).examples) == 4
    whole.write_text("fname,label,usage\nc.wav,Bark,Public\nd.wav,Bark,Private\n")
    with pytest.raises(InputError, match=r"the two test lists differ in d.wav"):
        stock(root)


def test_a_test_list_without_usage(root):
    (root / SCORED_LIST).write_text("fname,label\nc.wav,Bark\nd.wav,Meow\n")
    assert [e.group for e in stock(root).examples] == ["verified", "unverified", "", ""]


def test_a_clip_in_both_lists_is_refused(root):
    shutil.copy(root / AUDIO_TRAIN / "a.wav", root / AUDIO_TEST)
    with (root / SCORED_LIST).open("a") as file:
        file.write("a.wav,Bark,Public\n")
    with pytest.raises(InputError, match=r"1 clips are in the training and in the test list: a.wav"):
        stock(root)


@pytest.mark.parametrize(("folder", "name"), [(AUDIO_TRAIN, "b.wav"), (AUDIO_TEST, "c.wav")])
def test_a_row_without_a_file_stops_or_is_left_out(root, folder, name):
    (root / folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        stock(root)
    found = stock(root, "skip")
    assert set(found.missing) == {name}
    assert len(found.examples) == 3


@pytest.mark.parametrize("folder", [AUDIO_TRAIN, AUDIO_TEST])
def test_a_file_without_a_row_stops_or_is_left_out(root, folder):
    shutil.copy(root / AUDIO_TRAIN / "a.wav", root / folder / "stranger.wav")
    with pytest.raises(InputError, match=r"stranger.wav is on no list"):
        stock(root)
    found = stock(root, "skip")
    assert list(found.strangers) == [f"{folder}/stranger.wav"]
    assert len(found.examples) == 4


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/secret.wav"])
def test_names_that_leave_the_folder(root, name):
    (root / TRAIN_LIST).write_text(f"fname,label,manually_verified\na.wav,Bark,1\nb.wav,Bark,1\n{name},Bark,1\n")
    with pytest.raises(InputError, match="secret"):
        stock(root)


def prepared(root, tmp_path):
    settings = DataSettings(sample_rate=32_000, clip_seconds=0.1, batch_size=2)
    data = TaggingDataModule(stock(root), tmp_path / "store", settings, TEST, "test", 0)
    data.prepare_data()
    data.setup()
    return data


def test_windows_of_both_parts(root, tmp_path):
    data = prepared(root, tmp_path)
    assert [data.examples[clip].clip_id for clip in data.train.clip] == ["a.wav", "b.wav"]
    assert [data.examples[clip].clip_id for clip in data.test.clip] == ["c.wav", "d.wav"]


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [(np.zeros((4410, 2)), 44_100, "channel"), (np.zeros(4800), 48_000, "48000")],
)
def test_other_channels_and_rates_are_refused_by_name(root, tmp_path, samples, rate, message):
    soundfile.write(root / AUDIO_TRAIN / "b.wav", samples, rate, subtype="PCM_16")
    with pytest.raises(InputError, match=r"b\.wav") as error:
        prepared(root, tmp_path)
    assert message in str(error.value)
