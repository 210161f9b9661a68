"""DCASE 2018 task 2, general-purpose tagging of Freesound audio: which of 41 sounds is it?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.tagging.mini import VERSION
from tasks.tagging.official import CLASSES, LICENCE, MAIN_SCORE

TASK = Task(
    name="tagging",
    title="General-purpose audio tagging (DCASE 2018 task 2)",
    classes=CLASSES,
    main_score=MAIN_SCORE,
    chance=(6 * 1 + 6 / 2 + 5 / 3)
    / 40,  # the mini's three most frequent test classes, guessed for each of its 40 clips
    mini_margin=0.3,
    protocols={"official-test": ("test",), "verified-4-fold": ("1", "2", "3", "4")},
    default_system="cnn8",
    datamodule="tasks.tagging.datamodule.TaggingDataModule",
    module="tasks.tagging.module.TaggingModule",
    mini="tasks.tagging.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.tagging.official.score",
    rescorer="tasks.tagging.official.rescorer",
    licence=LICENCE,
    citation="Fonseca, Plakal, Font, Ellis, Favory, Pons, Serra: General-purpose Tagging of Freesound Audio with "
    "AudioSet Labels: Task Description, Dataset, and Baseline, DCASE 2018 Workshop (arXiv 1807.09902)",
    url="https://dcase.community/challenge2018/task-general-purpose-audio-tagging",
    folder=Path(__file__).parent,
)
