"""The command that repeats a run."""

import shlex

from benchmark.records import RunRecord


def repeat_command(record: RunRecord, data: str, fold: str = "") -> str:
    """What to type to do a run's work again, from the repository's folder.

    Args:
        record: The run's record.
        data: Where the data lies, for runs on other data than the official and the synthetic.
        fold: Another fold than the record's, or `all`.
    """
    kind = record.variant.partition(":")[0]
    words = ["python", "-m", "benchmark", "run", "--task", record.task]
    if record.overrides[:1] != ["--model"]:  # a run of the user's own model is named after that
        words += ["--system", record.system]
    words += ["--data", kind if kind in ("mini", "full") else data or "DIR"]
    words += ["--protocol", record.protocol, "--fold", fold or record.fold, "--seed", str(record.seed)]
    words += ["--allow-random-weights"] if record.random_weights else []
    return shlex.join([*words, *record.overrides])
