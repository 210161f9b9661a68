"""Pictures: PNG files of a sensible size, whatever the scores."""

import numpy as np
import pytest
from matplotlib import image

from benchmark.errors import BenchmarkError
from benchmark.plots import plot_class_scores, plot_confusion

NAMES = [f"class_{number}" for number in range(41)]


def picture(path):
    """The pixels `(rows, columns, 3)` in [0, 1]."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(path)[..., :3]
    assert 150 < pixels.shape[0] < 4000 and 300 < pixels.shape[1] < 4000
    assert np.ptp(pixels) > 0.5
    return pixels


def green(pixels):
    """How much of it is clearly green."""
    return (pixels[..., 1] > pixels[..., 0] + 0.2).mean()


@pytest.mark.parametrize("n", [1, 2, 10, 41])
def test_confusion_grows_with_the_classes(tmp_path, n):
    target = np.arange(60) % n
    plot_confusion(tmp_path / "right.png", target, target, NAMES[:n], "a / b")
    plot_confusion(tmp_path / "spread.png", target, np.random.default_rng(0).integers(0, n, 60), NAMES[:n], "a / b")
    right = picture(tmp_path / "right.png")
    assert right.shape == picture(tmp_path / "spread.png").shape
    if n == 41:
        assert min(right.shape[:2]) > 1000
        assert green(right) > 0


def test_confusion_is_a_share_of_the_true_class(tmp_path):
    """The one clip of a rare class makes as green a cell as the ninety of a frequent one."""
    for name, clips in (("both", 91), ("one", 90)):
        target = np.array([0] * 90 + [1])[:clips]
        plot_confusion(tmp_path / f"{name}.png", target, target, ["a", "b"], "")
    both, one = (green(picture(tmp_path / f"{name}.png")) for name in ("both", "one"))
    assert both / one == pytest.approx(2, rel=0.1)


def test_a_class_without_clips_and_no_clips_at_all(tmp_path):
    plot_confusion(tmp_path / "x.png", np.array([0, 0]), np.array([2, 0]), ["a", "b", "c"], "")
    nothing = np.zeros(0, dtype=int)
    plot_confusion(tmp_path / "y.png", nothing, nothing, ["a", "b", "c"], "")
    picture(tmp_path / "x.png")
    assert green(picture(tmp_path / "y.png")) == 0


@pytest.mark.parametrize("n", [1, 10, 41])
def test_class_scores_with_undefined_ones(tmp_path, n):
    scores = {name: None if place % 3 == 0 else place / n for place, name in enumerate(NAMES[:n])}
    plot_class_scores(tmp_path / "x.png", scores, "title", "F1")
    pixels = picture(tmp_path / "x.png")
    assert (n < 41) == (pixels.shape[0] < 1000)
    assert (green(pixels) > 0) == (n > 1)


def test_bars_are_as_long_as_the_scores(tmp_path):
    """The bars' share of green pixels doubles with the scores."""
    for name, value in (("low", 0.4), ("high", 0.8), ("none", None)):
        plot_class_scores(tmp_path / f"{name}.png", dict.fromkeys("abcdef", value), "title", "F1")
    low, high, none = (green(picture(tmp_path / f"{name}.png")) for name in ("low", "high", "none"))
    assert none == 0 < low
    assert high / low == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("title", ["a / b [c]", "costs $5_ or $6^", "a_b^c\\d", ""])
def test_any_name_can_be_a_title(tmp_path, title):
    plot_class_scores(tmp_path / "x.png", {"a": 0.5}, title, "F1")
    plot_confusion(tmp_path / "y.png", np.zeros(1, int), np.zeros(1, int), ["a"], title)


def test_a_place_that_takes_no_files_is_an_error_of_the_work(tmp_path):
    with pytest.raises(BenchmarkError, match="cannot write") as caught:
        plot_class_scores(tmp_path / "absent" / "x.png", {"a": 0.5}, "", "")
    assert caught.value.exit_code == 1
