"""The dashboard of runs on Weights & Biases, defined in code.

What runs log, and under which keys, is in `benchmark.wandb_result`. Saving takes an account, and has not been tried.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would wait for a network that building does not need

import wandb
import wandb_workspaces.workspaces as ws
from wandb_workspaces.reports.v2 import interface as panels

from benchmark.errors import BenchmarkError, InputError
from benchmark.registry import Task
from benchmark.wandb_result import project_name

NAME = "tasks and systems"
STEP = "trainer/global_step"
ABOUT = ("variant", "protocol", "fold", "seed")
PICTURES = ("confusion", "curves", "calibration", "classes", "learning", "clips")
TABLES = ("classes", "confusions", "clips")
COSTS = {
    "parameters": "trainable parameters",
    "macs": "multiply-accumulates of one clip",
    "train": "seconds of training",
    "eval": "seconds of evaluation",
}
WHOLE_ROW = 24


def build(entity: str, project: str, tasks: Iterable[Task]) -> ws.Workspace:
    """The workspace; runs are grouped by task and system, so that folds and seeds fold together.

    Args:
        entity: Account or team.
        project: Project that the runs are in.
        tasks: Tasks whose scores are shown.
    """
    tasks = list(tasks)
    mains = {task.name: _key(task, task.main_score) for task in tasks}
    rows = panels.Layout(w=WHOLE_ROW, h=10)
    sections = {f"Scores: {task.name}": _scores(task) for task in tasks} | {
        "Learning curves": _learning(tasks),
        "Pictures": [panels.MediaBrowser(title=name, media_keys=[f"picture/{name}"]) for name in PICTURES],
        "Classes and clips": [panels.WeavePanelSummaryTable(table_name=f"table/{n}", layout=rows) for n in TABLES],
        "Costs": [panels.BarPlot(title=title, metrics=[f"cost/{key}"]) for key, title in COSTS.items()],
        "Score against cost": [
            panels.ScatterPlot(title=name, x=panels.SummaryMetric("cost/macs"), y=panels.SummaryMetric(key), log_x=True)
            for name, key in mains.items()
        ],
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[ws.Section(name=name, panels=shown, is_open=True) for name, shown in sections.items()],
        settings=ws.WorkspaceSettings(x_axis=STEP),
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Config("task"), ws.Config("system")],
            pinned_columns=[*(f"config:{key}" for key in ABOUT), *(f"summary:{key}" for key in mains.values())],
        ),
    )


def _key(task: Task, score: str) -> str:
    return f"score/{task.name}/{score}"


def _scores(task: Task) -> list[Any]:
    """A bar chart of the main score, and of each that tables show beside it under a name known beforehand."""
    return [panels.BarPlot(title=score, metrics=[_key(task, score)]) for score in (task.main_score, *task.other_scores)]


def _learning(tasks: Sequence[Task]) -> list[Any]:
    mains = dict.fromkeys(f"val/{task.main_score}" for task in tasks)
    return [panels.LinePlot(title=key, x=STEP, y=[key]) for key in ("train/loss", "val/loss", *mains)]


def definition(workspace: ws.Workspace) -> str:
    """What would be sent to W&B, as JSON."""
    spec = workspace._to_model().spec
    return str(spec.model_dump_json(by_alias=True, exclude_none=True, indent=1))


def save(tasks: Iterable[Task]) -> str:
    """Save the dashboard of the project `WANDB_PROJECT` of the account `WANDB_ENTITY`, by default that of the key.

    Returns:
        Its address.

    Raises:
        InputError: There is no key.
        BenchmarkError: W&B did not take it.
    """
    if not wandb.api.api_key:
        remedy = "wandb login, or set WANDB_API_KEY; --dry-run shows the definition without one"
        raise InputError("there is no key of Weights & Biases", "dashboard", remedy)
    try:
        entity = os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity or ""
        workspace = build(entity, project_name(), tasks)
        workspace.save()  # type: ignore[no-untyped-call]
        return str(workspace.url)
    except Exception as error:  # the library raises what its transport raises
        what = f"W&B did not take the dashboard: {' '.join(str(error).split())}"
        raise BenchmarkError(what, "dashboard", "check the key, WANDB_ENTITY and the network") from error
