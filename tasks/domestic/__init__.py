"""DCASE 2018 task 5, monitoring of domestic activities: what is the inhabitant doing?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.domestic.mini import VERSION
from tasks.domestic.official import CLASSES

TASK = Task(
    name="domestic",
    title="Monitoring of domestic activities with microphone arrays (DCASE 2018 task 5)",
    classes=CLASSES,
    main_score="f1",
    chance=1 / len(CLASSES),
    mini_margin=0.4,
    protocols={"4-fold": ("1", "2", "3", "4"), "evaluation": ("evaluation",)},
    default_system="cnn8",
    datamodule="tasks.domestic.datamodule.DomesticDataModule",
    module="tasks.domestic.module.DomesticModule",
    mini="tasks.domestic.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.domestic.official.score",
    rescorer="tasks.domestic.official.rescorer",
    licence="research only, not transferable: see the EULA of the data sets",
    citation="Dekkers, Vuegen, van Waterschoot, Vanrumste, Karsmakers: DCASE 2018 Challenge - Task 5: Monitoring of "
    "domestic activities based on multi-channel acoustics, 2018 (arXiv 1807.11246)",
    url="https://dcase.community/challenge2018/task-monitoring-domestic-activities",
    folder=Path(__file__).parent,
    cluster="session",
)
