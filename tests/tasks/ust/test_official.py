import json
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from benchmark.errors import InputError
from benchmark.metrics import taxonomy_scores
from tasks.ust.official import (
    CLASSES,
    COARSE,
    FINE,
    GROUPS,
    TAXONOMY,
    apply_rule,
    count_positives,
    gather_clips,
    read_annotations,
    read_predictions,
    read_taxonomy,
    score,
    write_submission,
)

ABOUT = ["split", "sensor_id", "audio_filename", "annotator_id"]
HEADER = [
    *ABOUT,
    *(f"{tag}_presence" for tag in FINE),
    *(f"{tag}_proximity" for tag in FINE),
    *(f"{tag}_presence" for tag in COARSE),
]


def row(split, sensor, name, annotator, present=(), unseen=()):
    """Cells of an annotation: tags by the start of their name, e.g. `1_` or `1-X`."""
    votes = {
        tag: "1" if tag.startswith(tuple(present)) else "-1" if tag.startswith(tuple(unseen)) else "0"
        for tag in CLASSES
    }
    return [
        split,
        str(sensor),
        name,
        str(annotator),
        *(votes[tag] for tag in FINE),
        *("-1" for _ in FINE),
        *(votes[tag] for tag in COARSE),
    ]


def write(path, rows, header=HEADER, newline="\n", start=""):
    path.write_text(start + newline.join(",".join(cells) for cells in [header, *rows]) + newline, newline="")
    return path


THREE = [
    row("train", 3, "03_1.wav", 10, present=["1_", "1-1"], unseen=["7_", "7-"]),
    row("train", 3, "03_1.wav", 11, present=["1_", "1-X", "7_", "7-1"]),
    row("train", 3, "03_1.wav", 12, unseen=["7_", "7-"]),
    row("validate", 4, "04_1.wav", -1, present=["2_"]),
    row("validate", 4, "04_1.wav", 0, present=["1_", "1-X"]),
    row("validate", 4, "04_2.wav", 0, present=["8_", "8-1"]),
]


def test_taxonomy_matches_the_original(reference):
    path = reference / "realdata" / "metadata" / "SONYC-UST" / "dcase-ust-taxonomy.yaml"
    read_taxonomy(path)
    content = yaml.safe_load(path.read_text())
    assert [f"{group}_{name}" for group, name in content["coarse"].items()] == list(COARSE)
    fine = [f"{group}-{key}_{name}" for group, tags in content["fine"].items() for key, name in tags.items()]
    assert fine == list(FINE)
    assert (COARSE[7], FINE[28]) == ("8_dog", "8-1_dog-barking-whining")


def test_outputs_and_groups_are_those_of_the_card():
    assert (len(COARSE), len(FINE), sum("-X_" in tag for tag in FINE)) == (8, 29, 6)
    ranges = [(8, 12), (12, 17), (17, 18), (18, 22), (22, 27), (27, 31), (31, 36), (36, 37)]
    for group, (first, end) in zip(GROUPS, ranges, strict=True):
        assert CLASSES[group.coarse].startswith(f"{group.name}_")
        tags = [*group.complete, *([] if group.incomplete is None else [group.incomplete])]
        assert tags == list(range(first, end))
    assert [group.name for group in GROUPS if group.incomplete is None] == ["3", "8"]


def test_real_tag_annotations(reference):
    """Counts and shares of research/data.md: 62,022 rows, 18,510 clips; of the clips with three full rows …"""
    path = reference / "realdata" / "metadata" / "SONYC-UST" / "tag_annotations.csv"
    annotations = read_annotations(path, partial=True)
    assert (len(annotations.filename), len(set(annotations.filename))) == (62_022, 18_510)
    assert np.isnan(annotations.votes[:, 8:]).all()
    rows_of = {}
    for place, name in enumerate(annotations.filename):
        rows_of.setdefault(name, []).append(place)
    full = ~np.isnan(annotations.votes[:, :8]).any(axis=1)
    votes = np.array([annotations.votes[rows, :8] for rows in rows_of.values() if len(rows) == 3 and full[rows].all()])
    presence, agreement = votes.mean(axis=(0, 1)), (votes == votes[:, :1]).all(axis=1).mean(axis=0)
    assert presence == pytest.approx([0.294, 0.089, 0.041, 0.055, 0.162, 0.051, 0.256, 0.043], abs=6e-4)
    assert agreement == pytest.approx([0.550, 0.833, 0.893, 0.911, 0.826, 0.935, 0.743, 0.964], abs=6e-4)


