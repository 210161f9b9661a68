"""What the data is called, by the official counts."""

from pathlib import Path

import pytest

from benchmark.data.inventory import Example, Inventory
from tasks.bad.datamodule import official_counts
from tasks.bad.official import DATASETS, Item


def official():
    """All official clips and birds of the three sets."""
    return [
        Item(name, f"{name}{i}", Path(__file__), int(i < dataset.birds))
        for name, dataset in DATASETS.items()
        for i in range(dataset.clips)
    ]


def inventory(items, missing=0):
    examples = [Example(item.itemid, item.path, (float(item.hasbird),), item.dataset) for item in items[missing:]]
    return Inventory(examples, official_counts(items), "", {item.itemid: "gone" for item in items[:missing]})


def test_all_official_clips_are_full():
    assert inventory(official()).variant == "full"


def test_missing_recordings_make_it_partial():
    assert inventory(official(), missing=357).variant == "partial:0.9900"  # 35,333 of 35,690


@pytest.mark.parametrize("change", ["a clip more", "another label"])
def test_other_counts_are_custom(change):
    items = official()
    if change == "a clip more":
        items.append(Item("ff1010bird", "new", Path(__file__), 0))
    else:
        items[-1] = Item("BirdVox-DCASE-20k", items[-1].itemid, Path(__file__), 1)
    assert inventory(items).variant.startswith("custom:")
