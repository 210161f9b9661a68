"""ESC-10 and ESC-50, environmental sound classification: which of ten, or of fifty, sounds is it?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.esc.mini import VERSION
from tasks.esc.official import CLASSES, ESC10, ESC10_CLASSES, ESC50, FOLDS

TASK = Task(
    name="esc",
    title="Environmental sound classification (ESC-10, ESC-50)",
    classes=ESC10_CLASSES,
    main_score="accuracy",
    chance=0.1,
    mini_margin=0.4,
    protocols={ESC10: FOLDS, ESC50: FOLDS},
    default_system="cnn8",
    datamodule="tasks.esc.datamodule.EscDataModule",
    module="tasks.esc.module.EscModule",
    mini="tasks.esc.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.esc.official.score",
    rescorer="tasks.esc.official.rescorer",
    licence="ESC-10: CC BY 3.0; ESC-50: CC BY-NC 3.0",
    citation="Piczak: ESC: Dataset for Environmental Sound Classification, ACM Multimedia, 2015 "
    "(doi 10.1145/2733373.2806390)",
    url="https://github.com/karolpiczak/ESC-50",
    folder=Path(__file__).parent,
    cluster="source",
    protocol_classes=CLASSES,
)