@pytest.mark.parametrize(("newline", "start"), [("\n", ""), ("\r\n", "\ufeff")])
def test_votes_become_shares(tmp_path, newline, start):
    path = write(tmp_path / "annotations.csv", THREE, newline=newline, start=start)
    clips = gather_clips(read_annotations(path), path)
    assert [clip[:3] for clip in clips] == [
        ("03_1.wav", "train", "3"),
        ("04_1.wav", "validate", "4"),
        ("04_2.wav", "validate", "4"),
    ]
    share = dict(zip(CLASSES, clips[0].share.tolist(), strict=True))
    assert share["1_engine"] == pytest.approx(2 / 3)
    assert share["1-1_small-sounding-engine"] == share["1-X_engine-of-uncertain-size"] == pytest.approx(1 / 3)
    assert share["7_human-voice"] == 1  # two of three have not labelled it
    assert share["8_dog"] == 0
    # Consensus alone counts where there is one.
    assert [clip.consensus for clip in clips] == [False, True, True]
    assert clips[1].share.tolist() == [float(tag in ("1_engine", "1-X_engine-of-uncertain-size")) for tag in CLASSES]


def test_label_rules():
    share = [0.0, 1 / 3, 0.5, 2 / 3, 1.0, np.nan]
    nan = np.nan
    np.testing.assert_array_equal(apply_rule(share, "any"), np.float32([0, 1, 1, 1, 1, nan]))
    np.testing.assert_array_equal(apply_rule(share, "majority"), np.float32([0, 0, 0, 1, 1, nan]))
    np.testing.assert_array_equal(apply_rule(share, "soft"), np.float32(share))


def test_majorities_of_the_training_clips_are_counted(tmp_path):
    """Two of three hear an engine, the one who voted a voice; one of two is no majority; validation is not counted."""
    rows = [*THREE, row("train", 5, "05_1.wav", 10, present=["1_", "8_"]), row("train", 5, "05_1.wav", 11, ["8_"])]
    path = write(tmp_path / "annotations.csv", rows)
    found = count_positives(gather_clips(read_annotations(path), path))
    assert found == {1: 1, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 1, 8: 1}
    assert count_positives([]) == dict.fromkeys(range(1, 9), 0)


def bad_annotations(place, text, line=0):
    rows = [list(cells) for cells in THREE]
    rows[line][HEADER.index(place)] = text
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (bad_annotations("1_engine_presence", "2"), "1_engine_presence is '2', none of 1, 0, -1\n.*csv:2"),
        (bad_annotations("1-X_engine-of-uncertain-size_presence", "", 1), "is '', none of 1, 0, -1\n.*csv:3"),
        (bad_annotations("split", "dev", 2), "split is 'dev', none of train, validate, test\n.*csv:4"),
        (bad_annotations("annotator_id", "x", 3), "annotator_id 'x' is no whole number\n.*csv:5"),
        (bad_annotations("annotator_id", "inf", 3), "annotator_id 'inf' is no whole number\n.*csv:5"),
        (bad_annotations("audio_filename", "", 4), "no audio_filename\n.*csv:6"),
        (bad_annotations("annotator_id", "10", 1), "03_1.wav is annotated twice by annotator 10\n.*csv:3"),
        (bad_annotations("split", "validate", 1), "03_1.wav has split validate, but train in line 2\n.*csv:3"),
        (bad_annotations("sensor_id", "9", 2), "03_1.wav has sensor_id 9, but 3 in line 2\n.*csv:4"),
        ([], "no annotations below the header"),
        ([THREE[0], THREE[1][:-1]], "73 cells where the first row has 70|cells where the first row has"),
    ],
)
def test_bad_annotations(tmp_path, rows, message):
    path = write(tmp_path / "annotations.csv", rows)
    with pytest.raises(InputError, match=message):
        gather_clips(read_annotations(path), path)


