"""What a run keeps of its clips is what is read back."""

import dataclasses

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.metrics.measures import all_once
from benchmark.predictions import Predictions, read_predictions
from benchmark.registry import all_tasks, get_task
from tasks.sed.official import event_scores


def predictions(**changes):
    fields = {
        "clip_id": np.array(["a", "b", "c"]),
        "group": np.array(["test"] * 3),
        "target": np.array([[0, 1], [np.nan, 0], [1, 0]], dtype=np.float32),
        "probabilities": np.array([[0.1, 0.9], [1 / 3, 2 / 3], [0.5, 0.5]]),
    }
    return Predictions(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decision": np.array([1, 0, 0])},
        {"cluster": np.array(["here", "here", "there"])},
        {"events": [[], [Event(0.1, 1 / 3, "Dog"), Event(0.0, 9.5, "Cat")], []], "reference_events": [[], [], []]},
    ],
)
def test_they_are_read_as_they_were_written(tmp_path, changes):
    written = predictions(**changes)
    written.write(tmp_path, frames=np.zeros((5, 2)))
    found = read_predictions(tmp_path)
    for field in dataclasses.fields(Predictions):
        there, expected = getattr(found, field.name), getattr(written, field.name)
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(there, expected)
        else:
            assert there == expected
    assert np.load(tmp_path / "predictions.npz")["frames"].shape == (5, 2)


def test_conditions_are_read_as_they_were_written(tmp_path):
    written = predictions(conditions={"city": np.array(["Wien", "Rom", "Rom"]), "device": np.array(["a", "b", "c"])})
    written.write(tmp_path)
    found = read_predictions(tmp_path).conditions
    assert {name: values.tolist() for name, values in found.items()} == {
        "city": ["Wien", "Rom", "Rom"],
        "device": ["a", "b", "c"],
    }


def test_what_was_not_kept_is_said():
    with pytest.raises(InputError, match="kept no decision"):
        predictions().kept("decision")


@pytest.mark.parametrize("task", all_tasks().values(), ids=lambda task: task.name)
def test_a_clip_that_is_drawn_twice_counts_like_two_clips(task):
    """Every task's rules on several draws at once, and on tables of their own with copies of the drawn clips."""
    generator, classes = np.random.default_rng(0), task.classes_of(next(iter(task.protocols)))
    draws = [generator.integers(12, size=12) for _ in range(20)]
    target = np.eye(max(2, len(classes)), dtype=np.float32)[generator.integers(2, size=12), : len(classes)]
    events = [
        [Event(onset, onset + 1, classes[onset % len(classes)]) for onset in generator.integers(5, size=3).tolist()]
        for _ in range(24)
    ]
    whole = Predictions(
        clip_id=np.array([f"c{n}" for n in range(12)]),
        group=np.array(["test"] * 12 if task.name == "sed" else ["a", "b", "c", "private"] * 3),
        target=target,
        probabilities=generator.random((12, len(classes))),
        decision=generator.integers(len(classes), size=12),
        events=events[:12],
        reference_events=events[12:],
    )
    measures = task.load("rescorer")(whole, classes)
    times = np.stack([np.bincount(rows, minlength=12) for rows in draws]).astype(float)
    together = {key: measure(times) for key, measure in measures.items()}
    for place, rows in enumerate(draws):
        copies = dataclasses.replace(whole.take(rows), clip_id=np.array([f"copy {n}" for n in range(12)]))
        alone = all_once(task.load("rescorer")(copies, classes), 12)
        assert alone.keys() <= together.keys()
        for key, values in together.items():
            expected = np.nan if alone.get(key) is None else alone[key]
            assert values[place] == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), key
    assert np.isfinite(together[task.main_score]).any()


def test_some_clips_are_taken_with_all_that_is_known_of_them():
    whole = predictions(
        cluster=np.array(["here", "here", "there"]),
        events=[[], [Event(0.1, 1, "Dog")], [Event(2, 3, "Cat")]],
        conditions={"city": np.array(["Wien", "Rom", "Graz"])},
    )
    some = whole.take(np.array([2, 0]))
    assert (some.clip_id.tolist(), some.cluster.tolist()) == (["c", "a"], ["there", "here"])
    assert (some.events, some.reference_events, some.decision) == ([[Event(2, 3, "Cat")], []], None, None)
    assert some.conditions["city"].tolist() == ["Graz", "Wien"]
    np.testing.assert_array_equal(some.target, [[1, 0], [0, 1]])


def test_events_are_scored_by_the_official_rules():
    truth = {"a": [Event(0, 1, "Dog")], "b": [Event(2, 5, "Cat"), Event(0, 1, "Dog")], "c": []}
    found = {"a": [Event(0.1, 1.1, "Dog")], "b": [Event(2, 7, "Cat")], "c": [Event(1, 2, "Cat")]}
    kept = predictions(
        target=np.zeros((3, 10), dtype=np.float32),
        probabilities=np.zeros((3, 10)),
        events=list(found.values()),
        reference_events=list(truth.values()),
    )
    task = get_task("sed")
    scores, expected = all_once(task.load("rescorer")(kept, task.classes), 3), event_scores(truth, found)
    assert {key: scores[key] for key in expected} == expected
    assert scores["event_f1"] == pytest.approx((2 / 3 + 0) / 2)  # dogs: one of two found; cats: none
