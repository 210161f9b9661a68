"""The page of every kind of task, and of runs that lack something: whole, self-contained, escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_runs import RATE, made_predictions, made_run, made_store

from benchmark.cli import main
from benchmark.published import read_published
from benchmark.registry import all_tasks, get_task
from benchmark.report.page import write_report
from benchmark.report.result import read_result
from benchmark.report.scores import score_parts

EVIL = '<script>alert("1")</script><img src=x onerror=alert(1)>'
VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """The headings, texts, elements and attributes of a page; checks that all that opens closes."""

    def __init__(self, path):
        super().__init__()
        self.open, self.headings, self.attributes, self.tags, self.texts = [], [], [], set(), []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)
        if self.open and self.open[-1] == "h2":
            self.headings.append(text)

    @property
    def text(self):
        return " ".join(self.texts)


def page_of(runs, tmp_path):
    path = tmp_path / "page.html"
    assert write_report(runs, path) == path
    return Page(path)


def noise(seconds=0.5):
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE))


QUICK = ("asc-mobile", "sed")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in all_tasks()]
)
def test_every_task_has_a_page(tmp_path, name):
    made_store(tmp_path, name, {f"clip{number:03d}": noise() for number in range(40)})
    page = page_of([made_run(tmp_path, name)], tmp_path)
    expected = [
        "Scores",
        "Curves",
        "Calibration",
        "Recording conditions",
        "Hardest clips",
        "Learning",
        "Costs",
        "Recipe",
    ]
    single = name in ("asc", "asc-mobile", "tagging", "domestic", "esc")
    extra = {"Classes": name != "bad", "Confusions": single, "Events": name == "sed"}
    assert set(page.headings) == {*expected, *(heading for heading, there in extra.items() if there)}
    described = [value for tag, key, value in page.attributes if tag == "svg" and key == "aria-label"]
    assert len(described) == sum(1 for tag, key, _ in page.attributes if (tag, key) == ("svg", "role"))
    assert sum(text.startswith("Spectrogram of clip") for text in described) == 12
    assert get_task(name).title in page.text
    assert "not at hand" not in page.text


def test_a_page_needs_nothing_else(tmp_path):
    made_store(tmp_path, "sed", {f"clip{number:03d}": noise() for number in range(40)})
    page = page_of([made_run(tmp_path, "sed")], tmp_path)
    addresses = [value for _, key, value in page.attributes if key in ("href", "src", "xlink:href", "data")]
    assert addresses and all(value.startswith(("#", "data:image/png;base64,")) for value in addresses)
    assert page.tags.isdisjoint({"script", "link", "iframe", "object"})


def test_every_field_is_escaped(tmp_path):
    task = get_task("esc")
    found = made_predictions(task, "esc10-5-fold", 4)
    found = replace(
        found,
        clip_id=np.array([EVIL, *found.clip_id[1:]]),
        conditions={EVIL: np.array([EVIL, "$1_$", "b", "b"])},
    )
    words = ("system", "device", "commit", "created", "precision", "engine", "variant", "group")
    run = made_run(
        tmp_path, found=found, versions={EVIL: EVIL}, overrides=[EVIL], fast_path=[EVIL], **dict.fromkeys(words, EVIL)
    )
    (run / "config.yaml").write_text(f"# data: {EVIL}\n{EVIL}\n")
    (run / "metrics.csv").write_text(f"step,train/loss,{EVIL}\n1,2,{EVIL}\n")
    page = page_of([run], tmp_path)
    assert page.tags.isdisjoint({"script", "img"})
    assert not [attribute for attribute in page.attributes if attribute[1].startswith("on")]
    assert page.text.count(EVIL) > 10


def test_without_audio_the_clips_are_listed_and_it_is_said(tmp_path):
    page = page_of([made_run(tmp_path, "sed")], tmp_path)
    assert page.text.count("The audio is not at hand") == 2
    assert f"{tmp_path / 'data'}" in page.text and "clip0" in page.text


@pytest.mark.parametrize("keep", [False, None])
def test_runs_that_lack_predictions_or_parts_of_them(tmp_path, keep):
    found = made_predictions(get_task("esc"), "esc10-5-fold")
    run = made_run(tmp_path, found=found, scores={"accuracy": None, "accuracy/Rain": None})
    for name in ("config.yaml", "metrics.csv"):
        (run / name).unlink()
    if keep is False:
        (run / "predictions.npz").unlink()
    else:
        replace(found, cluster=None, decision=None, conditions={}).write(run)
    page = page_of([run], tmp_path)
    assert "undefined" in page.text and "hold no metrics.csv" in page.text
    assert ("Confusions" in page.headings) == (keep is None)
    assert ("what needs predictions is left out" in page.text) == (keep is False)
    assert ("older version" in page.text) == (keep is None)


def test_events_that_an_older_version_did_not_keep(tmp_path):
    run = made_run(tmp_path, "sed")
    found = read_result([run]).members[0].found
    replace(found, events=None, reference_events=None).write(run)
    page = page_of([run], tmp_path)
    assert "The clips cannot be scored by themselves" in page.text and "Events" not in page.headings


def test_folds_and_seeds_are_one_page(tmp_path):
    runs = [made_run(tmp_path, fold=fold, seed=seed) for fold in "12345" for seed in (0, 1)]
    path = write_report(runs)
    assert path == runs[0].parent / "report-abc.html"
    page = Page(path)
    assert "± " in page.text and "Not all folds" not in page.text
    assert page.text.count("--fold all") == 2
    assert "lacks 2, 3, 4, 5" in page_of(runs[:1], tmp_path).text


def test_a_page_is_the_same_when_nothing_changed(tmp_path):
    made_store(tmp_path, "sed", {"clip003": noise()})
    run = made_run(tmp_path, "sed")
    first = write_report([run]).read_bytes()
    assert write_report([run]).read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "compared"),
    [
        ({}, True),
        ({"variant": "mini"}, False),
        ({"variant": "partial:0.9"}, False),
        ({"scale": 0.5}, False),
        ({"protocol": "leave-one-dataset-out", "fold": "warblrb10k"}, False),
        ({"selection": "test"}, False),
    ],
)
def test_differences_need_the_same_data_protocol_and_split(tmp_path, changes, compared):
    """cnn8 is published under challenge and leave-one-dataset-out for `bad`; all three folds are needed."""
    base = {"variant": "full", "protocol": "leave-one-dataset-out", "scores": {"auc": 0.9}}
    folds = [changes["fold"]] if "fold" in changes else ["ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"]
    arguments = base | {key: value for key, value in changes.items() if key != "fold"}
    runs = [made_run(tmp_path, "bad", found=False, fold=fold, **arguments) for fold in folds]
    tables = [part for part in score_parts(read_result(runs)) if hasattr(part, "head")]
    published = tables[1]
    assert ("difference" in published.head) == compared
    if compared:
        (row,) = (row for row in published.rows if row[0] == "cnn8" and "leave-one-dataset-out" in row)
        (printed,) = (
            known.value
            for known in read_published(get_task("bad").folder / "published.csv")
            if (known.system, known.metric, known.protocol) == ("cnn8", "auc", "leave-one-dataset-out")
        )
        cells = dict(zip(published.head, row, strict=True))
        assert cells["difference"] == f"{0.9 - printed:+.3f}"
        others = [dict(zip(published.head, other, strict=True)) for other in published.rows]
        assert all(not cells["difference"] for cells in others if cells["protocol"] == "challenge")


def test_the_command_writes_beside_the_run_or_where_it_is_told(tmp_path, capsys, monkeypatch):
    run = made_run(tmp_path / "runs", "bad")
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    assert main(["report", "last"]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    out = tmp_path / "deep" / "er.html"
    assert main(["report", str(run), "--out", str(out)]) == 0
    assert re.search(r"<h1>bad / cnn8</h1>", out.read_text())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no finished run is called 'nothing'"),
        (["last", "--out", "{run}/record.json/x.html"], "cannot write"),
    ],
)
def test_a_wrong_command_is_one_error(tmp_path, capsys, monkeypatch, words, said):
    run = made_run(tmp_path / "runs", "bad")
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    assert main(["report", *(word.format(run=run) for word in words)]) in (1, 2)
    assert said in capsys.readouterr().err
