"""A system's page: the facts of its card, published scores, and its runs."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.registry import Task
from benchmark.yaml_files import parse_yaml
from leaderboard.boards import Board
from leaderboard.site.entries import Site, page
from leaderboard.site.published_tables import published_tables
from leaderboard.site.task_page import runs_table


def system_names(site: Site, task: Task) -> list[str]:
    """The systems that have a page: those with a recipe, and those with a run."""
    return list(
        dict.fromkeys([*task.systems, *(e.run.record.system for e in site.entries if e.run.record.task == task.name)])
    )


def system_context(site: Site, board: Board, system: str) -> dict[str, Any]:
    """What the system's page shows."""
    task = board.task
    recipe = task.systems.get(system)
    text, content = ("", {}) if recipe is None else _read(recipe)
    paths = [e.run.path for e in site.entries if (e.run.record.task, e.run.record.system) == (task.name, system)]
    others = [name for name in _same_citation(task, content.get("citation")) if name != system]
    return {
        "task": task,
        "system": system,
        "title": content.get("title", ""),
        "about": _comment(text),
        "citation": content.get("citation", ""),
        "official": bool(content.get("official")),
        "parameters": content.get("parameters"),
        "recipe": text,
        "recipe_path": "" if recipe is None else f"tasks/{task.folder.name}/systems/{recipe.name}",
        "variants": [(name, page("systems", task.name, name)) for name in others],
        "published": published_tables(task, [row for row in board.published if row.system == system]),
        "runs": runs_table(site, task, paths),
        "run_command": f"make bench TASK={task.name} SYSTEM={system}" if recipe else "",
    }


def _comment(text: str) -> str:
    """The comment that a recipe starts with, as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _same_citation(task: Task, citation: object) -> list[str]:
    """Systems of the task that are from the same source."""
    if not isinstance(citation, str) or citation.startswith("none"):
        return []
    return [name for name, path in task.systems.items() if _read(path)[1].get("citation") == citation]


@cache
def _read(recipe: Path) -> tuple[str, Mapping[str, Any]]:
    """A recipe's text and what it says."""
    text = recipe.read_text(encoding="utf-8")
    return text, parse_yaml(text)
