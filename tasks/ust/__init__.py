"""DCASE 2019 task 5, urban sound tagging: which of 37 tags of city noise are in these ten seconds?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.ust.mini import VERSION
from tasks.ust.official import CLASSES, LICENCE

TASK = Task(
    name="ust",
    title="Urban sound tagging (DCASE 2019 task 5)",
    classes=CLASSES,
    main_score="coarse/micro_auprc",
    other_scores=(
        "coarse/macro_auprc",
        "coarse/micro_f1",
        "fine/micro_auprc",
        "fine/macro_auprc",
        "fine/micro_f1",
    ),
    chance=0.37,
    mini_margin=0.25,
    protocols={"validate": ("validate",), "test": ("test",)},
    default_system="cnn8",
    datamodule="tasks.ust.datamodule.UrbanDataModule",
    module="tasks.ust.module.UrbanModule",
    mini="tasks.ust.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.ust.official.score",
    rescorer="tasks.ust.official.rescorer",
    licence=LICENCE,
    citation="Cartwright, Mendez Mendez, Cramer, Lostanlen, Dove, Wu, Salamon, Nov, Bello: SONYC Urban Sound Tagging "
    "(SONYC-UST): a multilabel dataset from an urban acoustic sensor network, DCASE 2019 Workshop",
    url="https://dcase.community/challenge2019/task-urban-sound-tagging",
    folder=Path(__file__).parent,
    cluster="sensor",
)
