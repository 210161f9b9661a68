"""Errors a user can mend: one to three lines that say what, where and what to do; and what a command makes of them."""

import os
import sys
import traceback
from collections.abc import Callable


class BenchmarkError(Exception):
    """The work failed for a reason outside the program (exit code 1).

    Args:
        what: What went wrong, in one line.
        where: The file and line, option or key it concerns.
        remedy: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, where: object = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, str(where), remedy
        super().__init__(
            "\n".join(
                str(part) for part in (what, where and f"  where: {where}", remedy and f"  to do: {remedy}") if part
            )
        )


class InputError(BenchmarkError):
    """The command or its input was wrong (exit code 2)."""

    exit_code = 2


class Interrupted(BenchmarkError):
    """The work was stopped from outside and can be resumed (exit code 3)."""

    exit_code = 3


def exit_code(command: Callable[[], None], debug: bool) -> int:
    """Run a command and say on standard error what went wrong, without a traceback unless `debug`.

    Returns:
        0 done; 1 the work failed; 2 the command or its input was wrong; 3 interrupted, can be resumed.
    """
    try:
        command()
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if isinstance(error, KeyboardInterrupt):
            error = Interrupted("stopped")
        elif not isinstance(error, BenchmarkError):
            what = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
            error = BenchmarkError(what, remedy="add --debug for the traceback")
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0
