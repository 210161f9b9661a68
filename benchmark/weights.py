"""Pretrained weights that the user supplies: files in `<data root>/weights/`.

A file holds named tensors, as a PyTorch state dict (`.pth`, `.pt`; nothing but tensors is unpickled) or as `.npz`. If a
file's name ends in eight hexadecimal digits, as in `vggish-10086976.pth`, its SHA-256 must start with them (the
convention of `torch.hub`).
"""

import hashlib
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import InputError
from benchmark.paths import data_root

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]

UNREADABLE = (OSError, EOFError, ValueError, TypeError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)

_allowed: ContextVar[bool] = ContextVar("random_weights_allowed", default=False)


@contextmanager
def random_weights_allowed() -> Iterator[None]:
    """Within the block, a part whose pretrained weights are not there starts from random ones."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def weights_path(name: str) -> Path:
    """Where the weights file `name` lies, or should."""
    return data_root() / "weights" / name


def load_weights(name: str, shapes: Shapes, source: str) -> "dict[str, Tensor] | None":
    """The tensors of a weights file.

    Args:
        name: The file's name.
        shapes: What it must hold: tensor name to shape, where axes of length 1 do not count. It may hold more.
        source: Where to fetch it, for the message.

    Returns:
        float32 tensors of exactly the names and shapes asked for; None where there is no file, and random weights are
        allowed.

    Raises:
        InputError: There is no file, or it is damaged, or a tensor is missing or has another shape; says which.
    """
    path = weights_path(name)
    if not path.is_file():
        if _allowed.get():
            return None
        raise InputError(
            f"the pretrained weights {name} are not there",
            path.resolve(),
            f"fetch {source} and put it there, or try without: --allow-random-weights (kept out of leaderboards)",
        )
    _check_hash(path)
    found = _read(path)
    missing = [tensor for tensor in shapes if tensor not in found]
    if missing:
        what = f"no tensor {missing[0]} ({len(missing)} of {len(shapes)} are missing)"
        raise InputError(what, path, f"take the file of {source}; tensors found: {', '.join([*found][:3])} ...")
    return {tensor: _fitted(found[tensor], tensor, shape, path, source) for tensor, shape in shapes.items()}


def _check_hash(path: Path) -> None:
    named = re.search(r"-([0-9a-f]{8})\.\w+$", path.name)
    if named is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(named[1]):
        what = f"the weights are damaged: their SHA-256 starts with {digest[:8]}, not {named[1]}"
        raise InputError(what, path, "download them again; weights of your own need a name without a hash")


def _read(path: Path) -> dict[str, Any]:
    import torch

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"cannot read the weights: {reason}", path, "expected a state dict of tensors, or .npz of arrays"
        ) from error
    tensors = isinstance(content, dict) and all(isinstance(value, torch.Tensor) for value in content.values())
    if not tensors:
        raise InputError("the file is no state dict", path, "expected a dict of tensor names to tensors")
    return dict(content)


def _fitted(tensor: "Tensor", name: str, shape: tuple[int, ...], path: Path, source: str) -> "Tensor":
    if [length for length in tensor.shape if length != 1] != [length for length in shape if length != 1]:
        raise InputError(
            f"tensor {name} has shape {tuple(tensor.shape)}, expected {shape}", path, f"take the file of {source}"
        )
    return tensor.float().reshape(shape)
