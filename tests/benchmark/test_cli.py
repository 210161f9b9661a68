import json
import subprocess
import sys

import pytest

from benchmark.cli import main
from benchmark.errors import BenchmarkError, InputError, Interrupted, exit_code


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
    assert "ff1010bird" in error and "archive.org" in error and str(tmp_path) in error


@pytest.mark.parametrize("words", [["list", "systems"], ["score", "--help"], ["run", "--help"]])
def test_light_commands_do_not_import_torch(words):
    code = (
        f"import sys; from benchmark.cli import main; main({words!r})\n"
        + "sys.exit(bool({'torch', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
