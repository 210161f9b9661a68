"""Sections of numbers: scores beside the published ones, classes, conditions, costs, the recipe."""

from collections.abc import Iterator, Sequence

from benchmark.errors import InputError
from benchmark.plots import class_figure
from benchmark.published import PublishedRow
from benchmark.records import RunRecord
from benchmark.repeat import repeat_command
from benchmark.report.classes import class_columns
from benchmark.report.conditions import RESAMPLES, by_condition
from benchmark.report.inline import inline
from benchmark.report.parts import Code, Part, Picture, Table, Text
from benchmark.report.result import Result, Score
from benchmark.summary import PublishedLine, for_orientation

RUNS_SHOWN = 6
NOT_COMPARABLE = {
    "mini": "Synthetic data: a check of the pipeline, not comparable with any published score.",
    "partial": "Not comparable with published scores: a part of the official data is missing.",
    "custom": "Not comparable with published scores: the data is not the official data.",
}


def shown(score: Score) -> str:
    """A score as text."""
    if score.mean is None:
        return "undefined"
    return f"{score.mean:.3f}" + ("" if score.std is None else f" ± {score.std:.3f}")


def caveats(result: Result) -> Iterator[Part]:
    """What keeps the scores from being read as they stand."""
    records = [member.record for member in result.members]
    first = result.record
    if remark := NOT_COMPARABLE.get(first.variant.partition(":")[0]):
        yield Text(remark, warns=True)
    if scales := sorted({record.scale for record in records} - {1.0}):
        yield Text(f"Scale {', '.join(f'{scale:g}' for scale in scales)}: not the whole recipe.", warns=True)
    if any(record.selection == "test" for record in records):
        yield Text("The scored data chose the model.", warns=True)
    if any(record.random_weights for record in records):
        yield Text("A part that should be pretrained was not: the scores say nothing about the system.", warns=True)
    if lacking := _lacking(result):
        yield Text(f"Not all folds are there: {lacking}.", warns=True)
    if skipped := sum(len(record.skipped) for record in records):
        coverage = min(record.coverage for record in records)
        yield Text(f"{skipped} clips were left out (coverage {coverage:.1%}); record.json names them.", warns=True)
    for note in result.notes:
        yield Text(f"{note}.")


def _lacking(result: Result) -> str:
    folds = result.task.protocols.get(result.record.protocol, ())
    found = {seed: {member.record.fold for member in members} for seed, members in result.by_seed.items()}
    missing = {seed: [fold for fold in folds if fold not in there] for seed, there in found.items()}
    return "; ".join(f"seed {seed} lacks {', '.join(names)}" for seed, names in missing.items() if names)


def score_parts(result: Result) -> Iterator[Part]:
    """This result's scores, then the published ones in a table of their own."""
    members, task = result.members, result.task
    of_classes = {f"{family}/{name}" for family, scores in result.class_scores.items() for name in scores}
    family = task.main_score.split("/")[0]
    keys = sorted(
        (key for key in result.scores if key not in of_classes),
        key=lambda key: (key != task.main_score, key.split("/")[0] != family),
    )
    single = [member for member in members if 1 < len(members) <= RUNS_SHOWN]
    mean = [] if len(members) == 1 else ["mean over folds" + (" ± std over seeds" if len(result.by_seed) > 1 else "")]
    head = ["score", *(member.name for member in single), *(mean or [members[0].name])]
    rows = []
    for key in keys:
        of_runs = [_cell(member.record.scores, key) for member in single]
        rows.append([key, *of_runs, shown(result.scores[key])])
    yield Table(head, rows, "This run" if len(members) == 1 else f"These {len(members)} runs", strong=1)
    yield from _published(result)


def _cell(scores: dict[str, float | None], key: str) -> str:
    return shown(Score(scores[key], None)) if key in scores else ""


def _published(result: Result) -> Iterator[Part]:
    records = [member.record for member in result.members]
    found = for_orientation(result.task, records)
    if not found.lines:
        yield Text("No published score is recorded for these scores.")
        return
    key = found.keys[0]
    differences = [_difference(result, line.cells.get(key), found.everything) for line in found.lines]
    compared = any(differences)
    rows = []
    for line, difference in zip(found.lines, differences, strict=True):
        cells = [f"{line.cells[key].value:.3f}" if key in line.cells else "" for key in found.keys]
        rows.append([line.system, *cells, *([difference] if compared else []), line.protocol, line.split, line.source])
    less = ["difference"] if compared else []
    head = ["system", *found.keys, *less, "protocol", "split", "source"]
    near = [row for row, line in zip(rows, found.lines, strict=True) if _is_near(result, line)]
    caption = "Published, for orientation: real data, protocol and split as named"
    caption += f"; difference: {key} above less the published one" if compared else ""
    yield Table(head, near or rows, caption, remarks=3)
    if 0 < len(near) < len(rows):
        yield Table(head, rows, "The same with other systems of this protocol", remarks=3, folded=True)
    if not compared:
        yield Text("No differences are shown: they need the whole official data and the same protocol and split.")


def _is_near(result: Result, line: PublishedLine) -> bool:
    """Whether it is of the same system, the baseline or the winner."""
    return any(row.system == result.record.system or row.role != "entry" for row in line.cells.values())


