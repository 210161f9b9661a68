"""What the data is called, by the official counts."""

from pathlib import Path

import pytest

from tasks.bad.datamodule import _variant
from tasks.bad.official import DATASETS, Item


def official(without=0):
    """All official clips and birds of the three sets, less the first few clips of warblrb10k."""
    items = [
        Item(name, f"{name}{i}", Path(), int(i < dataset.birds))
        for name, dataset in DATASETS.items()
        for i in range(dataset.clips)
    ]
    gone = [item for item in items if item.dataset == "warblrb10k"][:without]
    return [item for item in items if item not in gone], [f"{item.dataset}/{item.itemid}" for item in gone]


def test_all_official_clips_are_full():
    assert _variant(*official(), "f") == "full"


def test_missing_recordings_make_it_partial():
    items, missing = official(without=357)
    assert _variant(items, missing, "f") == "partial:0.9900"  # 35,333 of 35,690


@pytest.mark.parametrize("change", ["a clip more", "another label"])
def test_other_counts_are_custom(change):
    items, _ = official()
    if change == "a clip more":
        items.append(Item("ff1010bird", "new", Path(), 0))
    else:
        items[-1] = Item("BirdVox-DCASE-20k", items[-1].itemid, Path(), 1)
    assert _variant(items, [], "f") == "custom:f"
