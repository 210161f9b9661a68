"""The task on real audio in the official layout; needs the reference pool."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from tasks.ust.datamodule import UrbanDataModule
from tasks.ust.official import FOLDER, GROUPS, gather_clips, read_annotations


@pytest.mark.slow
def test_built_data_is_read_as_it_was_built(real_audio):
    inventory = UrbanDataModule.take_stock(real_audio, "stop", "validate")
    found = [(count.name, count.found) for count in inventory.counts[:2]]
    assert found == [("train: clips", 60), ("validate: clips", 30)]
    assert inventory.variant.startswith("custom:")
    path = real_audio / FOLDER / "annotations.csv"
    built = dict(
        line.split("\t")[:3:2]
        for line in (real_audio / FOLDER / "_construction.tsv").read_text().splitlines()
        if line.startswith("validate/")
    )
    for clip in gather_clips(read_annotations(path), path):
        if clip.split == "validate":
            tags = {tag.split("-")[0] for tag in built[f"validate/{clip.filename}"].split(",") if tag[:1].isdigit()}
            assert {group.name for group in GROUPS if clip.share[group.coarse] == 1} == tags
            assert clip.consensus


@pytest.mark.slow
def test_a_short_run(real_audio):
    words = ["run", "--task", "ust", "--system", "cnn4", "--data", str(real_audio)]
    short = ["--trainer.max_steps", "10", "--data.batch_size", "8", "--data.clip_seconds", "5"]
    assert main([*words, *short]) == 0
    (record,) = read_records(runs_root())
    assert record.coverage == 1
    assert 0 < record.scores["coarse/micro_auprc"] < 1