def _difference(result: Result, row: PublishedRow | None, everything: Sequence[PublishedRow]) -> str:
    """The main score less a published one of the same data, protocol and split; empty where they are not the same."""
    records, mean = [member.record for member in result.members], result.scores[result.task.main_score].mean
    if row is None or mean is None or row.metric != result.task.main_score or row.protocol != records[0].protocol:
        return ""
    # A protocol scores one split; where a source's score of it is of several, it is not known which is meant.
    splits = {other.split for other in everything if (other.protocol, other.metric) == (row.protocol, row.metric)}
    whole = all(record.variant == "full" and record.scale == 1 for record in records) and not _lacking(result)
    alike = all((record.selection == "test") == (row.selection == "test") for record in records)
    return f"{mean - row.value:+.3f}" if whole and alike and len(splits) == 1 else ""


def class_parts(result: Result) -> Iterator[Part]:
    """Scores of single classes: those of the record, and what the predictions say."""
    columns, families = class_columns(result), result.class_scores
    if not columns or len(result.classes) < 2:
        return
    if families:
        family, of_class = next(iter(families.items()))
        values = {name: score.mean for name, score in of_class.items()}
        yield Picture(inline(lambda: class_figure(values, "", family), f"Bars: {family} of each class"), family)
    rows = []
    for name in result.classes:
        cells = [of_class.get(name) for of_class in columns.values()]
        rows.append([name, *(f"{cell}" if isinstance(cell, int) else shown(Score(cell, None)) for cell in cells)])
    caption = "Each class against the rest" + (", all runs together" if len(result.members) > 1 else "")
    yield Table(["class", *columns], rows, caption, folded=len(rows) > 15)


def condition_parts(result: Result) -> Iterator[Part]:
    """The main score under each recording condition."""
    try:
        conditions = by_condition(result)
    except InputError as error:
        yield Text(f"The clips cannot be scored by themselves: {error.what}.")
        return
    if not conditions:
        yield Text("All scored clips were recorded under one condition, as far as the data tells.")
        return
    for condition in conditions:
        rows = [
            [
                part.value,
                f"{part.clips}",
                shown(Score(part.score, None)),
                f"{part.interval[0]:.3f} to {part.interval[1]:.3f}" if part.interval else "-",
                "places" if part.clusters else "clips",
            ]
            for part in condition.parts
        ]
        hidden = f"; {condition.hidden} more with fewer clips are not shown" if condition.hidden else ""
        head = [condition.name, "clips", condition.key, "95 % interval", "drawn"]
        yield Table(head, rows, f"By {condition.name}{hidden}", remarks=1, strong=1)
    yield Text(
        f"Intervals: {RESAMPLES} resamples of the clips, or of places where there are ten or more; "
        "a dash: too few clips to tell. Values whose intervals overlap widely may well not differ. Where clips were "
        "drawn that were recorded together, the true interval is wider."
    )


def cost_parts(result: Result) -> Iterator[Part]:
    """What the runs took and what they ran on."""
    head = ["run", "parameters", "million MACs", "steps", "data s", "train s", "evaluation s", "device"]
    rows = []
    for member in result.members:
        record = member.record
        seconds = [
            f"{record.seconds[part]:,.0f}" if part in record.seconds else "-" for part in ("data", "train", "eval")
        ]
        counts = [f"{record.parameters:,}", f"{record.macs / 1e6:,.1f}", f"{record.steps:,}"]
        rows.append([member.name, *counts, *seconds, record.device])
    yield Table(head, rows, "Costs; MACs of one clip", remarks=1)
    record = result.record
    facts = {
        "run": ", ".join(member.record.id for member in result.members),
        "group": record.group,
        "made": f"{min(m.record.created for m in result.members)} to {max(m.record.created for m in result.members)}",
        "precision, engine": f"{record.precision}, {record.engine}" + "".join(f", {name}" for name in record.fast_path),
        "weights chosen by": record.selection,
        "data": f"{record.variant}, fingerprint {record.dataset_fingerprint}",
        "commit": record.commit or "unknown",
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    yield Table(["what", "this result"], [[key, value] for key, value in facts.items()], "Where it comes from", words=2)


def recipe_parts(result: Result) -> Iterator[Part]:
    """What was changed of the recipe, how to repeat the runs, and the whole recipe."""
    changes = sorted({" ".join(member.record.overrides) for member in result.members} - {""})
    unchanged = "The recipe was run as it is."
    yield Text(f"Changed on the command line: {'; '.join(changes)}." if changes else unchanged)
    yield Code("\n".join(dict.fromkeys(_commands(result))), "To repeat it, from the repository's folder")
    path = result.members[0].folder / "config.yaml"
    if path.is_file():
        yield Code(path.read_text(encoding="utf-8", errors="replace"), "The whole recipe (config.yaml)", folded=True)


def _commands(result: Result) -> Iterator[str]:
    for members in result.by_seed.values():
        folds = result.task.protocols.get(result.record.protocol, ())
        every = len(members) > 1 and {member.record.fold for member in members} == set(folds)
        for member in members:
            yield repeat_command(member.record, member.header.get("data", ""), "all" if every else "")


def title(record: RunRecord) -> str:
    """What the result is called."""
    return f"{record.task} / {record.system}"


def subtitle(result: Result) -> str:
    """Under what it was made."""
    record = result.record
    folds, seeds = ({str(getattr(m.record, name)): None for m in result.members} for name in ("fold", "seed"))
    plural = [
        f"{name}{'s' if len(found) > 1 else ''} {', '.join(found)}"
        for name, found in (("fold", folds), ("seed", seeds))
    ]
    return ", ".join([record.variant, record.protocol, *plural])
