"""Scores by sed_eval 0.2.1 of the event lists in a JSON file, for an environment of its own; not part of the project.

Called as `python sed_eval_oracle.py cases.json scores.json`. A case is {"classes", "reference", "predicted"}, the
lists as {file: [[onset, offset, label], ...]}; the answer holds this project's keys.
"""

import json
import sys
from pathlib import Path

import sed_eval


def main(cases, scores):
    answers = [score(**case) for case in json.loads(Path(cases).read_text())]
    Path(scores).write_text(json.dumps(answers))


def score(classes, reference, predicted):
    event = sed_eval.sound_event.EventBasedMetrics(
        event_label_list=classes,
        t_collar=0.2,
        percentage_of_length=0.2,
        empty_system_output_handling="zero_score",
    )
    segment = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=classes, time_resolution=1.0)
    for name, events in reference.items():
        for metric in (event, segment):
            metric.evaluate(rows(name, events), rows(name, predicted.get(name, [])))
    return flat("event", event.results()) | flat("segment", segment.results())


def rows(name, events):
    return [
        {"filename": name, "event_onset": onset, "event_offset": offset, "event_label": label}
        for onset, offset, label in events
    ] or [{"filename": name}]


def flat(prefix, results):
    found = {f"{prefix}_f1/{name}": value["f_measure"]["f_measure"] for name, value in results["class_wise"].items()}
    for suffix, block in (("", results["class_wise_average"]), ("_micro", results["overall"])):
        found[f"{prefix}_f1{suffix}"] = block["f_measure"]["f_measure"]
        found[f"{prefix}_precision{suffix}"] = block["f_measure"]["precision"]
        found[f"{prefix}_recall{suffix}"] = block["f_measure"]["recall"]
        found[f"{prefix}_error_rate{suffix}"] = block["error_rate"]["error_rate"]
    return {key: None if value != value else value for key, value in found.items()}  # NaN: undefined


if __name__ == "__main__":
    main(*sys.argv[1:])
