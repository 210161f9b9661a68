"""The gate of card `task-ust-cnn-vggish`, by hand."""

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.fusion.hierarchy import HierarchicalGate
from benchmark.metrics.urban import TagGroup, taxonomy_scores

NAN = np.nan
# Classes: coarse A, B, C; fine A1, A2, B1, B2, C1.
GROUPS = [[0, 3, 4], [1, 5, 6], [2, 7]]
A = [NAN, NAN, NAN, 0.7, 0.2, NAN, NAN, NAN]
B = [NAN, NAN, NAN, NAN, NAN, 0.6, 0.9, NAN]


def fused(coarse, own=(0.31, 0.32, 0.33, 0.34, 0.35), **settings):
    members = np.array([[[*coarse, *own]], [A], [B]])
    return HierarchicalGate(GROUPS, **settings)(members)[0].tolist()


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [
        ([0.8, 0.1, 0.3], [0.7, 0.2, 0, 0, 0.3]),  # A above the threshold
        ([0.4, 0.1, 0.3], [0.7, 0.2, 0, 0, 0.3]),  # A is the largest, though below it
        ([0.6, 0.7, 0.3], [0.7, 0.2, 0.6, 0.9, 0.3]),  # both above it
        ([0.5, 0.6, 0.3], [0, 0, 0.6, 0.9, 0.3]),  # 0.5 is not above 0.5
        ([0.1, 0.2, 0.9], [0, 0, 0, 0, 0.9]),  # the largest has an only fine class: nothing to open
        ([0.2, 0.2, 0.1], [0.7, 0.2, 0, 0, 0.1]),  # the first of equals
    ],
)
def test_open_groups_have_their_specialists_probabilities_and_closed_ones_none(coarse, fine):
    assert fused(coarse) == [*coarse, *fine]


def test_no_product_of_coarse_and_fine_is_taken():
    assert fused([0.8, 0.1, 0.3])[3] == 0.7


def test_the_coarse_member_need_not_know_fine_classes():
    assert fused([0.8, 0.1, 0.3], own=[NAN] * 5) == [0.8, 0.1, 0.3, 0.7, 0.2, 0, 0, 0.3]


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [([0.8, 0.1, 0.3], [0.7, 0.2, 0, 0, 0.35]), ([0.1, 0.2, 0.9], [0, 0, 0, 0, 0.35])],
)
def test_an_only_fine_class_may_be_what_the_first_member_says_of_it_open_or_not(coarse, fine):
    assert fused(coarse, only="own") == [*coarse, *fine]


def test_threshold():
    assert fused([0.6, 0.7, 0.3], threshold=0.65)[3:7] == [0, 0, 0.6, 0.9]


def test_members_may_come_in_any_order_and_frames_are_as_good_as_clips():
    members = np.array([[[0.8, 0.1, 0.3, *[NAN] * 5]] * 4, [B] * 4, [A] * 4])
    assert HierarchicalGate(GROUPS)(members).tolist() == [[0.8, 0.1, 0.3, 0.7, 0.2, 0, 0, 0.3]] * 4
    assert HierarchicalGate(GROUPS)(members[:, :0]).shape == (0, 8)


def test_nothing_is_learnt_or_changed():
    members = np.array([[[0.8, 0.1, 0.3, *[NAN] * 5]], [A], [B]])
    before = members.copy()
    gate = HierarchicalGate(GROUPS)
    gate.fit(members, np.zeros((1, 8)), np.ones(1))
    gate(members)
    assert np.array_equal(members, before, equal_nan=True)


def test_an_only_fine_class_scores_as_its_coarse_class():
    """By the scorer's rules a group with one fine tag then has the same area on both levels."""
    rng = np.random.default_rng(0)
    first = rng.random((200, 8))
    target = (rng.random((200, 8)) < 0.3).astype(float)
    target[:, 7] = target[:, 2]
    specialists = np.where(np.isnan([[A], [B]]), NAN, rng.random((2, 200, 8)))
    groups = [TagGroup("a", 0, (3, 4), None), TagGroup("b", 1, (5, 6), None), TagGroup("c", 2, (7,), None)]
    gate = HierarchicalGate(GROUPS)
    scores = taxonomy_scores(target, gate(np.concatenate([first[None], specialists])), groups)
    assert scores["fine/auprc/c"] == scores["coarse/auprc/c"]
    assert scores["coarse/micro_auprc"] == taxonomy_scores(target, first, groups)["coarse/micro_auprc"]


@pytest.mark.parametrize(
    ("members", "settings", "match"),
    [
        ([[0.8, 0.1, 0.3, *[NAN] * 5], A], {}, r"0 members learn the classes \[5, 6\]"),
        ([[0.8, 0.1, 0.3, *[NAN] * 5], A, A, B], {}, r"2 members learn the classes \[3, 4\]"),
        ([[0.8, 0.1, NAN, *[NAN] * 5], A, B], {}, "the first member does not know"),
        ([[0.8, 0.1, 0.3, *[NAN] * 5], A, B], {"only": "own"}, "take only: coarse"),
    ],
)
def test_members_that_do_not_fit_are_named(members, settings, match):
    with pytest.raises(InputError, match=match):
        HierarchicalGate(GROUPS, **settings)(np.array(members)[:, None])


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"groups": []}, "HierarchicalGate.groups"),
        ({"groups": [[0]]}, "HierarchicalGate.groups"),
        ({"groups": [[0, 1], [2, 1]]}, "HierarchicalGate.groups"),
        ({"groups": GROUPS, "only": "half"}, "HierarchicalGate.only"),
    ],
)
def test_impossible_settings_are_named(settings, where):
    with pytest.raises(InputError, match=where):
        HierarchicalGate(**settings)
