"""Runs on Weights & Biases; without a key they are kept offline beside the run."""

import os
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would wait for a network that offline runs do not have

import wandb
from pytorch_lightning.loggers import WandbLogger

from benchmark.decoding import LEARNT
from benchmark.products import FUSED
from benchmark.records import RunFolder, read_json
from benchmark.stages import KEPT, PARTS
from benchmark.wandb_result import log_result, project_name

LONGEST_TAG = 64


def wandb_logger(folder: RunFolder, config: dict[str, Any]) -> WandbLogger:
    """A logger for one run; folds and seeds of one result share its `group`, results of a system its tags.

    Args:
        folder: The run's folder; offline files go to its `wandb/`.
        config: What the dashboard filters by.
    """
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    # One id for all sessions of a run, so that a resumed one goes on in the same chart.
    return WandbLogger(
        project=project_name(),
        name=folder.id,
        id=folder.id,
        group=folder.identity.group,
        job_type=config["system"][:LONGEST_TAG],
        tags=list(dict.fromkeys(str(config[key])[:LONGEST_TAG] for key in ("task", "system", "protocol", "variant"))),
        save_dir=folder.path,
        mode=mode,
        config=config,
    )


def log_finished(folder: RunFolder, config: dict[str, Any]) -> None:
    """Log what a finished run left; one whose trainings ran side by side is not there yet.

    Args:
        folder: The run's folder, with its record.
        config: What the dashboard filters by.
    """
    kept = read_json(folder.path / KEPT).values() if (folder.path / KEPT).is_file() else ()
    weights = [folder.checkpoint("scored"), *(folder.path / PARTS / name for name in kept)]
    weights += [folder.path / name for name in (KEPT, FUSED, LEARNT)]
    log_result(wandb.run or wandb_logger(folder, config).experiment, folder.path, [p for p in weights if p.is_file()])


def finish() -> None:
    """End the run that is being logged, if there is one."""
    if wandb.run is not None:
        wandb.run.finish()
