"""Rows of tables: what is said of the runs behind them."""

import dataclasses
from pathlib import Path

from helpers import make_record

from benchmark.registry import get_task
from leaderboard import Run
from leaderboard.results import group_results


def notes(**changes):
    run = Run(make_record(**changes), "record.json", Path("record.json"))
    task = dataclasses.replace(get_task("bad"), protocols={"random-3-fold": ("1",)})
    ((result,),) = group_results(task, [run]).values()
    return result.notes


def test_a_system_without_a_recipe_keeps_its_row_and_says_so():
    assert notes() == ()
    assert notes(system="my_pkg.Model") == ("no recipe of this name here",)
