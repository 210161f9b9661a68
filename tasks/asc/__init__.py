"""DCASE 2018 task 1A and 1C, acoustic scene classification: where was this recorded?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.asc.mini import VERSION
from tasks.asc.official import CHALLENGE, CITATION, CLASSES, FOLD1, LEADERBOARD, LICENCE, URL

TASK = Task(
    name="asc",
    title="Acoustic scene classification (DCASE 2018 task 1A)",
    classes=CLASSES,
    main_score="accuracy",
    chance=0.1,
    mini_margin=0.4,
    protocols={FOLD1: ("1",), CHALLENGE: ("1",), LEADERBOARD: ("1",)},
    default_system="cnn8",
    datamodule="tasks.asc.datamodule.SceneDataModule",
    module="tasks.asc.module.SceneModule",
    mini="tasks.asc.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.asc.official.score",
    rescorer="tasks.asc.official.rescorer",
    licence=LICENCE,
    citation=CITATION,
    url=URL,
    folder=Path(__file__).parent,
    cluster="location",
)
