"""Runs on Weights & Biases; without a key they are kept offline beside the run."""

import os
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would wait for a network that offline runs do not have

import wandb
from pytorch_lightning.loggers import WandbLogger

from benchmark.records import RunFolder


def wandb_logger(folder: RunFolder, group: str, config: dict[str, Any]) -> WandbLogger:
    """A logger for one run; folds and seeds of one result share its `group`.

    Args:
        folder: The run's folder; offline files go to its `wandb/`.
        group: The run's group.
        config: What the dashboard filters by.
    """
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    project = os.environ.get("WANDB_PROJECT", "dcase-bench")
    return WandbLogger(project=project, name=folder.id, group=group, save_dir=folder.path, mode=mode, config=config)
