"""Figures show the numbers they are given."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from made_runs import made_predictions
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from benchmark.data.inventory import Event
from benchmark.data.stored_clips import Sound
from benchmark.registry import get_task
from benchmark.report.figures import (
    calibration_figure,
    curves_figure,
    event_figure,
    learning_figure,
    spectrogram_figure,
)
from benchmark.report.inline import inline


def drawn(figure):
    figure.savefig(io.BytesIO(), format="png")
    return figure


@pytest.mark.parametrize("seconds", [0.01, 0.5, 30.0])
def test_a_sine_is_loudest_at_its_frequency(seconds):
    rate, hertz = 16000, 3000
    sound = Sound(np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32), rate)
    (axes,) = drawn(spectrogram_figure(sound)).axes
    (image,) = axes.get_images()
    left, right, bottom, top = image.get_extent()
    level = np.asarray(image.get_array())
    band = level.mean(axis=1).argmax()
    assert bottom + (band + 0.5) / len(level) * (top - bottom) == pytest.approx(hertz / 1000, abs=8 / len(level))
    assert (left, right) == (0, pytest.approx(seconds, abs=1 / rate))


def test_silence_has_a_spectrogram():
    drawn(spectrogram_figure(Sound(np.zeros(4000, np.float32), 8000)))


def spans(figure, colour):
    """From where to where bars of a colour reach, and in which row they are."""
    found = []
    for bars in figure.axes[-1].findobj(PolyCollection):
        for path in bars.get_paths():
            if np.allclose(bars.get_facecolor()[0], colour):
                (left, top), (right, _) = path.vertices.min(0), path.vertices.max(0)
                found.append((round(left, 3), round(right, 3), round(top)))
    return found


def test_events_lie_where_they_are_the_reference_above_the_estimate():
    reference, estimate = [Event(0.5, 1.0, "dog"), Event(0.0, 2.0, "cat")], [Event(0.6, 1.5, "dog")]
    figure = drawn(event_figure(Sound(np.zeros(16000, np.float32), 8000), reference, estimate))
    green, orange = (patch.get_facecolor() for patch in figure.axes[-1].get_legend().get_patches())
    assert sorted(spans(figure, green)) == [(0.0, 2.0, 0), (0.5, 1.0, 1)]
    assert spans(figure, orange) == [(0.6, 1.5, 1)]
    assert [label.get_text() for label in figure.axes[-1].get_yticklabels()] == ["cat", "dog"]
    assert figure.axes[-1].get_xlim() == (0, 2)


def test_events_need_no_audio_and_audio_no_events():
    assert len(drawn(event_figure(None, [Event(1.0, 4.0, "dog")], [])).axes) == 1
    assert len(drawn(event_figure(Sound(np.ones(8000, np.float32), 8000), [], [])).axes) == 2
    drawn(event_figure(None, [], []))


@pytest.mark.parametrize(("task", "curves"), [("bad", 1), ("esc", 10), ("tagging", 42), ("ust", 38)])
def test_there_is_a_curve_a_class_and_of_many_one_of_all(task, curves):
    task = get_task(task)
    protocol = next(iter(task.protocols))
    found = made_predictions(task, protocol, 600)
    roc, recall = drawn(curves_figure(found, task.classes_of(protocol))).axes
    assert len(roc.lines) == curves + 1  # the diagonal
    assert len(recall.lines) == curves


def test_a_class_without_clips_has_no_curve():
    task = get_task("bad")
    found = made_predictions(task, "leave-one-dataset-out", 20)
    found.target[:] = 0
    roc, recall = drawn(curves_figure(found, task.classes)).axes
    assert (len(roc.lines), len(recall.lines)) == (1, 0)


def test_calibration_of_what_is_always_true():
    figure = drawn(calibration_figure(np.array([0.25, 0.25, 0.75]), np.ones(3, bool)))
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[0.25, 1.0], [0.75, 1.0]]


def test_learning_curves_with_and_without_validation():
    curve = (np.array([1.0, 2.0]), np.array([3.0, np.nan]))
    assert len(drawn(learning_figure({"a": curve}, {}, "")).axes) == 1
    both = drawn(learning_figure({"a": curve, "b": curve}, {"a": curve}, "val/auc")).axes
    assert [axes.get_ylabel() for axes in both] == ["training loss", "val/auc"]


def plain(name):
    figure = Figure()
    figure.subplots().set_title(name)
    return figure


def test_an_inline_figure_is_one_described_element_in_the_colour_of_the_text():
    svg = ElementTree.fromstring(inline(lambda: plain("a"), 'of "this" <b> & that'))
    assert svg.tag.endswith("svg")
    assert (svg.get("role"), svg.get("aria-label")) == ("img", 'of "this" <b> & that')
    text = inline(lambda: plain("a"), "")
    assert "currentColor" in text and 'id="figure' not in text
    assert text == inline(lambda: plain("a"), "")


@pytest.mark.parametrize("name", ["$5_ or $6^", "<script>alert(1)</script>", "a & b", "]]>", "--><b>"])
def test_any_name_can_stand_in_a_figure(name):
    svg = ElementTree.fromstring(inline(lambda: plain(name), name))
    assert name in "".join(svg.itertext())
    assert not [element for element in svg.iter() if str(element.tag).endswith(("script", "}b"))]
