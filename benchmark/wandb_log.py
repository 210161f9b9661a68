"""Runs on Weights & Biases; without a key they are kept offline beside the run."""

import os
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would wait for a network that offline runs do not have

import wandb
from pytorch_lightning.loggers import WandbLogger

from benchmark.records import RunFolder


def wandb_logger(folder: RunFolder, config: dict[str, Any]) -> WandbLogger:
    """A logger for one run; folds and seeds of one result share its `group`.

    Args:
        folder: The run's folder; offline files go to its `wandb/`.
        config: What the dashboard filters by.
    """
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    project = os.environ.get("WANDB_PROJECT", "dcase-bench")
    group = folder.identity.group
    # One id for all sessions of a run, so that a resumed one goes on in the same chart.
    return WandbLogger(
        project=project, name=folder.id, id=folder.id, group=group, save_dir=folder.path, mode=mode, config=config
    )
