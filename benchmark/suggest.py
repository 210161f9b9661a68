"""Unknown names are answered with the nearest valid one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A remedy line for an unknown name: the nearest valid name, or all of them when none is near.

    Args:
        name: What the user wrote.
        valid: The names that would have been accepted.
    """
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(names)}"