def test_missing_annotation_column(tmp_path):
    path = write(tmp_path / "annotations.csv", [cells[:-1] for cells in THREE], HEADER[:-1])
    with pytest.raises(InputError, match="no column 8_dog_presence; found"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["coarse"].update({8: "cat"}), "tag 8 is 'cat', expected 'dog'"),
        (lambda t: t["fine"][1].pop("X"), "tag 1-X is None, expected 'engine-of-uncertain-size'"),
        (lambda t: t["fine"].update({9: {1: "tram"}}), "tag 9-1 is 'tram', expected None"),
        (lambda t: t.pop("fine"), "not a taxonomy"),
    ],
)
def test_bad_taxonomy(tmp_path, change, message):
    content = {
        "coarse": {group: name for group, (name, _) in TAXONOMY.items()},
        "fine": {group: dict(fine) for group, (_, fine) in TAXONOMY.items()},
    }
    path = tmp_path / "taxonomy.yaml"
    path.write_text(yaml.safe_dump(content))
    read_taxonomy(path)
    change(content)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        read_taxonomy(path)


@pytest.mark.parametrize("text", ["fine: [1, 2", "- a list", "", "coarse: 3\nfine: 4"])
def test_taxonomy_that_is_none(tmp_path, text):
    path = tmp_path / "taxonomy.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="taxonomy"):
        read_taxonomy(path)
    with pytest.raises(InputError, match="cannot read the taxonomy"):
        read_taxonomy(tmp_path / "absent.yaml")


@pytest.fixture
def annotated(tmp_path):
    return write(tmp_path / "annotations.csv", THREE)


def submission(path, rows, header=("audio_filename", *FINE, *COARSE)):
    return write(path, rows, header)


def test_score_by_hand(tmp_path, annotated):
    """Two clips: 04_1 has an engine of uncertain size, 04_2 a dog."""
    values = {tag: ["0", "0"] for tag in CLASSES}
    values["1_engine"], values["8_dog"] = ["1", "0.2"], ["0.3", "0.6"]
    values["1-2_medium-sounding-engine"] = ["1.0", "0"]  # any engine tag hits an engine of uncertain size
    rows = [
        [name, *(values[tag][place] for tag in [*FINE, *COARSE])] for place, name in enumerate(["04_1.wav", "04_2.wav"])
    ]
    scores = score(annotated, submission(tmp_path / "out.csv", rows))
    # Engine: full recall at 1, a false alarm at 0.2: area 1. Dog: (0, 0) at 1, (1, 1) at 0.6: area 1/2.
    assert (scores["coarse/auprc/1"], scores["coarse/auprc/8"]) == (1.0, 0.5)
    assert scores["coarse/macro_auprc"] == 1.5 / 8
    assert scores["coarse/micro_f1"] == 1.0
    assert (scores["fine/auprc/1"], scores["fine/auprc/8"]) == (1.0, 0.0)
    assert scores["fine/micro_f1"] == pytest.approx(2 / 3)  # the dog is missed


def test_reference_is_the_consensus_of_the_predicted_splits(tmp_path, annotated):
    rows = [*THREE, row("test", 5, "05_1.wav", 0, present=["6_"])]
    write(annotated, rows)
    half = ["0.5"] * len(CLASSES)
    validate = submission(tmp_path / "validate.csv", [["04_2.wav", *half], ["04_1.wav", *half]])
    test = submission(tmp_path / "test.csv", [["05_1.wav", *half]])
    assert score(annotated, validate)["coarse/auprc/6"] == 0
    assert score(annotated, test)["coarse/auprc/6"] > 0
    with pytest.raises(InputError, match=r"1 of 2 clips of the reference are not in the predictions: 04_1.wav"):
        score(annotated, submission(tmp_path / "out.csv", [["04_2.wav", *half]]))
    with pytest.raises(InputError, match=r"1 of 3 clips of the predictions are not in the reference: 03_1.wav"):
        score(annotated, submission(tmp_path / "out.csv", [[f"0{name}.wav", *half] for name in ("3_1", "4_1", "4_2")]))


