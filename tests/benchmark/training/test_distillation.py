"""Strong pseudo-labels worked out by hand."""

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.postprocessing.smoothing import gaussian_smooth, median_smooth
from benchmark.training.distillation import (
    BestOfClass,
    best_members,
    mask_absent,
    merge_classes,
    strong_labels,
)

NAN = float("nan")


def test_each_class_is_that_of_its_best_member():
    deep, shallow = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[10.0, 20, 30], [40, 50, 60]])
    merged = merge_classes([deep, shallow], np.array([0, 1, 0]))
    assert merged.tolist() == [[1, 20, 3], [4, 50, 6]]


def test_the_best_member_is_the_first_of_equals_and_undefined_is_worst():
    assert best_members(np.array([[0.5, 0.2, NAN], [0.5, 0.4, 0.0]])).tolist() == [0, 1, 1]


def test_classes_known_to_be_absent_are_masked():
    frames = np.full((2, 3), 0.8)
    assert mask_absent(frames, np.array([1, 0, NAN])).tolist() == [[0.8, 0, 0.8]] * 2


def test_labels_are_merged_then_smoothed_then_masked():
    rng = np.random.default_rng(0)
    members = [[rng.random((9, 2)), rng.random((7, 2))] for _ in range(2)]
    tags = np.array([[1.0, 0.0], [NAN, NAN]])
    labels = strong_labels(members, tags, np.array([1, 0]), median=[3, 5], sigma=1.5)
    assert [label.shape for label in labels] == [(9, 2), (7, 2)]
    for clip, label in enumerate(labels):
        cat = gaussian_smooth(median_smooth(members[1][clip][:, :1], 3), 1.5)
        dog = gaussian_smooth(median_smooth(members[0][clip][:, 1:], 5), 1.5)
        np.testing.assert_allclose(label, np.concatenate([cat, 0 * dog if clip == 0 else dog], axis=1), atol=1e-7)
        assert label.dtype == np.float32


def test_a_speck_is_no_label_and_a_hole_is_filled():
    frames = np.array([0, 0.9, 0, 0, 0.9, 0.8, 0.1, 0.9, 0.7, 0, 0])[:, None]
    (label,) = strong_labels([[frames]], np.array([[1.0]]), np.array([0]), median=3)
    assert label[:, 0].tolist() == pytest.approx([0, 0, 0, 0, 0.8, 0.8, 0.8, 0.7, 0.7, 0, 0])


def test_the_fusion_takes_each_class_from_the_member_with_the_best_f1():
    target = np.array([[1.0, 1], [1, 0], [0, 1], [NAN, NAN]])
    first = np.array([[0.9, 0.4], [0.8, 0.6], [0.1, 0.7], [0.5, 0.5]])  # right on the first class
    second = np.array([[0.9, 0.9], [0.2, 0.1], [0.1, 0.7], [0.9, 0.9]])  # right on the second
    fusion = BestOfClass()
    fusion.fit(np.stack([first, second]), target, np.ones(4))
    frames = np.stack([np.zeros((5, 2)), np.ones((5, 2))])
    assert fusion(frames).tolist() == [[0, 1]] * 5


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="cannot be merged"):
        merge_classes([np.zeros((2, 3)), np.zeros((4, 3))], np.zeros(3))
    with pytest.raises(InputError, match="there are 1 members"):
        merge_classes([np.zeros((2, 3))], np.array([0, 1, 0]))
    with pytest.raises(InputError, match="no member was chosen"):
        BestOfClass()(np.zeros((2, 3, 4)))
