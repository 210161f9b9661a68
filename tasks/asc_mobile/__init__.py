"""DCASE 2018 task 1B, acoustic scene classification where the devices that are tested are rare in training."""

from pathlib import Path

from benchmark.registry import Task
from tasks.asc.official import CHALLENGE, CITATION, CLASSES, FOLD1, LEADERBOARD, LICENCE, URL
from tasks.asc_mobile.mini import VERSION
from tasks.asc_mobile.official import FOLD1_DEVICE_A

TASK = Task(
    name="asc-mobile",
    title="Acoustic scene classification with mismatched devices (DCASE 2018 task 1B)",
    classes=CLASSES,
    main_score="accuracy/device_bc",
    chance=0.1,
    mini_margin=0.3,
    protocols={FOLD1: ("1",), FOLD1_DEVICE_A: ("1",), CHALLENGE: ("1",), LEADERBOARD: ("1",)},
    default_system="cnn8",
    datamodule="tasks.asc_mobile.datamodule.MobileSceneDataModule",
    module="tasks.asc_mobile.module.MobileSceneModule",
    mini="tasks.asc_mobile.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.asc_mobile.official.score",
    rescorer="tasks.asc_mobile.official.rescorer",
    licence=LICENCE,
    citation=CITATION,
    url=URL,
    folder=Path(__file__).parent,
    cluster="location",
)
