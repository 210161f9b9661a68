"""What lies at a data root is called by the official counts, and what is missing is named."""

import math
import shutil

import pytest

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from tasks.sed import datamodule
from tasks.sed.datamodule import SoundEventDataModule
from tasks.sed.official import CLASSES, SUBSETS, WEAK_CLIPS, read_names

LISTS = {
    "weak": "filename\tevent_labels\na.wav\tDog,Cat\nb.wav\tSpeech\n",
    "unlabel_in_domain": "filename\nc.wav\n",
    "unlabel_out_of_domain": "filename\nd.wav\n",
    "test": "filename\tonset\toffset\tevent_label\ne.wav\t0\t1\tDog\ne.wav\t2\t3\tDog\n",
    "eval": "filename\tonset\toffset\tevent_labels\nf.wav\t1\t2\tCat\ng.wav\t\t\t\n",
}
COUNTS = {"weak": (2, 3), "unlabel_in_domain": (1, None), "unlabel_out_of_domain": (1, None)}
COUNTS |= {"test": (1, 2), "eval": (2, 2)}
CLASS_COUNTS = dict.fromkeys(CLASSES, 0) | {"Cat": 1, "Dog": 1, "Speech": 1}
BOTH = ("unlabel_in_domain", "unlabel_out_of_domain")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A handful of clips, which are all that the official release has."""
    for name, text in LISTS.items():
        subset = SUBSETS[name]
        (tmp_path / subset.audio).mkdir(parents=True)
        (tmp_path / subset.csv).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / subset.csv).write_text(text)
        for row in text.splitlines()[1:]:
            (tmp_path / subset.audio / row.split("\t")[0]).touch()
    changed = {n: s._replace(clips=COUNTS[n][0], rows=COUNTS[n][1], versions={}) for n, s in SUBSETS.items()}
    monkeypatch.setattr(datamodule, "SUBSETS", changed)
    monkeypatch.setattr(datamodule, "WEAK_CLIPS", CLASS_COUNTS)
    return tmp_path


def stock(root, on_error="stop", protocol="test", subsets=()):
    return SoundEventDataModule.take_stock(root, on_error, protocol, subsets)


def test_all_official_clips_are_full(root):
    inventory = stock(root, subsets=BOTH)
    assert inventory.variant == "full"
    assert [example.clip_id for example in inventory.examples] == [
        *("weak/a.wav", "weak/b.wav", "unlabel_in_domain/c.wav", "unlabel_out_of_domain/d.wav", "test/e.wav"),
    ]
    assert stock(root, protocol="eval").variant == "full"


def test_the_weak_list_is_trained_on_and_the_scored_one_tested(root):
    assert stock(root, subsets=BOTH).parts == {"test": ({"weak/a.wav", "weak/b.wav"}, {"test/e.wav"})}
    parts = stock(root, protocol="eval").parts
    assert parts == {"eval": ({"weak/a.wav", "weak/b.wav"}, {"eval/f.wav", "eval/g.wav"})}


def test_unlabelled_lists_that_nobody_asks_for_are_not_looked_at(root):
    for name in BOTH:
        shutil.rmtree(root / SUBSETS[name].audio)
        (root / SUBSETS[name].csv).unlink()
    inventory = stock(root)
    assert inventory.variant == "full"
    assert [example.clip_id for example in inventory.examples] == ["weak/a.wav", "weak/b.wav", "test/e.wav"]
    assert not any(count.name.startswith("unlabel") for count in inventory.counts)


def test_one_unlabelled_list_comes_without_the_other(root):
    (root / SUBSETS["unlabel_out_of_domain"].csv).unlink()
    inventory = stock(root, subsets=["unlabel_in_domain"])
    assert inventory.variant == "full"
    assert [e.clip_id for e in inventory.examples if e.group in BOTH] == ["unlabel_in_domain/c.wav"]


def test_targets_and_events(root):
    inventories = [stock(root, protocol=protocol, subsets=BOTH) for protocol in ("test", "eval")]
    examples = {example.clip_id: example for inventory in inventories for example in inventory.examples}
    tags = {name: [c for c, value in zip(CLASSES, e.target, strict=True) if value == 1] for name, e in examples.items()}
    assert tags["weak/a.wav"] == ["Cat", "Dog"]
    assert tags["test/e.wav"] == ["Dog"]
    assert tags["eval/g.wav"] == []
    assert examples["test/e.wav"].events == (Event(0, 1, "Dog"), Event(2, 3, "Dog"))
    assert examples["eval/g.wav"].events == ()
    assert all(math.isnan(value) for value in examples["unlabel_in_domain/c.wav"].target)
    assert examples["eval/f.wav"].group == "eval"


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_missing_audio_is_normal_and_makes_it_partial(root, on_error):
    (root / SUBSETS["weak"].audio / "b.wav").unlink()
    inventory = stock(root, on_error)
    assert "1 of 2 weak" in inventory.summary
    assert inventory.variant == "partial:0.6667"  # 2 of 3
    assert list(inventory.missing) == ["weak/b.wav"]


@pytest.mark.parametrize("protocol", ["test", "eval"])
def test_the_folder_that_desed_keeps_both_scored_lists_in_will_do(root, protocol):
    before = stock(root, protocol=protocol).fingerprint
    shared = root / "dataset/audio/validation"
    shared.mkdir()
    for name in ("test", "eval"):
        for path in (root / SUBSETS[name].audio).iterdir():
            path.rename(shared / path.name)
        (root / SUBSETS[name].audio).rmdir()
    after = stock(root, protocol=protocol)
    assert after.fingerprint == before and not after.missing
    assert {e.path.parent for e in after.examples if e.group == protocol} == {shared}


def test_audio_that_no_list_names_stops_or_is_passed_over(root):
    (root / SUBSETS["test"].audio / "stranger.wav").touch()
    with pytest.raises(InputError, match=r"stranger\.wav is on no list"):
        stock(root)
    assert stock(root, "skip").variant == "full"


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("folder_too", [False, True])
def test_a_list_that_was_asked_for_needs_at_least_one_clip(root, on_error, folder_too):
    folder = root / SUBSETS["unlabel_in_domain"].audio
    (folder / "c.wav").unlink()
    if folder_too:
        folder.rmdir()
    with pytest.raises(InputError) as error:
        stock(root, on_error, subsets=BOTH)
    message = str(error.value)
    assert "no clip of unlabel_in_domain is there" in message and str(folder) in message
    assert "tasks/sed/README.md" in message and "data.subsets" in message


def test_some_clips_of_a_list_that_was_asked_for_are_enough(root):
    path = root / SUBSETS["unlabel_in_domain"].csv
    path.write_text(path.read_text() + "gone.wav\n")
    assert list(stock(root, subsets=BOTH).missing) == ["unlabel_in_domain/gone.wav"]


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize(
    ("protocol", "shared", "line"), [("test", "e.wav", 2), ("eval", "f.wav", 2), ("eval", "g.wav", 3)]
)
@pytest.mark.parametrize(("name", "tags"), [("weak", "\tDog"), ("unlabel_in_domain", "")])
def test_a_scored_clip_must_not_be_trained_on(root, on_error, protocol, shared, line, name, tags):
    path = root / SUBSETS[name].csv
    path.write_text(f"{path.read_text()}{shared}{tags}\n")
    (root / SUBSETS[name].audio / shared).touch()
    with pytest.raises(InputError) as error:
        stock(root, on_error, protocol, ["unlabel_in_domain"])
    message = str(error.value)
    assert f"clips to score are in the list {name} too, 1 in all: {shared}" in message
    assert f"{root / SUBSETS[protocol].csv}:{line}" in message


def test_a_scored_clip_may_be_in_a_list_that_nobody_asks_for(root):
    path = root / SUBSETS["unlabel_in_domain"].csv
    path.write_text(path.read_text() + "e.wav\n")
    assert stock(root).variant == "full"


def test_the_list_that_is_not_scored_is_not_needed(root):
    shutil.rmtree(root / SUBSETS["eval"].audio)
    (root / SUBSETS["eval"].csv).unlink()
    assert stock(root).variant == "full"


@pytest.mark.parametrize("name", ["weak", "unlabel_in_domain", "test"])
def test_missing_lists_are_named_with_their_source(root, name):
    (root / SUBSETS[name].csv).unlink()
    with pytest.raises(InputError) as error:
        stock(root, "skip", subsets=BOTH)
    message = str(error.value)
    assert SUBSETS[name].csv in message and str(root) in message
    assert "make data TASK=sed" in message and "DATA=mini" in message


@pytest.mark.parametrize("name", ["weak", "test"])
def test_a_list_without_any_audio_stops_a_run_and_is_all_missing_else(root, name):
    shutil.rmtree(root / SUBSETS[name].audio)
    with pytest.raises(InputError) as error:
        stock(root)
    assert f"no clip of {name} is there" in str(error.value) and "tasks/sed/README.md" in str(error.value)
    inventory = stock(root, "skip")
    assert {clip.partition("/")[0] for clip in inventory.missing} == {name}
    assert inventory.variant.startswith("partial:")


@pytest.mark.parametrize("labels", ["Dog", "Dog,Frying"])  # the second leaves the number of labels as it is
def test_another_label_is_another_data_set(root, labels):
    before = stock(root)
    path = root / SUBSETS["weak"].csv
    path.write_text(path.read_text().replace("Dog,Cat", labels))
    assert stock(root).variant.startswith("custom:")
    assert stock(root).fingerprint != before.fingerprint


def test_a_name_that_leaves_the_folder(root):
    path = root / SUBSETS["weak"].csv
    path.write_text(path.read_text() + "../../../../../outside.wav\tDog\n")
    with pytest.raises(InputError, match="outside of the data folder"):
        stock(root, "skip")


@pytest.fixture
def real_lists(reference, tmp_path):
    """The official lists, with one clip of each unlabelled list and no other audio."""
    shutil.copytree(reference / "realdata" / "metadata" / "DCASE2018-task4", tmp_path / "dataset" / "metadata")
    for path in (tmp_path / "dataset" / "metadata").rglob("*"):
        path.chmod(0o755)
    for name in SUBSETS:
        (tmp_path / SUBSETS[name].audio).mkdir(parents=True)
    for name in BOTH:
        (tmp_path / SUBSETS[name].audio / read_names(tmp_path / SUBSETS[name].csv)[0]).touch()
    return tmp_path


def test_the_real_lists_have_every_official_count(real_lists):
    weak = {"weak": 1578, "weak labels": 2244} | {f"weak {label}": clips for label, clips in WEAK_CLIPS.items()}
    unlabelled = {"unlabel_in_domain": 14412, "unlabel_out_of_domain": 39999}
    for protocol, clips, rows in (("test", 288, 908), ("eval", 880, 3343)):
        scored = {f"{protocol} files": clips, f"{protocol} rows": rows}
        for subsets, expected in (((), weak | scored), (BOTH, weak | unlabelled | scored)):
            inventory = stock(real_lists, "skip", protocol, subsets)
            assert {count.name: count.found for count in inventory.counts} == expected
            assert all(count.found == count.official for count in inventory.counts)
            assert inventory.listed == 1578 + clips + sum(unlabelled[name] for name in subsets)
            assert len(inventory.examples) == len(subsets)  # the one clip of each
            assert inventory.variant.startswith("partial:0.000")
            assert f"{rows} rows (version 5c5a0f6)" in inventory.summary


def test_another_version_of_a_list_is_named_and_is_not_the_official_one(real_lists, reference):
    older = reference / "reference_scores" / "sed_official_baseline_eval_v1" / "reference.tsv"
    shutil.copy(older, real_lists / SUBSETS["eval"].csv)
    inventory = stock(real_lists, "skip", "eval")
    assert "3186 rows (version 1b3dc62)" in inventory.summary
    assert inventory.variant.startswith("custom:")
