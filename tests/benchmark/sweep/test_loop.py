"""The sweep's decisions, with a launcher whose jobs end as the test says."""

import json
import os
import signal

import pytest
from sweep_runs import finish, job, run_of, save

from benchmark.sweep.loop import Sweep, count, look_up


class Script:
    """A launcher that plays what is to come of each submission: one word for each time that a seed is submitted.

    Attributes:
        log: Seeds in the order of their submissions.
        most: Jobs that were there at once.
    """

    pause, lag = 0.0, 0.0

    def __init__(self, rooms=2, **ends):
        self.rooms, self.ends = rooms, {int(seed[1:]): list(words) for seed, words in ends.items()}
        self.jobs, self.lost, self.log, self.most, self.stopped, self.before = {}, set(), [], 0, 0, {}
        self.given_up = []

    def earlier(self):
        self.jobs.update(self.before)
        return self.before

    def room(self):
        return self.rooms - len(self.jobs)

    def submit(self, jobs):
        for one in jobs:
            self.log.append(one.identity.seed)
            self.jobs[str(len(self.log))] = one
        self.most = max(self.most, len(self.jobs))
        return list(self.jobs)[-len(jobs) :]

    def look(self):
        for number, one in list(self.jobs.items()):
            word = self.ends.get(one.identity.seed, ["done"])
            if word and word[0] == "waits":
                continue
            self.play(number, one, word.pop(0) if len(word) > 1 else word[0])
            del self.jobs[number]
        return dict.fromkeys(self.jobs, "queued")

    def play(self, number, one, word):
        if word == "lost":
            self.lost.add(number)
        elif word == "killed before it began":
            pass
        elif word == "done":
            finish(run_of(one), one.task, one.system, 3)
        else:
            folder = run_of(one)
            save(folder)
            folder.write_state(word, len(self.log), {})

    def was_lost(self, number):
        return number in self.lost

    def give_up(self, number):
        self.given_up.append(number)

    def stop(self):
        self.stopped += 1
        self.jobs.clear()


def swept(script, seeds=1, retries=1, show=lambda rows: None):
    sweep = Sweep([job(seed) for seed in range(seeds)], script, retries, show)
    sweep.run()
    return sweep


def states(sweep):
    return [row.status for row in sweep.rows]


def test_every_job_is_done_once_and_no_more_at_once_than_there_is_room():
    script = Script(rooms=2)
    sweep = swept(script, seeds=5)
    assert states(sweep) == ["finished"] * 5
    assert sorted(script.log) == [0, 1, 2, 3, 4]
    assert script.most == 2
    assert not sweep.was_stopped


def test_what_is_finished_is_left_out():
    finish(run_of(job(1)), "bad", "cnn8", 3)
    script = Script()
    assert states(swept(script, seeds=3)) == ["finished"] * 3
    assert script.log == [0, 2]


@pytest.mark.parametrize(
    ("retries", "ends", "times", "status"),
    [
        (0, ["failed", "done"], 1, "failed"),
        (1, ["failed", "done"], 2, "finished"),
        (1, ["failed", "failed", "done"], 2, "failed"),
        (2, ["failed", "killed before it began", "done"], 3, "finished"),
        (0, ["interrupted", "interrupted", "lost", "interrupted", "done"], 5, "finished"),
        (1, ["interrupted", "failed", "interrupted", "failed", "done"], 4, "failed"),
    ],
)
def test_failures_count_against_the_limit_and_stops_do_not(retries, ends, times, status):
    script = Script(s0=ends)
    sweep = swept(script, retries=retries)
    assert states(sweep) == [status]
    assert script.log == [0] * times
    ended = range(1, times + 1) if status == "failed" else range(1, times)
    assert script.given_up == [str(number) for number in ended]  # before each is done again


def test_a_job_that_is_back_before_long_was_never_gone():
    script, looks = Script(s0=["waits"]), []
    script.lag = 3600.0

    def look():
        looks.append(len(script.log))
        if len(looks) in (3, 4):  # its node has failed, and SLURM puts it back
            return {}
        if len(looks) == 6:
            script.ends[0] = ["done"]
        return Script.look(script)

    script.look = look
    assert states(swept(script)) == ["finished"]
    assert script.log == [0]
    assert not script.given_up


def test_a_failure_does_not_keep_the_others_from_being_done():
    script = Script(rooms=1, s0=["failed"])
    sweep = swept(script, seeds=3)
    assert states(sweep) == ["failed", "finished", "finished"]
    assert count(sweep.rows) == "2 finished, 1 failed"


def test_what_was_stopped_goes_first():
    save(folder := run_of(job(2)))
    folder.write_state("interrupted", 7, {})
    script = Script(rooms=1)
    swept(script, seeds=3)
    assert script.log == [2, 0, 1]


def test_a_run_that_goes_on_elsewhere_is_watched_and_not_begun_again():
    folder = run_of(job(0))
    folder.write_state("running", 7, {})
    state = folder.read_state() | {"host": "another"}
    _write(folder, state)
    assert look_up([job(0)])[0].status == "running elsewhere"
    shown = []

    def show(rows):
        shown.append(rows[0].status)
        if len(shown) == 3:
            finish(folder, "bad", "cnn8", 9)

    script = Script()
    assert states(swept(script, show=show)) == ["finished"]
    assert shown[:3] == ["running elsewhere"] * 3
    assert script.log == []


def test_a_run_that_has_stopped_elsewhere_is_gone_on_with():
    save(folder := run_of(job(0)))
    folder.write_state("running", 7, {})
    _write(folder, folder.read_state() | {"host": "another"})
    looks = []

    def show(rows):
        looks.append(rows[0].status)
        if len(looks) == 2:
            _write(folder, folder.read_state() | {"heartbeat": 0.0})

    script = Script()
    swept(script, show=show)
    assert script.log == [0]


def test_jobs_of_an_earlier_session_are_taken_over():
    script = Script(rooms=2)
    script.before = {"77": job(1)}
    sweep = swept(script, seeds=2)
    assert states(sweep) == ["finished"] * 2
    assert script.log == [0]
    assert sweep.rows[1].number == "77"


def test_ctrl_c_stops_the_jobs_and_leaves_the_rest_to_do():
    def show(rows):
        if rows[0].status == "finished" and not script.stopped:
            os.kill(os.getpid(), signal.SIGINT)

    script = Script(rooms=1, s1=["waits"])
    sweep = swept(script, seeds=3, show=show)
    assert sweep.was_stopped
    assert script.stopped == 1
    assert states(sweep) == ["finished", "to do", "to do"]
    assert script.log == [0, 1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_was_ignored_stays_so():
    def show(rows):
        os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        sweep = swept(Script(), show=show)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert states(sweep) == ["finished"]


def test_a_signal_after_the_last_job_stops_nothing():
    def show(rows):
        if rows[0].status == "finished":
            os.kill(os.getpid(), signal.SIGTERM)

    script = Script()
    sweep = swept(script, show=show)
    assert states(sweep) == ["finished"]
    assert not sweep.was_stopped
    assert not script.stopped


def _write(folder, state):
    (folder.path / "state.json").write_text(json.dumps(state))
