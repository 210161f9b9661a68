"""The board of a task to one markdown document: the same bytes for the same input."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from benchmark.metrics.bootstrap import Estimate
from benchmark.metrics.seeds import Score
from benchmark.published import PublishedRow
from benchmark.records import RunRecord
from benchmark.registry import Task
from leaderboard.boards import Board, Row, class_keys
from leaderboard.markdown import NONE, bold_best, code, escape, fraction, markdown_table
from leaderboard.published_tables import ROLE_MARKS, published_score, published_tables, source_names
from leaderboard.results import Result, TableKey

LEGEND = """\
A score is the mean over the protocol's folds, then over seeds, with ± the sample standard deviation from two seeds on;
fold columns show the main score. `undefined`: there is no value for the scored clips. `incomplete`: runs of some folds
are missing, so there is no mean.

The interval holds 95 % of the scores of 1,000 resamples: clips are drawn with replacement, those that were recorded
together as one (`by …` says what they share), and from three seeds on the seeds too; `clips only` says nothing about
how much a seed changes the score. `#`: the place and, in brackets, the places taken in 95 % of the resamples. `to
official baseline`: the difference on the same clips, with its interval; `p (Holm)`: how probable one as large is if
there is none, corrected for all comparisons of the table. `to published`: the difference to the published score of the
same system, given where data, protocol and split are the same; `selected`: there the scored data chose.

