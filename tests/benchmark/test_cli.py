import json
import subprocess
import sys

import pytest
from helpers import make_record

from benchmark.cli import main
from benchmark.errors import BenchmarkError, InputError, Interrupted, exit_code
from benchmark.registry import get_task


def raises(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BenchmarkError("what", "here", "do this"), 1, "error: what\n  where: here\n  to do: do this\n"),
        (InputError("what"), 2, "error: what\n"),
        (Interrupted("what"), 3, "error: what\n"),
        (KeyboardInterrupt(), 3, "error: stopped\n"),
        (RuntimeError("a\nb"), 1, "error: unexpected RuntimeError: a b\n  to do: add --debug for the traceback\n"),
    ],
)
def test_every_error_has_its_code_and_no_traceback(capsys, error, code, text):
    assert exit_code(lambda: raises(error), debug=False) == code
    assert capsys.readouterr().err == text


def test_debug_shows_the_traceback(capsys):
    assert exit_code(lambda: raises(InputError("what")), debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_score_prints_one_json_object_and_nothing_else(capsys, tmp_path):
    (tmp_path / "reference.csv").write_text("itemid,datasetid,hasbird\na,x,1\nb,x,0\nc,y,1\nd,y,0\n")
    (tmp_path / "predictions.csv").write_text("itemid,prediction\na,0.9\nb,0.1\nc,0.3\nd,0.6\n")
    words = ["--reference", str(tmp_path / "reference.csv"), "--predictions", str(tmp_path / "predictions.csv")]
    assert main(["score", "bad", *words, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    # x is ranked rightly, y wrongly; of the four pooled pairs (a, c against b, d) three are right.
    assert (scores["auc/x"], scores["auc/y"], scores["auc"], scores["auc/pooled"]) == (1, 0, 0.5, 0.75)
    assert scores["accuracy"] == 0.5
    assert main(["score", "bad", *words]) == 0
    assert "auc/pooled" in capsys.readouterr().out


def test_wrong_commands_exit_with_2(capsys):
    for words in (
        [],
        ["rum"],
        ["score", "bad"],
        ["list", "things"],
        ["score", "bda", "--reference", "x", "--predictions", "y"],
    ):
        assert main(words) == 2
    assert main(["list", "tasks", "--surprise"]) == 2
    assert "unrecognized arguments: --surprise" in capsys.readouterr().err


def test_list_names_tasks_and_systems_with_published_scores_and_parameters(capsys):
    assert main(["list", "tasks"]) == 0
    assert "Bird audio detection" in capsys.readouterr().out
    assert main(["list", "systems", "--task", "bad"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["cnn8"])
    assert "0.854" in line and "4,686,657" in line


def test_print_config_prints_the_recipe_with_overrides(capsys):
    assert main(["run", "--task", "bad", "--data", "mini", "--print_config", "--trainer.max_steps", "11"]) == 0
    assert "max_steps: 11" in capsys.readouterr().out


def test_data_status_says_what_is_there(capsys, tmp_path):
    assert main(["data", "status", "bad", "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "ff1010bird" in error and "make data TASK=bad" in error and str(tmp_path) in error


@pytest.mark.parametrize("words", [["--help"], ["list", "tasks"], ["list", "systems"], ["run", "--help"], ["score"]])
def test_light_commands_do_not_import_what_starts_slowly(words, tmp_path):
    if words == ["score"]:
        (tmp_path / "labels.txt").write_text("audio/a.wav\tpark\naudio/b.wav\tbus\n")
        words = [
            "score",
            "asc",
            *(word for name in ("reference", "predictions") for word in (f"--{name}", "labels.txt")),
        ]
    code = (
        f"import sys; from benchmark.cli import main; assert main({words!r}) == 0\n"
        + "print(*{'torch', 'pandas', 'pytorch_lightning', 'torchmetrics'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.fixture
def detection(tmp_path):
    """A reference of two files, and what was found in them."""
    (tmp_path / "reference.csv").write_text(
        "filename\tonset\toffset\tevent_label\na.wav\t0.0\t2.0\tDog\nb.wav\t1.0\t3.0\tCat\n"
    )
    (tmp_path / "events.csv").write_text("a.wav\t0.1\t2.1\tDog\nb.wav\t5.0\t6.0\tCat\n")
    names = get_task("sed").classes
    tags = {"a.wav": {"Dog": 0.9, "Cat": 0.2}, "b.wav": {"Dog": 0.4, "Cat": 0.3}}
    rows = [[file, *(str(said.get(name, 0.0)) for name in names)] for file, said in tags.items()]
    (tmp_path / "tags.csv").write_text("\n".join("\t".join(row) for row in [["filename", *names], *rows]) + "\n")
    files = {"reference": tmp_path / "reference.csv", "predictions": tmp_path / "events.csv"}
    return ["score", "sed", "--json", *(word for name, path in files.items() for word in (f"--{name}", str(path)))]


@pytest.mark.parametrize("form", [["--tags", "{}"], ["--tags={}"]])
def test_score_reads_a_tasks_further_files(capsys, detection, tmp_path, form):
    assert main(detection) == 0
    without = json.loads(capsys.readouterr().out)
    assert "tag_auc" not in without
    # Of the two events the dog is found within 0.2 s, the cat is not: 2 * 1 / (2 + 2), the mean of 1 and 0.
    assert without["event_f1"] == 0.5
    assert main([*detection, *(word.format(tmp_path / "tags.csv") for word in form)]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["tag_auc/Dog"] == scores["tag_auc/Cat"] == 1
    assert {name: scores[name] for name in without} == without


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tag", "x"], "did you mean 'tags'"),
        (["--surprise", "x"], "choose one of: json, predictions, reference, tags"),
        (["--surprise=x"], "choose one of: json, predictions, reference, tags"),
        (["--predictons", "x"], "did you mean 'predictions'"),
        (["stray"], "unknown option 'stray'"),
        (["--tags"], "--tags needs a file"),
        (["--tags", "/nowhere/tags.csv"], "/nowhere/tags.csv"),
    ],
)
def test_an_unknown_further_file_names_the_valid_ones(capsys, detection, words, said):
    assert main([*detection, *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and not captured.out
    assert "Traceback" not in captured.err and len(captured.err.splitlines()) <= 3


def test_a_task_without_further_files_takes_none(capsys, tmp_path):
    assert main(["score", "bad", "--reference", "r", "--predictions", "p", "--tags", "x"]) == 2
    assert "choose one of: json, predictions, reference" in capsys.readouterr().err


def test_list_names_the_further_files_of_a_task(capsys):
    assert main(["list", "tasks", "--task", "sed"]) == 0
    assert "scores also: --tags FILE" in capsys.readouterr().out
    assert main(["list", "tasks", "--task", "bad"]) == 0
    assert "scores also" not in capsys.readouterr().out


# All tasks


@pytest.fixture
def three_tasks(monkeypatch):
    """Three tasks whose runs are made up: `finish` says how each ends."""
    finish = {}

    def run_plan(console, plan, repeats, brief):
        assert brief
        name = plan.task.name
        if name in finish:
            raise finish[name]
        return [make_record(task=name, variant="mini", scores={plan.task.main_score: 0.625})]

    chosen = {name: get_task(name) for name in ("bad", "esc", "sed")}
    monkeypatch.setattr("benchmark.cli.all_tasks", lambda: chosen)
    monkeypatch.setattr("benchmark.cli._run_plan", run_plan)
    return finish


ALL = ["run", "--task", "all", "--system", "cnn4", "--data", "mini"]


def test_all_tasks_end_in_one_table(capsys, three_tasks):
    assert main(ALL) == 0
    out = capsys.readouterr().out
    assert [f"{name} ({n} of 3)" in out for n, name in enumerate(("bad", "esc", "sed"), 1)] == [True] * 3
    table = out.split("all tasks:")[1].split("published, for orientation")[0]
    assert [line.split()[0] for line in table.splitlines() if "0.625" in line] == ["bad", "esc", "sed"]


@pytest.mark.parametrize("error", [BenchmarkError("no [b]space[/b] left"), InputError("a label is wrong")])
def test_a_task_that_fails_does_not_stop_the_others(capsys, three_tasks, error):
    three_tasks["esc"] = error
    assert main(ALL) == 1
    captured = capsys.readouterr()
    assert f"error: {error}" in captured.err
    table = captured.out.split("all tasks:")[1].split("published, for orientation")[0]
    assert [line.split()[0] for line in table.splitlines() if "0.625" in line] == ["bad", "sed"]
    assert "1 of 3 tasks failed: esc" in captured.err


def test_all_tasks_failing_is_a_failure_without_a_table(capsys, three_tasks):
    three_tasks.update(dict.fromkeys(("bad", "esc", "sed"), RuntimeError("no")))
    assert main(ALL) == 1
    captured = capsys.readouterr()
    assert "all tasks:" not in captured.out and "3 of 3 tasks failed" in captured.err
    assert "unexpected RuntimeError: no" in captured.err and "Traceback" not in captured.err


def test_an_interruption_stops_all_tasks(capsys, three_tasks):
    three_tasks["bad"] = Interrupted("stopped after step 3")
    assert main(ALL) == 3
    assert "esc (2 of 3)" not in capsys.readouterr().out


def test_a_task_that_cannot_run_as_told_is_named_before_the_others_begin(capsys, three_tasks):
    assert main([*ALL, "--system", "logistic-regression"]) == 1  # sed has no such system
    captured = capsys.readouterr()
    assert "sed cannot run: task sed has no system 'logistic-regression'" in captured.err
    assert "bad (1 of 2)" in captured.out and "esc (2 of 2)" in captured.out
    assert "1 of 3 tasks failed: sed" in captured.err


@pytest.mark.parametrize("words", [["--system", "cnn9"], ["--trainer.max_step", "3"], ["--fold", "none"]])
def test_words_that_are_wrong_for_every_task_are_wrong_input(capsys, three_tasks, words):
    assert main([*ALL, *words]) == 2
    captured = capsys.readouterr()
    assert "(1 of" not in captured.out and "Traceback" not in captured.err
    assert "3 of 3 tasks failed: bad, esc, sed" in captured.err
