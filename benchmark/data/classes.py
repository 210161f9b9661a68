"""Classes by the patterns of their names, and clips by their classes."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import InputError
from benchmark.suggest import did_you_mean


def class_places(patterns: Sequence[str], classes: Sequence[str], key: str) -> list[int]:
    """Places of the classes that fit any of the patterns, in rising order; all where there is no pattern.

    Args:
        patterns: Names, in which `*` stands for anything.
        classes: Class names in the order of the outputs.
        key: The recipe's key that the patterns are of, for the error.

    Raises:
        InputError: A pattern fits no class.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in classes):
            raise InputError(f"no class is called {pattern!r}", key, did_you_mean(pattern, classes))
    fitting = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in classes]
    return [place for place, fits in enumerate(fitting) if fits or not patterns]


def clips_with(
    name: str | None, classes: Sequence[str], clips: NDArray[np.int64], targets: Tensor, part: str
) -> NDArray[np.int64]:
    """Those of some clips that have a class.

    Args:
        name: The class; None: any clip will do.
        classes: Class names in the order of the targets.
        clips: Places among the examples.
        targets: Of all examples `(examples, classes)`; above 0.5 is present.
        part: What the clips are, for the error.

    Raises:
        InputError: There is no such class, or no clip has it.
    """
    if name is None or not len(clips):
        return clips
    places = class_places([name], classes, "data.with_class")
    kept = clips[(targets.numpy()[clips][:, places] > 0.5).any(axis=1)]
    if not len(kept):
        remedy = "hold out another share (data.valid_fraction), or take the class out"
        raise InputError(f"no clip of the {part} part has {name}", "data.with_class", remedy)
    return kept
