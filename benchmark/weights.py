"""Pretrained weights: files in `<data root>/weights/`, downloaded or the user's own.

A file holds named tensors: a state dict of PyTorch, alone or within a checkpoint as `state_dict` or `model` (nothing
but tensors and plain values is unpickled), `.safetensors`, or `.npz`. It is compared with what is known of it: size and
hash in `weights.yaml`, or the hash of its first download, and eight hexadecimal digits at the end of its name, as in
`vggish-10086976.pth`, with which its SHA-256 must start (the convention of `torch.hub`).
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.data.files import OfficialFile, read_registry
from benchmark.data.receipts import read_receipt, receipt_path
from benchmark.errors import InputError
from benchmark.paths import data_root

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]

REGISTRY = Path(__file__).with_name("weights.yaml")
FOLDER = "weights"
DOWNLOAD = "python -m benchmark data download weights"
WITHIN = ("state_dict", "model")

_allowed: ContextVar[bool] = ContextVar("random_weights_allowed", default=False)


@contextmanager
def random_weights_allowed(allowed: bool = True) -> Iterator[None]:
    """Within the block, a part whose pretrained weights are not there may start from random ones, or may not."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def weights_path(name: str) -> Path:
    """Where the weights file `name` lies, or should."""
    return data_root() / FOLDER / name


def load_weights(name: str, shapes: Shapes, further: Sequence[str] | None = None) -> "dict[str, Tensor] | None":
    """The tensors of a weights file.

    Args:
        name: The file's name.
        shapes: What it must hold: tensor name to shape, where axes of length 1 do not count. All the names may be
            prefixed in the file, as those of a network within another are.
        further: Beginnings of names of what it may hold beside, under the same prefix; None: anything.

    Returns:
        float32 tensors of exactly the names and shapes asked for; None where there is no file, and random weights are
        allowed.

    Raises:
        InputError: There is no file, or it is damaged or holds more than tensors and plain values, or a tensor is
            missing, too many, not finite or of another shape; says which.
    """
    path, official = weights_path(name), _official(name)
    if not path.is_file():
        if _allowed.get():
            return None
        fetch = "put your own file there"
        if official:
            fetch = f"{DOWNLOAD} (brings all published ones), or put the file of {official.urls[0]} there"
        remedy = f"{fetch}, or try without: --allow-random-weights (kept out of leaderboards)"
        raise InputError(f"the pretrained weights {name} are not there", path.resolve(), remedy)
    with _readable(path):
        _check(path, official)
        found = _of_one_network(_read(path), shapes, path)
    beside = ("",) if further is None else tuple(further)
    if unknown := [tensor for tensor in found if tensor not in shapes and not tensor.startswith(beside)]:
        what = f"the weights are another network's: {unknown[0]} is not asked for ({len(unknown)} are too many)"
        raise InputError(what, path, "name this network's file in the recipe")
    return {tensor: _fitted(found[tensor], tensor, shape, path) for tensor, shape in shapes.items()}


def _official(name: str) -> OfficialFile | None:
    """What is known of the file `name`, if it is published; its hash is that of its first download if no other is."""
    for dataset in read_registry(REGISTRY):
        for file in dataset.files:
            if f"{file.folder}/{file.name}" == f"{FOLDER}/{name}":
                receipt = read_receipt(receipt_path(data_root(), dataset.name, file.name))
                return replace(file, sha256=receipt.sha256) if receipt and not file.is_known else file
    return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever a parser stumbles on in a damaged file becomes one error that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        # The libraries' own texts advise to switch their safeguards off.
        if unsafe := re.search(r"GLOBAL (\S+)|Object arrays", text):
            what = f"refused: the weights hold {unsafe[1] or 'Python objects'}, and what is no tensor can run any code"
            remedy = "if you trust them, save the state dict alone: torch.save(network.state_dict(), file)"
        else:
            reason = re.split("Check the documentation|If you trust", text.split("WeightsUnpickler error:")[-1])[0]
            what = f"cannot read the weights: {reason.strip()[:200] or type(error).__name__}"
            remedy = "expected a state dict of tensors, .safetensors, or .npz of arrays"
        raise InputError(what, path, remedy) from error


def _check(path: Path, official: OfficialFile | None) -> None:
    """Compare size and hashes with what is known of them."""
    expected = []
    if named := re.search(r"-([0-9a-f]{8})\.\w+$", path.name):
        expected = [("sha256", named[1])]
    remedy = "download them again; weights of your own need a name without a hash"
    if official:
        remedy = f"delete the file, then {DOWNLOAD}; weights of your own need another name"
        hashes = [("sha256", official.sha256), ("md5", official.md5)]
        expected += [(kind, known) for kind, known in hashes if known][:1]  # one says all, and each costs a reading
        size = path.stat().st_size
        if official.bytes not in (None, size):
            raise InputError(f"the weights are damaged: {size:,} bytes, not {official.bytes:,}", path, remedy)
    for kind, known in expected:
        stat = path.stat()
        digest = _digest(path.resolve(), kind, stat.st_size, stat.st_mtime_ns)
        if not digest.startswith(known):
            label = "MD5" if kind == "md5" else "SHA-256"
            what = f"the weights are damaged: their {label} starts with {digest[:8]}, not {known[:8]}"
            raise InputError(what, path, remedy)


@cache
def _digest(path: Path, kind: str, size: int, changed: int) -> str:
    """Hash of a file, computed again only if its size or time of change are others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _read(path: Path) -> dict[str, "Tensor"]:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".npz":
        if not zipfile.is_zipfile(path):
            raise ValueError("not a zip file")  # numpy takes it for a pickle and says so
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    if path.suffix == ".safetensors":
        return load_file(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    within = [content[key] for key in WITHIN if key in content] if isinstance(content, dict) else []
    for state in (content, *within):
        if isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values()):
            return dict(state)
    what = f"expected a dict of tensor names to tensors, alone or as {' or '.join(map(repr, WITHIN))} of a checkpoint"
    raise InputError("the file is no state dict", path, what)


def _of_one_network(found: dict[str, Any], shapes: Shapes, path: Path) -> dict[str, Any]:
    """The tensors of the network that has the names of `shapes`, without their common prefix."""
    first = next(iter(shapes))
    prefixes = [name.removesuffix(first) for name in found if name == first or name.endswith(f".{first}")]
    missing = {prefix: [name for name in shapes if prefix + name not in found] for prefix in ("", *prefixes)}
    complete = [prefix for prefix in missing if not missing[prefix]]
    if "" not in complete and len(complete) > 1:
        what = f"the file holds {len(complete)} such networks: {', '.join(complete)}"
        raise InputError(what, path, "save the state dict of one of them alone")
    best = min(missing, key=lambda prefix: len(missing[prefix]))
    if missing[best]:
        what = f"no tensor {missing[best][0]} ({len(missing[best])} of {len(shapes)} are missing)"
        remedy = f"name this network's file in the recipe; tensors found: {', '.join([*found][:3])} ..."
        raise InputError(what, path, remedy)
    return {name.removeprefix(best): tensor for name, tensor in found.items() if name.startswith(best)}


def _fitted(tensor: "Tensor", name: str, shape: tuple[int, ...], path: Path) -> "Tensor":
    remedy = "name this network's file in the recipe"
    if [length for length in tensor.shape if length != 1] != [length for length in shape if length != 1]:
        raise InputError(f"tensor {name} has shape {tuple(tensor.shape)}, expected {shape}", path, remedy)
    if not tensor.isfinite().all():
        raise InputError(f"tensor {name} holds infinite or undefined values", path, "take another file")
    return tensor.detach().float().reshape(shape)
