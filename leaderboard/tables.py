"""Runs and published rows to one markdown document a task: the same bytes for the same input."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from benchmark.published import PublishedRow
from benchmark.records import RunRecord
from benchmark.registry import Task
from leaderboard import Run
from leaderboard.markdown import code, escape, markdown_table
from leaderboard.results import Result, Score, TableKey, group_results

ROLE_MARKS = {"baseline": " (official baseline)", "winner": " (winner)"}
LEGEND = """\
A score is the mean over the protocol's folds, then over seeds, with ± the sample standard deviation from two seeds on;
fold columns show the main score. `undefined`: there is no value for the scored clips. `incomplete`: runs of some folds
are missing, so there is no mean. Selection: what chose the weights. MACs: multiply-accumulates of one forward pass on
one clip. Train: time summed over folds, mean over seeds. A commit that ends in + had uncommitted changes."""
NO_RUN = "No finished run yet. The first: `make bench TASK={task}`."
NO_RECORD = """\
No result is committed yet. To add one: `make bench TASK={task} DATA=full`, `make leaderboard`, then
`make submit RUN=GROUP` with the group that `runs/leaderboard/{task}.md` shows."""


def render(task: Task, runs: Iterable[Run], published: Sequence[PublishedRow], local: bool) -> str:
    """The markdown document of a task.

    Args:
        task: The task.
        runs: Runs of any task; others than this task's are passed over.
        published: The task's published rows.
        local: Whether the runs are the user's own, not the committed ones.
    """
    kind, source = ("local runs", "the runs folder") if local else ("leaderboard", "`leaderboard/records`")
    tables = group_results(task, runs)
    about = LEGEND if tables else (NO_RUN if local else NO_RECORD).format(task=task.name)
    lines = [f"# {escape(task.title)}: {kind}", ""]
    lines += [f"Made by `make leaderboard` from {source} and `tasks/{task.folder.name}/published.csv`.", ""]
    lines += [f"Main score: `{task.main_score}`. Scores are fractions; larger is better.", ""]
    lines += ["## Runs of this suite", "", about, ""]
    for key, results in tables.items():
        lines += _result_tables(task, key, results)
    lines += _published_tables(task, published)
    return "\n".join(lines).rstrip("\n") + "\n"


def _heading(key: TableKey) -> str:
    kind, _, detail = key.variant.partition(":")
    remarks = {
        "full": [],
        "partial": ["part of the official data; not comparable with the whole"],
        "custom": [f"custom data {detail}; not comparable"],
        "mini": ["pipeline check on synthetic data; not comparable"],
    }.get(kind, ["unknown data; not comparable"])
    if key.scale != 1:
        remarks.append(f"scale {key.scale:g}, not the whole recipe; not comparable")
    if key.selected_on_test:
        remarks.append("weights selected on the scored data")
    name = key.variant if key.fingerprint in key.variant else f"{key.variant} (data {key.fingerprint})"
    return "### " + escape(f"{name}, {key.protocol}" + "".join(f": {remark}" for remark in remarks))


def _result_tables(task: Task, key: TableKey, results: Sequence[Result]) -> list[str]:
    """A heading, the scores, what they cost, and the records behind them."""
    columns = _score_columns(task, results)
    partly = any(record.coverage < 1 for result in results for record in result.records)
    lines = [_heading(key), ""]
    lines += markdown_table([{"#": str(n), **_score_cells(r, columns)} for n, r in enumerate(results, 1)])
    lines += markdown_table([{"#": str(n), **_cost_cells(r, partly)} for n, r in enumerate(results, 1)])
    lines += ["Records:", ""]
    for number, result in enumerate(results, 1):
        notes = "".join(f"; {note}" for note in result.notes)
        lines.append(f"{number}. {escape(result.system)}, group {escape(result.group)}{escape(notes)}")
        for seed, runs in result.seeds.items():
            lines.append(f"   - seed {seed}: " + ", ".join(code(run.path) for run in runs.values()))
    return [*lines, ""]


def _score_columns(task: Task, results: Sequence[Result]) -> list[str]:
    """The main score, the scores below it, and accuracy.

    Where each fold is scored on one data set that names it, the fold columns show the scores by data set, and
    pooling over data sets pools nothing: those keys are left out.
    """
    folds, main = results[0].folds, task.main_score
    keys = dict.fromkeys([main, *(key for result in results for key in result.scores if task.is_shown(key))])
    by_dataset = [f"{main}/{fold}" for fold in folds]
    if len(folds) > 1 and any(key in keys for key in by_dataset):
        keys = dict.fromkeys(key for key in keys if key not in [*by_dataset, f"{main}/pooled"])
    return sorted(keys, key=lambda key: not key.startswith(main))


def _score_cells(result: Result, columns: Sequence[str]) -> dict[str, str]:
    cells = {"system": result.system}
    for place, key in enumerate(columns):
        missing = "incomplete" if place == 0 and not result.complete else "-"
        cells[key] = _score_cell(result.scores[key]) if key in result.scores else missing
    if len(result.folds) > 1:
        for fold in result.folds:
            known = fold in result.fold_scores
            cells[f"fold {fold}"] = _score_cell(Score(result.fold_scores[fold], None)) if known else "-"
    cells["seeds"] = str(len(result.seeds))
    cells["folds"] = f"{result.found_folds}/{len(result.folds)}" + ("" if result.complete else " incomplete")
    return {**cells, "selection": _distinct(result.records, lambda record: record.selection)}


def _score_cell(score: Score) -> str:
    if score.mean is None:
        return "undefined"
    return f"{score.mean:.3f}" + ("" if score.std is None else f" ± {score.std:.3f}")


def _cost_cells(result: Result, partly: bool) -> dict[str, str]:
    records = result.records
    train = [sum(run.record.seconds.get("train", math.nan) for run in runs.values()) for runs in result.seeds.values()]
    return {
        "system": result.system,
        "parameters": _distinct(records, lambda record: f"{record.parameters:,}"),
        "MACs": _distinct(records, lambda record: f"{record.macs / 1e6:,.1f} M"),
        "steps": _span([record.steps for record in records]),
        "train": "-" if math.isnan(fmean(train)) else f"{fmean(train):,.0f} s",
        "device": _distinct(records, lambda record: record.device),
        "precision": _distinct(records, lambda record: record.precision),
        **({"coverage": _distinct(records, lambda record: f"{record.coverage:g}")} if partly else {}),
        "commit": _distinct(records, lambda record: record.commit),
        "last run": max(record.created for record in records)[:10],
    }


def _distinct(records: Sequence[RunRecord], value: Callable[[RunRecord], str]) -> str:
    return ", ".join(sorted({value(record) for record in records} - {""})) or "-"


def _span(values: Sequence[int]) -> str:
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"


def _published_tables(task: Task, rows: Sequence[PublishedRow]) -> list[str]:
    """A table a protocol; what was selected on the scored data and what is given class by class stand apart."""
    lines = ["## Published scores", ""]
    if not rows:
        return [*lines, "None are recorded for this task.", ""]
    lines += ["As printed in the sources (listed at the end), not run here. Selection: did the scored data choose?", ""]
    protocols = list(dict.fromkeys([*task.protocols, *(row.protocol for row in rows)]))
    families = list(dict.fromkeys([task.main_score, *(row.metric.partition("/")[0] for row in rows)]))
    place = {row.metric: (families.index(row.metric.partition("/")[0]), "/" in row.metric) for row in rows}
    sources = {title: f"S{n}" for n, title in enumerate(dict.fromkeys(row.source for row in rows), 1)}
    parts: dict[tuple[int, bool, bool], list[PublishedRow]] = defaultdict(list)
    for row in rows:
        parts[protocols.index(row.protocol), row.selection == "test", bool(row.class_name)].append(
            replace(row, source=sources[row.source])
        )
    for (protocol, on_test, by_class), part in sorted(parts.items(), key=lambda item: item[0]):
        remarks = (": selected on the scored data" if on_test else "") + (": by class" if by_class else "")
        heading = escape(f"Published, {protocols[protocol]}{remarks}")
        metrics = [metric for metric in sorted(place, key=place.__getitem__) if any(r.metric == metric for r in part)]
        lines += [f"### {heading}", "", *_published_table(metrics, part)]
    return [*lines, "### Sources", "", *(f"- {name}: {escape(title)}" for title, name in sources.items())]


def _published_table(metrics: Sequence[str], rows: Sequence[PublishedRow]) -> list[str]:
    """One line for each system, split and place in a source; grouped by split, best first."""
    splits = list(dict.fromkeys(row.split for row in rows))
    lines: dict[tuple[str, ...], dict[str, PublishedRow]] = {}
    for row in rows:
        place: tuple[str, ...] = (row.system, row.role, row.class_name, row.split, row.selection, row.source, row.table)
        while row.metric in lines.setdefault(place, {}):
            place = (*place, "again")
        lines[place][row.metric] = row

    def rank(found: Mapping[str, PublishedRow]) -> tuple[object, ...]:
        row = next(iter(found.values()))
        values = [-found[metric].value if metric in found else math.inf for metric in metrics]
        return (splits.index(row.split), *values, row.system, row.class_name)

    return markdown_table([_published_cells(found, metrics) for found in sorted(lines.values(), key=rank)])


def _published_cells(found: Mapping[str, PublishedRow], metrics: Sequence[str]) -> dict[str, str]:
    row = next(iter(found.values()))
    return {
        "system": row.system + ROLE_MARKS.get(row.role, ""),
        **({"class": row.class_name} if row.class_name else {}),
        **{metric: _published_score(found[metric]) if metric in found else "-" for metric in metrics},
        "split": row.split,
        "selection": row.selection,
        "source": row.source,
        "table": row.table,
    }


def _published_score(row: PublishedRow) -> str:
    """The fraction with as many digits as the source prints, whether it prints a fraction or per cent."""
    number = re.search(r"\d*\.(\d+)|\d+", row.printed)
    if number is None:
        return f"{row.value:g}"
    per_cent = not math.isclose(float(number[0]), row.value)
    digits = len(number[1] or "") + (2 if per_cent else 0)
    return f"{row.value:.{digits}f}" + ("" if row.std is None else f" ± {row.std:.{digits}f}")