Selection: what chose the weights. MACs: multiply-accumulates of one forward pass on one clip. Train: time summed over
folds, mean over seeds. A commit that ends in + had uncommitted changes."""
NO_RUN = "No finished run yet. The first: `make bench TASK={task}`."
NO_RECORD = """\
No result is committed yet. To add one: `make bench TASK={task} DATA=full`, `make leaderboard`, then
`make submit RUN=GROUP` with the group that `runs/leaderboard/{task}.md` shows."""


def render(board: Board, local: bool) -> str:
    """The markdown document of a task.

    Args:
        board: What it shows.
        local: Whether the runs are the user's own, not the committed ones.
    """
    task = board.task
    kind, source = ("local runs", "the runs folder") if local else ("leaderboard", "`leaderboard/records`")
    about = LEGEND if board.tables else (NO_RUN if local else NO_RECORD).format(task=task.name)
    lines = [f"# {escape(task.title)}: {kind}", ""]
    lines += [f"Made by `make leaderboard` from {source} and `tasks/{task.folder.name}/published.csv`.", ""]
    lines += [f"Main score: `{task.main_score}`. Scores are fractions; larger is better. [All tasks](README.md).", ""]
    lines += ["## Runs of this suite", "", about, ""]
    for key, rows in board.tables.items():
        lines += _result_tables(board, key, rows)
    lines += published_tables(task, board.published)
    return "\n".join(lines).rstrip("\n") + "\n"


def data_heading(key: TableKey) -> str:
    """What the results of a table have in common, and what they cannot be compared with."""
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


def _result_tables(board: Board, key: TableKey, rows: Sequence[Row]) -> list[str]:
    """A heading, the ranking, further scores, scores of single classes, what they cost, and the records behind them."""
    results = [row.result for row in rows]
    partly = any(record.coverage < 1 for result in results for record in result.records)
    lines = [data_heading(key), "", *_ranking(board, rows)]
    columns = _score_columns(board.task, results)
    further = [_further_cells(result, columns) for result in results]
    if further[0]:
        lines += ["Further scores and folds:", "", *markdown_table(_numbered(rows, further))]
    lines += _class_table(board.task, key, results)
    lines += ["Cost:", "", *markdown_table(_numbered(rows, [_cost_cells(result, partly) for result in results]))]
    lines += ["Records:", ""]
    for number, (result, statistics, _) in enumerate(rows, 1):
        notes = "".join(f"; {note}" for note in (*result.notes, statistics.note) if note)
        lines.append(f"{number}. {escape(result.system)}, group {escape(result.group)}{escape(notes)}")
        for seed, runs in result.seeds.items():
            lines.append(f"   - seed {seed}: " + ", ".join(code(run.path) for run in runs.values()))
    return [*lines, ""]


def _numbered(rows: Sequence[Row], cells: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    places = enumerate(zip(rows, cells, strict=True), 1)
    return [{"#": str(place), "system": row.result.system, **further} for place, (row, further) in places]


def _ranking(board: Board, rows: Sequence[Row]) -> list[str]:
    """Who is best, and how sure that is; differences have columns where there is one."""
    to_baseline = any(row.statistics.to_baseline for row in rows)
    to_published = any(row.published for row in rows)
    several_ranked = sum(row.statistics.rank is not None for row in rows) > 1
    sources, official = source_names(board.published), board.task.official_systems
    lines = []
    for place, row in enumerate(rows, 1):
        result, statistics, published = row
        score = result.scores.get(board.task.main_score)
        cells = {
            "#": _rank_cell(place, statistics.rank if several_ranked else None),
            "system": result.system + (ROLE_MARKS["baseline"] if result.system in official else ""),
            board.task.main_score: score_cell(score) if score else NONE if result.complete else "incomplete",
            "95 % interval": interval_cell(statistics.interval),
            "resampled": statistics.resampled or NONE,
        }
        if to_baseline:
            difference = statistics.to_baseline
            cells["to official baseline"] = difference_cell(difference.estimate) if difference else NONE
            cells["p (Holm)"] = fraction(difference.p_holm) if difference else NONE
        if to_published:
            cells |= _published_cells(board.value(row), published, sources)
        cells["seeds"] = str(len(result.seeds))
        cells["folds"] = f"{result.found_folds}/{len(result.folds)}" + ("" if result.complete else " incomplete")
        lines.append({**cells, "selection": _distinct(result.records, lambda record: record.selection)})
    return markdown_table(lines)


def _rank_cell(place: int, rank: tuple[int, int] | None) -> str:
    if rank is None:
        return str(place)
    low, high = rank
    return f"{place} ({low})" if low == high else f"{place} ({low}-{high})"


def score_cell(score: Score) -> str:
    """A score, and how much it differs from seed to seed."""
    if score.mean is None:
        return "undefined"
    return fraction(score.mean) + ("" if score.std is None else f" ± {fraction(score.std)}")


def interval_cell(interval: Estimate | None) -> str:
    """The interval of a score."""
    return NONE if interval is None else f"{fraction(interval.low)} to {fraction(interval.high)}"


def difference_cell(difference: Estimate) -> str:
    """A difference and its interval."""
    value, low, high = (fraction(n, "+") for n in (difference.value, difference.low, difference.high))
    return f"{value} ({low} to {high})"


def _published_cells(value: float | None, row: PublishedRow | None, sources: Mapping[str, str]) -> dict[str, str]:
    if value is None or row is None:
        return {"to published": NONE, "published": NONE}
    selected = ", selected" if row.selection == "test" else ""
    place = f"{sources[row.source]}, {row.table}{selected}"
    return {"to published": fraction(value - row.value, "+"), "published": f"{published_score(row)} ({place})"}


def _score_columns(task: Task, results: Sequence[Result]) -> list[str]:
    """The scores beside the main score: those below it, and accuracy.

    Where each fold is scored on one data set that names it, the fold columns show the scores by data set, and
    pooling over data sets pools nothing: those keys are left out.
    """
    folds, main = results[0].folds, task.main_score
    keys = dict.fromkeys(key for result in results for key in result.scores if task.is_shown(key) and key != main)
    by_dataset = [f"{main}/{fold}" for fold in folds]
    if len(folds) > 1 and any(key in keys for key in by_dataset):
        keys = dict.fromkeys(key for key in keys if key not in [*by_dataset, f"{main}/pooled"])
    return sorted(keys, key=lambda key: not key.startswith(main))


def _further_cells(result: Result, columns: Sequence[str]) -> dict[str, str]:
    cells = {key: score_cell(result.scores[key]) if key in result.scores else NONE for key in columns}
    if len(result.folds) > 1:
        for fold in result.folds:
            known = fold in result.fold_scores
            cells[f"fold {fold}"] = score_cell(Score(result.fold_scores[fold], None)) if known else NONE
    return cells


def _class_table(task: Task, key: TableKey, results: Sequence[Result]) -> list[str]:
    """Classes by systems, the longer side downwards; the best of each class is bold."""
    keys = class_keys(task, key.protocol, results)
    systems = {f"{n} {result.system}": result.scores for n, result in enumerate(results, 1) if result.scores}
    if not keys:
        return []
    cells: dict[tuple[str, str], str] = {}
    for name, of_class in keys.items():
        found = {system: scores.get(of_class, Score(None, None)) for system, scores in systems.items()}
        shown = bold_best({system: (score_cell(score), score.mean) for system, score in found.items()})
        cells |= {(name, system): cell for system, cell in shown.items()}
    if len(keys) >= len(systems):
        lines = [{"class": name, **{system: cells[name, system] for system in systems}} for name in keys]
    else:
        lines = [{"system": system, **{name: cells[name, system] for name in keys}} for system in systems]
    families = ", ".join(dict.fromkeys(code(of_class.rpartition("/")[0]) for of_class in keys.values()))
    return [f"By class, {families}{', the best in bold' if len(systems) > 1 else ''}:", "", *markdown_table(lines)]


def _cost_cells(result: Result, partly: bool) -> dict[str, str]:
    records = result.records
    train = [sum(run.record.seconds.get("train", math.nan) for run in runs.values()) for runs in result.seeds.values()]
    return {
        "parameters": _distinct(records, lambda record: f"{record.parameters:,}"),
        "MACs": _distinct(records, lambda record: f"{record.macs / 1e6:,.1f} M"),
        "steps": _span([record.steps for record in records]),
        "train": NONE if math.isnan(fmean(train)) else f"{fmean(train):,.0f} s",
        "device": _distinct(records, lambda record: record.device),
        "precision": _distinct(records, lambda record: record.precision),
        **({"coverage": _distinct(records, lambda record: f"{record.coverage:g}")} if partly else {}),
        "commit": _distinct(records, lambda record: record.commit),
        "last run": max(record.created for record in records)[:10],
    }


def _distinct(records: Sequence[RunRecord], value: Callable[[RunRecord], str]) -> str:
    return ", ".join(sorted({value(record) for record in records} - {""})) or NONE


def _span(values: Sequence[int]) -> str:
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"
