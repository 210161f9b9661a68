"""DCASE 2018 task 4, sound event detection: which domestic sounds are heard, and from when to when?"""

from pathlib import Path

from benchmark.registry import Task
from tasks.sed.mini import VERSION
from tasks.sed.official import CLASSES, EVAL, LICENCE, TEST

TASK = Task(
    name="sed",
    title="Sound event detection in domestic environments from weak labels (DCASE 2018 task 4)",
    classes=CLASSES,
    main_score="event_f1",
    other_scores=("event_f1_micro", "segment_f1", "tag_auc", "tag_f1"),
    chance=0.1,
    mini_margin=0.1,
    protocols={TEST: (TEST,), EVAL: (EVAL,)},
    default_system="cnn8",
    datamodule="tasks.sed.datamodule.SoundEventDataModule",
    module="tasks.sed.module.SoundEventModule",
    mini="tasks.sed.mini.write_mini",
    mini_version=VERSION,
    scorer="tasks.sed.official.score",
    rescorer="tasks.sed.official.rescorer",
    licence=LICENCE,
    citation="Serizel, Turpault, Eghbal-Zadeh, Shah: Large-scale weakly labeled semi-supervised sound event detection "
    "in domestic environments, DCASE workshop, 2018 (arXiv 1807.10501)",
    url="https://dcase.community/challenge2018/task-large-scale-weakly-labeled-semi-supervised-sound-event-detection",
    folder=Path(__file__).parent,
)
