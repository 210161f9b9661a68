"""DCASE 2018 task 3, bird audio detection: is there a bird in these ten seconds?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.bad.mini import VERSION
from tasks.bad.official import LICENCE

TASK = Task(
    name="bad",
    title="Bird audio detection (DCASE 2018 task 3)",
    classes=("bird",),
    main_score="auc",
    chance=0.5,
    mini_margin=0.3,
    protocols={
        "leave-one-dataset-out": ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"),
        "random-3-fold": ("1", "2", "3"),
    },
    default_system="cnn8",
    datamodule="tasks.bad.datamodule.BirdDataModule",
    module="tasks.bad.module.BirdModule",
    mini="tasks.bad.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.bad.official.score",
    rescorer="tasks.bad.official.rescorer",
    licence=LICENCE,
    citation="Stowell, Wood, Pamula, Stylianou, Glotin: Automatic acoustic detection of birds through deep learning: "
    "the first Bird Audio Detection challenge, Methods in Ecology and Evolution, 2018",
    url="https://dcase.community/challenge2018/task-bird-audio-detection",
    folder=Path(__file__).parent,
)
