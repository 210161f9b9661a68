"""Errors a user can mend: one to three lines that say what, where and what to do."""


class BenchmarkError(Exception):
    """The work failed for a reason outside the program (exit code 1).

    Args:
        what: What went wrong, in one line.
        where: The file and line, option or key it concerns.
        remedy: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, where: object = "", remedy: str = "") -> None:
        super().__init__("\n".join(str(part) for part in (what, where and f"  where: {where}", remedy and f"  to do: {remedy}") if part))


class InputError(BenchmarkError):
    """The command or its input was wrong (exit code 2)."""

    exit_code = 2


class Interrupted(BenchmarkError):
    """The work was stopped from outside and can be resumed (exit code 3)."""

    exit_code = 3
