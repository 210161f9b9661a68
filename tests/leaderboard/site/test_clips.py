"""Clips of runs: which are shown, what is said of them, and what comes with them."""

import numpy as np
import pytest
import soundfile
from site_runs import put_sed

from benchmark.predictions import Predictions, read_predictions
from benchmark.registry import get_task
from leaderboard.site import clips
from leaderboard.site.clips import MOST_CLIPS, ClipPictures
from leaderboard.site.entries import load_site
from tasks.sed.official import by_file, event_rows

SED = get_task("sed")


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """The miniature of `sed`, and the events of its test list by clip."""
    root = tmp_path_factory.mktemp("mini")
    SED.load("mini")(root)
    rows = by_file(event_rows(root / "dataset" / "metadata" / "test" / "test.csv"))
    return root, {f"test/{name}": events for name, events in rows.items()}


@pytest.fixture
def files(mini, monkeypatch):
    """Where the miniature's clips are, without importing what trains."""
    root, events = mini
    found = {clip: root / "dataset" / "audio" / clip for clip in events}
    monkeypatch.setattr(clips, "_audio_files", lambda *_: found)
    return found


def clips_of(tmp_path, root, with_audio=False):
    (entry,) = load_site(tmp_path / "records", tmp_path / "runs").entries
    pictures = ClipPictures(tmp_path / "site", with_audio)
    return pictures.of(entry, SED, read_predictions(entry.run.predictions), root)


def test_events_and_probabilities_over_time(tmp_path, mini, files):
    root, events = mini
    put_sed(tmp_path / "runs", root, events)
    found, reason = clips_of(tmp_path, root)
    assert (len(found), reason) == (MOST_CLIPS, "")
    for clip in found:
        annotated = [[lane["name"], *span] for lane in clip["lanes"] for span in lane["reference"]]
        assert sorted(annotated) == sorted([e.label, *map(float, (e.onset, e.offset))] for e in events[clip["name"]])
        for lane in clip["lanes"]:
            assert lane["estimate"] == [
                [onset, pytest.approx((onset + offset) / 2, abs=1e-3)] for onset, offset in lane["reference"]
            ]
            # Twenty frames of a tenth of a second, whose probability rises from 0 to 1.
            assert lane["times"] == pytest.approx(np.arange(20) * 0.1 + 0.05)
            assert lane["curve"] == pytest.approx(np.linspace(0, 1, 20), abs=1e-3)


def test_synthetic_sound_is_copied_and_real_sound_on_demand(tmp_path, mini, files):
    root, events = mini
    put_sed(tmp_path / "runs", root, events)
    (first, *_), _ = clips_of(tmp_path, root)
    samples, rate = soundfile.read(tmp_path / "site" / first["audio"])
    original, _ = soundfile.read(files[first["name"]])
    assert np.array_equal(samples, original)
    assert first["seconds"] == pytest.approx(len(samples) / rate)
    put_sed(tmp_path / "runs", root, events, variant="custom:1", dataset_fingerprint="1")
    silent, _ = clips_of(tmp_path, root)
    loud, _ = clips_of(tmp_path, root, with_audio=True)
    assert {clip["audio"] for clip in silent} == {None}
    assert all((tmp_path / "site" / clip["audio"]).is_file() for clip in loud)
    assert [clip["image"] for clip in silent] == [clip["image"] for clip in loud]


def test_runs_of_the_same_data_show_the_same_clips_drawn_once(tmp_path, mini, files):
    root, events = mini
    for system in ("cnn4", "cnn8"):
        put_sed(tmp_path / "runs", root, events, system=system)
    pictures, shown = ClipPictures(tmp_path / "site", with_audio=False), []
    for entry in load_site(tmp_path / "records", tmp_path / "runs").entries:
        found, _ = pictures.of(entry, SED, read_predictions(entry.run.predictions), root)
        shown.append([(clip["name"], clip["image"]) for clip in found])
    assert shown[0] == shown[1]
    assert len(list((tmp_path / "site" / "clips").glob("*.png"))) == MOST_CLIPS


def test_clips_are_spread_over_classes():
    target = np.repeat(np.eye(3), 40, axis=0)
    found = Predictions(np.array([f"{row:03}" for row in range(120)]), np.full(120, ""), target, target)
    chosen = target[clips._spread(found)].argmax(axis=1)
    assert np.bincount(chosen).tolist() == [4, 4, 4]


def test_data_that_is_gone_or_another(tmp_path, mini, monkeypatch):
    root, events = mini
    put_sed(tmp_path / "runs", root, events)
    assert clips_of(tmp_path, tmp_path / "gone") == ([], "No clips to see or hear: the run's data is not here.")
    monkeypatch.setattr(clips, "_audio_files", lambda *_: {"test/other.wav": root})
    found, reason = clips_of(tmp_path, root)
    assert (found, reason) == ([], "No clips to see or hear: the run's clips are not in its data.")


def test_a_file_that_is_no_audio_is_said(tmp_path, mini, files):
    root, events = mini
    put_sed(tmp_path / "runs", root, events)
    for clip in files:
        files[clip] = root / "dataset" / "metadata" / "test" / "test.csv"
    found, reason = clips_of(tmp_path, root)
    assert found == []
    assert reason.startswith("No clips to see or hear: ")


@pytest.mark.slow  # imports what trains
def test_where_the_clips_of_a_task_are(mini):
    root, events = mini
    found = clips._audio_files("sed", root, "test")
    assert all(found[clip].is_file() and found[clip].name == clip.removeprefix("test/") for clip in events)
