"""The README against what it describes."""

import re
from pathlib import Path

from benchmark.data.files import read_registry
from benchmark.registry import all_tasks

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_sizes_of_the_data_sets_are_those_of_the_registries():
    for task in all_tasks().values():
        for dataset in read_registry(task.folder / "files.yaml"):
            size = sum(file.size or 0 for file in dataset.files) / 1e9
            if size > 0.01 and task.name != "tagging":  # whose two sets stand together
                assert f"{size:.2f}" in README or f"{size:.1f} GB" in README, dataset.name


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"^[A-Z_]{6,}$", README, re.MULTILINE)


def test_every_task_and_every_system_is_named():
    for task in all_tasks().values():
        assert f"[`{task.name}`]" in README
        for system in task.systems:
            assert f"`{system}`" in README or f"`-{system.split('-', 1)[-1]}`" in README, (task.name, system)