def test_reference_without_consensus(tmp_path, annotated):
    write(annotated, THREE[:3])
    with pytest.raises(InputError, match="no row is by annotator 0"):
        score(annotated, submission(tmp_path / "out.csv", [["03_1.wav", *["0.5"] * 37]]))


def test_submission_is_read_back_exactly(tmp_path, annotated):
    probabilities = np.random.default_rng(0).random((2, len(CLASSES)))
    probabilities[0, :3] = 0, 1, 1e-17
    path = tmp_path / "runs" / "submission.csv"
    write_submission(path, ["04_1.wav", "04_2.wav"], probabilities)
    names, read = read_predictions(path)
    assert names == ["04_1.wav", "04_2.wav"]
    np.testing.assert_array_equal(read, probabilities)
    assert path.read_text().splitlines()[0] == ",".join(["audio_filename", *FINE, *COARSE])
    truth = np.array([clip.share for clip in gather_clips(read_annotations(annotated), annotated)[1:]])
    assert score(annotated, path) == taxonomy_scores(truth, probabilities, GROUPS)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"1_engine": "1.2"}, "prediction '1.2' is not a number in \\[0, 1\\]\n.*csv:2, column 1_engine"),
        ({"1_engine": "nan"}, "prediction 'nan'"),
        ({"8-1_dog-barking-whining": ""}, "prediction ''.*\n.*column 8-1_dog"),
        ({"8-1_dog-barking-whining": "-1"}, "prediction '-1'"),
        ({"audio_filename": ""}, "no audio_filename\n.*csv:2"),
        ({"audio_filename": "04_2.wav"}, "audio_filename '04_2.wav' occurs twice\n.*csv:3"),
    ],
)
def test_bad_predictions(tmp_path, annotated, cells, message):
    header = ["audio_filename", *FINE, *COARSE]
    first = {"audio_filename": "04_1.wav"} | dict.fromkeys([*FINE, *COARSE], "0.5") | cells
    path = submission(tmp_path / "out.csv", [list(first.values()), ["04_2.wav", *["0.5"] * 37]], header)
    with pytest.raises(InputError, match=message):
        score(annotated, path)


def test_predictions_lack_a_tag(tmp_path, annotated):
    path = submission(tmp_path / "out.csv", [["04_1.wav", *["0.5"] * 29]], ["audio_filename", *FINE])
    with pytest.raises(InputError, match="no column 1_engine, 2_machinery-impact, 3_non-machinery-impact, "):
        score(annotated, path)
    with pytest.raises(InputError, match="no predictions below the header"):
        score(annotated, submission(tmp_path / "out.csv", []))


@pytest.mark.parametrize(
    ("names", "probabilities", "message"),
    [
        (["a"], np.zeros((1, 36)), "1 files, but probabilities"),
        (["a", "a"], np.zeros((2, 37)), "occurs twice"),
        (["a"], np.full((1, 37), np.nan), "prediction 'nan' is not a number"),
    ],
)
def test_bad_submission_is_not_written(tmp_path, names, probabilities, message):
    with pytest.raises(InputError, match=message):
        write_submission(tmp_path / "out.csv", names, probabilities)
    assert not any(tmp_path.iterdir())


def test_score_of_15_000_clips_takes_seconds(tmp_path):
    names = [f"{clip:05}.wav" for clip in range(15_000)]
    annotated = write(tmp_path / "annotations.csv", [row("validate", 0, name, 0, ["1_", "1-2"]) for name in names])
    path = tmp_path / "out.csv"
    write_submission(path, names, np.random.default_rng(0).random((len(names), 37)))
    start = time.process_time()
    scores = score(annotated, path)
    assert time.process_time() - start < 5
    assert scores["coarse/auprc/2"] == 0


def test_command_line_prints_one_json_object_without_importing_torch(tmp_path, annotated):
    path = submission(tmp_path / "out.csv", [[f"04_{clip}.wav", *["0.5"] * 37] for clip in (1, 2)])
    words = ["score", "ust", "--reference", str(annotated), "--predictions", str(path), "--json"]
    code = f"import sys\nfrom benchmark.cli import main\nassert main({words}) == 0\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == score(annotated, path)
