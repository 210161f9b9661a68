"""What a data folder is taken for, and which clips and labels the protocols make of it."""

import numpy as np
import pytest
import yaml

from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from tasks.ust.datamodule import UrbanDataModule
from tasks.ust.official import CLASSES, COARSE, FINE, FOLDER, TAXONOMY

HEADER = [
    *("split", "sensor_id", "audio_filename", "annotator_id"),
    *(f"{tag}_presence" for tag in FINE),
    *(f"{tag}_proximity" for tag in FINE),
    *(f"{tag}_presence" for tag in COARSE),
]


def annotation(split, sensor, name, annotator, engine="0", dog="0", others=("0",) * 6):
    """A row in which only coarse tags vary."""
    return [split, sensor, name, annotator, *["0"] * 29, *["-1"] * 29, engine, *others, dog]


ROWS = [
    annotation("train", "0", "00_1.wav", "5", engine="1", dog="-1"),
    annotation("train", "0", "00_1.wav", "6", engine="1", dog="-1"),
    annotation("train", "0", "00_1.wav", "7", dog="-1"),
    annotation("train", "1", "01_1.wav", "5", engine="1"),
    annotation("train", "1", "01_1.wav", "6"),
    annotation("train", "1", "01_2.wav", "5"),
    annotation("validate", "2", "02_1.wav", "0", dog="1"),
    annotation("validate", "2", "02_1.wav", "-3", engine="1"),
    annotation("validate", "2", "02_2.wav", "-3", engine="1"),  # no consensus
    annotation("test", "3", "03_1.wav", "0", engine="1"),
]


@pytest.fixture
def root(tmp_path):
    return lay_out(tmp_path, ROWS)


