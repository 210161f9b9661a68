"""Comparisons of runs on disk: what is joined, what is computed, what is refused."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

import leaderboard.__main__ as command_line
from benchmark.errors import InputError
from benchmark.records import read_record
from benchmark.registry import get_task
from leaderboard import RECORDS
from leaderboard.compare import NO_EVIDENCE, compare

ESC = get_task("esc")
PROTOCOL = "esc10-5-fold"
CLIPS = 100


def compare_runs(root, *words):
    return compare(root, root.parent / "records", *words)


def first(number):
    return np.arange(CLIPS) < number


def test_a_planted_difference_is_found(runs):
    for seed in range(5):
        runs("better", first(90 + seed), seed)
        runs("worse", first(60 + seed), seed)
    found = compare_runs(runs.root, "better", "worse")
    assert (found.a.score.value, found.b.score.value) == pytest.approx((0.92, 0.62))
    assert found.difference.value == pytest.approx(0.3)
    # The same clips differ for all seeds: 30 of 100, so that the error is sqrt(0.3 * 0.7 / 100) = 0.046.
    assert found.difference.low == pytest.approx(0.3 - 1.96 * 0.046, abs=0.02)
    assert found.difference.high == pytest.approx(0.3 + 1.96 * 0.046, abs=0.02)
    assert (found.p, found.wins, found.losses, found.ties) == (0.001, 5, 0, 0)
    assert (found.resampled, found.clips, found.folds, len(found.seeds)) == ("seeds and clips", 100, ("1",), 5)
    assert (found.task, found.variant, found.protocol, found.score) == ("esc", "full", PROTOCOL, "accuracy")
    assert found.notes == ("folds 1 of 1, 2, 3, 4, 5",)


def test_identical_runs_have_no_difference(runs):
    for seed in range(3):
        runs("a", first(50 + seed), seed)
        runs("b", first(50 + seed), seed)
    found = compare_runs(runs.root, "a", "b")
    assert dataclasses.astuple(found.difference) == (0, 0, 0)
    assert (found.p, found.wins, found.losses, found.ties) == (1, 0, 0, 3)


def test_clips_are_paired_by_their_ids_not_by_their_places(runs):
    order = np.random.default_rng(0).permutation(CLIPS)
    runs("a", first(70))
    runs("b", first(60))
    runs("shuffled", first(60), order=order)
    assert compare_runs(runs.root, "a", "b").difference == compare_runs(runs.root, "a", "shuffled").difference


def test_the_mean_over_folds_counts_and_clips_are_drawn_fold_by_fold(runs):
    for fold, right in {"1": 100, "2": 100, "3": 0, "4": 0, "5": 0}.items():
        runs("a", first(right), fold=fold)
        runs("b", first(0), fold=fold)
    found = compare_runs(runs.root, "a", "b")
    # Within a fold all clips are alike, so that nothing varies as long as every fold keeps its number of clips.
    assert dataclasses.astuple(found.difference) == pytest.approx((0.4, 0.4, 0.4))
    assert (found.clips, len(found.folds), found.notes) == (500, 5, ())


def test_one_or_two_seeds_are_clips_only(runs):
    for seed in range(2):
        runs("a", first(80), seed)
        runs("b", first(70), seed)
    assert compare_runs(runs.root, "a", "b").resampled == "clips only"


def test_what_only_one_side_has_is_named_and_left_out(runs):
    for seed in range(4):
        runs("a", first(80), seed)
    for seed in range(1, 5):
        runs("b", first(70), seed)
    found = compare_runs(runs.root, "a", "b")
    assert [one.seed for one in found.seeds] == [1, 2, 3]
    assert "only A has seed 0 fold 1: left out" in found.notes
    assert "only B has seed 4 fold 1: left out" in found.notes


def test_a_seed_without_all_folds_is_named_and_left_out(runs):
    for group in "ab":
        for seed, fold in [(0, "1"), (0, "2"), (1, "2")]:
            runs(group, first(80), seed, fold)
    found = compare_runs(runs.root, "a", "b")
    assert [one.seed for one in found.seeds] == [0]
    assert "not in all folds: seed 1 fold 2: left out" in found.notes


def test_the_newest_of_repeated_runs_counts(runs):
    runs("a", first(10), id="a-old", created="2025-01-01T00:00:00+00:00")
    runs("a", first(80))
    runs("b", first(70))
    found = compare_runs(runs.root, "a", "b")
    assert found.a.score.value == 0.8
    assert "A: 1 older run of the same fold and seed left out" in found.notes


def test_runs_are_named_as_everywhere(runs):
    folder = runs("a", first(80))
    runs("b", first(70))
    expected = compare_runs(runs.root, "a", "b")
    assert compare_runs(runs.root, str(folder), "b-1-s") == expected


def test_another_score_of_the_record(runs):
    runs("a", first(80))
    runs("b", first(70))
    name = ESC.classes_of(PROTOCOL)[0]
    found = compare_runs(runs.root, "a", "b", f"accuracy/{name}")
    assert (found.a.score.value, found.b.score.value, found.difference.value) == pytest.approx((0.8, 0.7, 0.1))


def test_classes_are_won_and_lost_by_the_clips_that_one_alone_has_right(runs):
    a, b = first(100), first(100)
    a[[3, 13, 4]] = False
    b[[3, 5, 15, 25]] = False
    runs("a", a)
    runs("b", b)
    found = {one.name: one for one in compare_runs(runs.root, "a", "b").classes}
    names = ESC.classes_of(PROTOCOL)
    assert list(found) == list(names)
    assert dataclasses.astuple(found[names[3]]) == (names[3], 0.8, 0.9, 0, 1)
    assert dataclasses.astuple(found[names[4]]) == (names[4], 0.9, 1.0, 0, 1)
    assert dataclasses.astuple(found[names[5]]) == (names[5], 1.0, 0.7, 3, 0)
    assert dataclasses.astuple(found[names[6]]) == (names[6], 1.0, 1.0, 0, 0)


def test_clips_that_were_recorded_together_are_drawn_together(runs):
    places = np.repeat(np.arange(20), 5).astype(str)
    half = np.arange(CLIPS) % 10 < 5  # every other place is right as a whole
    runs("a", half, cluster=places)
    runs("b", first(0))  # of an older version, which did not say what was recorded together
    runs("c", half)
    together, alone = (compare_runs(runs.root, name, "b") for name in ("a", "c"))
    assert (together.resampled, together.clusters) == ("clips only, by source", 20)
    assert (alone.resampled, alone.clusters) == ("clips only", None)
    widths = [one.difference.high - one.difference.low for one in (together, alone)]
    assert widths == pytest.approx([2 * 1.96 * 0.5 / 20**0.5, 2 * 1.96 * 0.5 / 100**0.5], rel=0.2)


def committed(runs, *groups):
    """Their records as `submit` leaves them, and no runs."""
    records = runs.root.parent / "records"
    records.mkdir()
    for file in runs.root.glob("*/*/*/record.json"):
        record = read_record(file)
        if record.group in groups:
            target = records / f"{record.task}-{record.system}-{record.id}.json"
            file.rename(target)
            file.with_name("predictions.npz").rename(target.with_suffix(".npz"))
    return records


def test_committed_records_are_compared_like_runs(runs):
    for fold in "12":
        runs("a", first(80), fold=fold)
        runs("b", first(70), fold=fold)
    expected = compare_runs(runs.root, "a", "b")
    records = committed(runs, "b")
    assert compare_runs(runs.root, "a", "b") == expected
    assert compare_runs(runs.root, "a", "esc-system-b") == expected
    one = compare_runs(runs.root, "a", str(records / "esc-system-b-b-1-s0.json"))
    assert (one.folds, one.b.score.value) == (("1",), 0.7)
    with pytest.raises(InputError, match="no finished run is called 'esc-system-c'"):
        compare_runs(runs.root, "a", "esc-system-c")


def test_a_name_of_two_committed_results_is_refused(runs):
    for group in "ab":
        runs(group, first(80), system="cnn8")
    committed(runs, "a", "b")
    runs("c", first(80))
    with pytest.raises(InputError, match=r"2 committed results are called 'esc-cnn8'[^$]*name a group: a, b"):
        compare_runs(runs.root, "c", "esc-cnn8")


def test_two_systems_on_real_audio_agree_with_scipy(tmp_path):
    """ESC-10 as it is committed: accuracy is a ratio of sums over the sources of a fold, and the mean over folds."""
    for file in RECORDS.glob("esc-cnn[48]-20261121-*"):
        shutil.copy(file, tmp_path)
    found = compare(tmp_path / "runs", tmp_path, "esc-cnn8", "esc-cnn4")
    folds = []
    for fold in "12345":
        ((a,), (b,)) = (tmp_path.glob(f"esc-{name}-*-{fold}-s0.npz") for name in ("cnn8", "cnn4"))
        with np.load(a) as ours, np.load(b) as theirs:
            assert ours["clip_id"].tolist() == theirs["clip_id"].tolist()
            source = np.unique([name.split("-")[1] for name in ours["clip_id"]], return_inverse=True)[1]
            right = [file["probabilities"].argmax(1) == file["target"].argmax(1) for file in (ours, theirs)]
        folds.append(np.stack([np.bincount(source), *(np.bincount(source, values) for values in right)]))

    def difference(*sources):
        parts = [fold[:, drawn].sum(axis=1) for fold, drawn in zip(folds, sources, strict=True)]
        return np.mean([(a - b) / clips for clips, a, b in parts])

    sources = [np.arange(fold.shape[1]) for fold in folds]
    theirs = stats.bootstrap(
        sources, difference, method="percentile", n_resamples=4000, vectorized=False, rng=np.random.default_rng(0)
    )
    assert found.difference.value == pytest.approx(difference(*sources), abs=1e-12)
    assert (found.clips, found.clusters) == (400, sum(map(len, sources)))
    interval = (found.difference.low, found.difference.high)
    assert interval == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * theirs.standard_error)


def test_resamples_without_a_score_are_left_out_and_counted(runs):
    right = np.ones(12, dtype=bool)  # two clips each of two classes, one each of the others
    runs("a", right)
    runs("b", ~right)
    name = ESC.classes_of(PROTOCOL)[5]
    found = compare_runs(runs.root, "a", "b", f"accuracy/{name}")
    (note,) = (note for note in found.notes if "undefined" in note)
    # The class has one of twelve clips: (11 / 12) ** 12 = 0.35 of the resamples miss it.
    assert int(note.split(" in ")[1].split()[0]) == pytest.approx(352, abs=60)
    assert found.difference.value == 1


def test_what_a_reader_must_know_is_noted(runs):
    runs("a", first(80), scale=0.1, overrides=["--trainer.scale", "0.1"], selection="test")
    runs("b", first(70), scale=0.1)
    notes = compare_runs(runs.root, "a", "b").notes
    assert "A: scale 0.1, not the whole recipe" in notes and "B: scale 0.1, not the whole recipe" in notes
    assert "A: recipe changed by --trainer.scale 0.1" in notes
    assert "A: weights selected on the scored data" in notes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol": "esc50-5-fold"}, r"differ in protocol \(esc10-5-fold and esc50-5-fold\)"),
        ({"variant": "mini"}, r"variant \(full and mini\)"),
        ({"dataset_fingerprint": "777"}, r"dataset_fingerprint \(fedcba and 777\)"),
        ({"variant": "mini", "dataset_fingerprint": "777"}, r"variant \(full and mini\); dataset_fingerprint"),
        ({"scale": 0.01}, r"scale \(1 and 0.01\)"),
        ({"seed": 7}, "no fold and seed in common"),
        ({"fold": "2"}, "no fold and seed in common"),
        ({"random_weights": True}, "random weights"),
    ],
)
def test_runs_that_cannot_be_compared(runs, changes, words):
    runs("a", first(80))
    runs("b", first(70), **changes)
    with pytest.raises(InputError, match=words):
        compare_runs(runs.root, "a", "b")


def test_another_task_is_another_thing(runs):
    runs("a", first(80))
    runs("b", first(70), task="bad", protocol="random-3-fold")
    with pytest.raises(InputError, match=r"differ in task \(esc and bad\); protocol"):
        compare_runs(runs.root, "a", "b")


def test_no_seed_with_all_folds(runs):
    for group in "ab":
        runs(group, first(80), 0, "1")
        runs(group, first(80), 1, "2")
    with pytest.raises(InputError, match="no seed has all folds in common"):
        compare_runs(runs.root, "a", "b")


def test_predictions_that_are_missing_broken_old_or_others(runs):
    good, bad = runs("a", first(80)), runs("b", first(70))
    path = bad / "predictions.npz"
    whole = path.read_bytes()

    def refused(words):
        with pytest.raises(InputError, match=words):
            compare_runs(runs.root, "a", "b")

    path.unlink()
    refused("there are no predictions")
    damaged = [whole[:place] + bytes(40) + whole[place + 40 :] for place in (80, 300, len(whole) // 2)]
    for broken in (b"", whole[: len(whole) // 2], b"\x00" * 100, *damaged):
        path.write_bytes(broken)
        refused("not a file of predictions")
    with np.load(good / "predictions.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **{name: array for name, array in arrays.items() if name != "target"})
    refused("without a proper 'target'")
    np.savez(path, **{name: array for name, array in arrays.items() if name != "decision"})
    refused("kept no decision")
    np.savez(path, **arrays)
    refused("the predictions give accuracy 0.8, the record 0.7")


def test_other_clips_or_labels_cannot_be_paired(runs):
    runs("a", first(80))
    folder = runs("b", first(80))
    with np.load(folder / "predictions.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(folder / "predictions.npz", **(arrays | {"clip_id": np.array([f"other-{n}" for n in range(CLIPS)])}))
    with pytest.raises(InputError, match="did not score the same clips: clip-000, clip-001"):
        compare_runs(runs.root, "a", "b")
    turned = {"target": np.roll(arrays["target"], 1, axis=1), "decision": (arrays["decision"] + 1) % 10}
    np.savez(folder / "predictions.npz", **(arrays | turned))
    with pytest.raises(InputError, match="by the same labels"):
        compare_runs(runs.root, "a", "b")


def test_scores_that_are_unknown_or_undefined(runs):
    for group in "ab":
        runs(group, [True] * 5)  # of classes 0 to 4
    with pytest.raises(InputError, match=r"no score 'acuracy'[\s\S]*did you mean 'accuracy'"):
        compare_runs(runs.root, "a", "b", "acuracy")
    with pytest.raises(InputError, match="is undefined"):
        compare_runs(runs.root, "a", "b", f"accuracy/{ESC.classes_of(PROTOCOL)[7]}")


@pytest.fixture
def command(runs, monkeypatch, capsys):
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(runs.root))

    def run(*words):
        code = command_line.main(["compare", *words])
        return code, *capsys.readouterr()

    return run


def test_the_screen_shows_what_it_must(runs, command):
    for seed in range(3):
        runs("a", first(80 + seed), seed, system="[bold]x", variant="mini")
        runs("b", first(70), seed, variant="mini")
    code, out, err = command("a", "b", "--resamples", "300")
    assert (code, err) == (0, "")
    assert "esc, esc10-5-fold, mini data: accuracy" in out
    a, b, difference = (line.split() for line in out.splitlines()[5:8])
    assert a[:4] == ["A", "[bold]x", "a", "0.810"] and b[:4] == ["B", "system-b", "b", "0.700"]
    assert difference[:4] == ["A", "-", "B", "+0.110"] and difference[-6:] == ["0.00333", "3", "/", "0", "/", "0"]
    assert "+0.120" in out  # of the last seed
    # Clips 70 to 82 are three to four a class; three seeds: ten, eleven and twelve clips are won in all.
    (sneeze,) = (line.split() for line in out.splitlines() if "Person sneeze" in line)
    assert sneeze == ["Person", "sneeze", "0.800", "0.700", "3", "0"]
    assert "100 clips, 1 fold, 3 seeds; intervals and p: 300 resamples of seeds and clips" in out
    assert NO_EVIDENCE not in out and "clips only" not in out
    assert "note: folds 1 of 1, 2, 3, 4, 5" in out


def test_the_screen_says_when_there_is_no_evidence(runs, command):
    runs("a", first(80))
    runs("b", first(80))
    _, out, _ = command("a", "b")
    assert NO_EVIDENCE in out and "clips only: fewer than three seeds" in out


def test_json_is_one_object_and_the_same_every_time(runs, command):
    for seed in range(3):
        runs("a", first(80 + seed), seed)
        runs("b", first(70), seed)
    code, out, err = command("a", "b", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["difference"]["value"] == pytest.approx(0.11)
    assert found["difference"]["low"] < 0.11 < found["difference"]["high"]
    assert found["seeds"][2] == {"seed": 2, "a": 0.82, "b": 0.7}
    assert (found["a"]["group"], found["resampled"], found["resamples"]) == ("a", "seeds and clips", 1000)
    assert command("a", "b", "--json")[1] == out


def test_errors_end_with_code_2_and_no_traceback(runs, command):
    runs("a", first(80))
    for words in (["a", "nothing"], ["a", "a", "--resamples", "5"], ["a", "a", "--score", "x"], ["a"]):
        code, out, err = command(*words)
        assert (code, out) == (2, "")
        assert "error: " in err and "Traceback" not in err


def test_neither_tables_nor_comparisons_import_torch(runs, tmp_path):
    runs("a", first(80))
    code = (
        "import sys; from leaderboard.__main__ import main; "
        "assert main(['compare', 'a', 'a', '--resamples', '100']) == 0; "
        f"assert main(['--out', {str(tmp_path / 'out')!r}]) == 0; sys.exit('torch' in sys.modules)"
    )
    environment = {"DCASE_BENCH_RUNS": str(runs.root), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