def lay_out(root, rows, flat=False):
    """Annotations, taxonomy and one empty file for each clip."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / "annotations.csv").write_text("\n".join(",".join(row) for row in [HEADER, *rows]) + "\n")
    content = {
        "coarse": {group: name for group, (name, _) in TAXONOMY.items()},
        "fine": {group: dict(fine) for group, (_, fine) in TAXONOMY.items()},
    }
    (folder / "dcase-ust-taxonomy.yaml").write_text(yaml.safe_dump(content))
    for split, _, name, *_ in rows:
        place = folder / ("audio" if flat else split)
        place.mkdir(exist_ok=True)
        (place / name).touch()
    return root


def take_stock(root, on_error="stop", protocol="validate"):
    return UrbanDataModule.take_stock(root, on_error, protocol)


def data(root, protocol="validate", **settings):
    settings = DataSettings(sample_rate=16_000, clip_seconds=1.0, batch_size=2, **settings)
    return UrbanDataModule(take_stock(root, protocol=protocol), root / "store", settings, protocol, protocol, 0)


def names(data, places):
    return [data.inventory.examples[place].clip_id for place in places]


@pytest.mark.parametrize("flat", [False, True])
def test_protocols(tmp_path, flat):
    lay_out(tmp_path, ROWS, flat)
    validate, test = data(tmp_path), data(tmp_path, "test")
    train, scored = validate.split(validate.inventory.examples)
    assert (names(validate, train), names(validate, scored)) == (["00_1.wav", "01_1.wav", "01_2.wav"], ["02_1.wav"])
    train, scored = test.split(test.inventory.examples)
    assert names(test, train) == ["00_1.wav", "01_1.wav", "01_2.wav", "02_1.wav"]
    assert names(test, scored) == ["03_1.wav"]
    assert validate.inventory.skipped == test.inventory.skipped == {}
    assert [(example.group, example.cluster) for example in test.inventory.examples] == [
        *(("train", "0"), ("train", "1"), ("train", "1"), ("validate", "2"), ("test", "3"))
    ]


@pytest.mark.parametrize(
    ("rule", "engine"),
    [(None, [1, 0, 0, 0]), ("majority", [1, 0, 0, 0]), ("any", [1, 1, 0, 0]), ("soft", [2 / 3, 1 / 2, 0, 0])],
)
def test_label_rules(root, rule, engine):
    """Two of three, one of two and none of one volunteer heard an engine; the consensus did not."""
    module = data(root, labels=rule)
    targets = module.targets(module.inventory.examples).numpy()
    assert targets.shape == (4, 37)
    assert targets.dtype == np.float32
    assert targets[:, CLASSES.index("1_engine")] == pytest.approx(engine)
    dog = targets[:, CLASSES.index("8_dog")]
    assert np.isnan(dog[0])  # labelled by nobody
    assert dog[1:].tolist() == [0, 0, 1]


POSITIVES = [548, 304, 49, 108, 308, 45, 488, 106]  # of the training clips, card, Data


def official_rows(train=2351, validate=443, positives=POSITIVES):
    def heard(clip):
        engine, *others, dog = ("1" if clip < count else "0" for count in positives)
        return engine, dog, others

    rows = [annotation("train", str(clip % 35), f"train{clip}.wav", "4", *heard(clip)) for clip in range(train)]
    return rows + [annotation("validate", "40", f"validate{clip}.wav", "0") for clip in range(validate)]


def test_official_counts_are_full(tmp_path):
    lay_out(tmp_path, official_rows())
    inventory = take_stock(tmp_path)
    assert inventory.variant == "full"
    assert [count.found for count in inventory.counts] == [2351, 443, *POSITIVES]
    # Whether machinery impacts are the official number depends on the file's version.
    assert [count.official for count in inventory.counts] == [2351, 443, 548, None, 49, 108, 308, 45, 488, 106]
    (tmp_path / FOLDER / "train" / "train7.wav").unlink()
    partial = take_stock(tmp_path, "skip")
    assert partial.variant == "partial:0.9996"  # 2793 of 2794
    assert partial.parts == inventory.parts


@pytest.mark.parametrize("change", [{"validate": 444}, {"positives": [*POSITIVES[:-1], 107]}])
def test_other_counts_are_custom(tmp_path, change):
    lay_out(tmp_path, official_rows(**change))
    assert take_stock(tmp_path).variant.startswith("custom:")


def test_held_out_sensors_are_not_trained_on(tmp_path):
    sizes = [8, 12, 10, 30, 20, 20]
    rows = [
        annotation("train", str(sensor), f"{sensor}_{clip}.wav", "4")
        for sensor in range(6)
        for clip in range(sizes[sensor])
    ]
    lay_out(tmp_path, [*rows, annotation("validate", "9", "v.wav", "0")])
    module = data(tmp_path)
    examples = module.inventory.examples
    train, _ = module.split(examples)
    for seed in range(5):
        module.seed = seed
        kept, held_out = module.hold_out(examples, train, 0.2)
        assert sorted([*kept, *held_out]) == train.tolist()
        sensors = [{examples[place].cluster for place in part} for part in (kept, held_out)]
        assert not sensors[0] & sensors[1]
        assert 8 <= len(held_out) <= 35  # 20 of 100, but for one sensor
    assert len(module.hold_out(examples, train[:8], 0.2)[1]) == 0  # one sensor cannot be divided


def test_a_sensor_of_two_trained_splits_is_held_out_whole(tmp_path):
    rows = [
        annotation(split, str(sensor), f"{sensor}_{split}_{clip}.wav", "0")
        for sensor in range(5)
        for split in ("train", "validate")
        for clip in range(4)
    ]
    lay_out(tmp_path, [*rows, annotation("test", "9", "t.wav", "0")])
    module = data(tmp_path, "test")
    examples = module.inventory.examples
    train, _ = module.split(examples)
    kept, held_out = module.hold_out(examples, train, 0.2)
    assert (len(kept), len(held_out)) == (32, 8)  # one sensor of five
    assert len({examples[place].cluster for place in held_out}) == 1
    assert {examples[place].group for place in held_out} == {"train", "validate"}


@pytest.mark.parametrize(("seconds", "windows"), [(10, 10), (0.3, 1)])
def test_windows_of_the_official_baseline_are_the_examples_of_vggish(seconds, windows):
    """Ten of a clip of 10 s, card, Data; a shorter clip is one that is padded."""
    settings = load_recipe(get_task("ust"), "logistic-regression-vggish").as_dict()["data"]
    rate = settings["sample_rate"]
    whole = np.array([[0, round(seconds * rate)]])
    assert len(DataSettings(**settings).cut().spans(whole)) == windows


@pytest.mark.parametrize("name", ["annotations.csv", "dcase-ust-taxonomy.yaml", "train/", "validate/"])
def test_missing_file_or_folder(root, name):
    path = root / FOLDER / name
    path.rename(root / "elsewhere")
    with pytest.raises(InputError, match=rf"missing SONYC-UST/{name}[\s\S]*make data TASK=ust[\s\S]*DATA=mini"):
        take_stock(root)


def test_test_split_is_needed_by_its_protocol_only(root):
    (root / FOLDER / "test").rename(root / "elsewhere")
    assert len(take_stock(root).examples) == 4
    with pytest.raises(InputError, match="missing SONYC-UST/test/"):
        take_stock(root, protocol="test")


def test_the_folder_of_the_archive_with_the_test_part_will_do(root):
    before = take_stock(root, protocol="test").fingerprint
    (root / FOLDER / "test").rename(root / FOLDER / "audio-eval")
    after = take_stock(root, protocol="test")
    assert after.fingerprint == before and not after.missing


@pytest.mark.parametrize(("split", "protocol"), [("test", "test"), ("validate", "validate")])
def test_no_consensus_to_score_against(tmp_path, split, protocol):
    rows = [[*row[:3], "8", *row[4:]] if row[0] == split and row[3] == "0" else row for row in ROWS]
    lay_out(tmp_path, rows)
    with pytest.raises(InputError, match=f"no clip of the split '{split}' is annotated by annotator 0"):
        take_stock(tmp_path, protocol=protocol)


def test_missing_recording_and_recording_without_a_row(root):
    (root / FOLDER / "train" / "01_1.wav").unlink()
    (root / FOLDER / "validate" / "99_9.wav").touch()
    with pytest.raises(InputError, match=r"SONYC-UST/train/01_1.wav is missing.*SONYC-UST/validate/99_9.wav"):
        take_stock(root)
    inventory = take_stock(root, "skip")
    assert [example.clip_id for example in inventory.examples] == ["00_1.wav", "01_2.wav", "02_1.wav"]
    assert list(inventory.missing) == ["01_1.wav"]
    assert list(inventory.strangers) == ["SONYC-UST/validate/99_9.wav"]


def test_name_outside_of_the_folder(root):
    path = root / FOLDER / "annotations.csv"
    path.write_text(path.read_text().replace("01_1.wav", "../../../x.wav"))
    with pytest.raises(InputError, match="would lie outside of the data folder"):
        take_stock(root)


def test_another_taxonomy(root):
    path = root / FOLDER / "dcase-ust-taxonomy.yaml"
    path.write_text(path.read_text().replace("siren", "whistle"))
    with pytest.raises(InputError, match="tag 5-3 is 'whistle', expected 'siren'"):
        take_stock(root)
