import hashlib

import numpy as np
import pytest
import torch

from benchmark.errors import InputError
from benchmark.weights import load_weights, random_weights_allowed, weights_path

SHAPES = {"a.weight": (2, 3), "a.bias": (2, 1)}
SOURCE = "https://example.org/net.pth"
WEIGHT, BIAS = torch.arange(6.0).reshape(2, 3), torch.tensor([7.0, 8.0])


@pytest.fixture(autouse=True)
def folder():
    weights_path("net.pth").parent.mkdir(parents=True)
    return weights_path("net.pth").parent


def load(name="net.pth"):
    return load_weights(name, SHAPES, SOURCE)


def test_state_dict(folder):
    torch.save({"a.weight": WEIGHT.double(), "a.bias": BIAS, "other": BIAS}, folder / "net.pth")
    state = load()
    assert list(state) == list(SHAPES)
    assert torch.equal(state["a.weight"], WEIGHT)
    assert torch.equal(state["a.bias"], BIAS[:, None])
    assert state["a.weight"].dtype == torch.float32


def test_npz(folder):
    np.savez(folder / "net.npz", **{"a.weight": WEIGHT.numpy(), "a.bias": BIAS.numpy()})
    assert torch.equal(load("net.npz")["a.weight"], WEIGHT)


def test_no_file_says_what_to_do(folder):
    with pytest.raises(InputError) as raised:
        load()
    for part in ("net.pth", str(folder / "net.pth"), SOURCE, "--allow-random-weights"):
        assert part in str(raised.value)


def test_random_weights_must_be_allowed(folder):
    with random_weights_allowed():
        assert load() is None
        torch.save({"a.weight": WEIGHT, "a.bias": BIAS}, folder / "net.pth")
        assert load() is not None  # what is there is used
        (folder / "net.pth").unlink()
    with pytest.raises(InputError):
        load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.weight": WEIGHT}, r"no tensor a.bias \(1 of 2 are missing\)"),
        ({"b.weight": WEIGHT}, r"no tensor a.weight \(2 of 2 are missing\)"),
        ({"a.weight": WEIGHT.T, "a.bias": BIAS}, r"tensor a.weight has shape \(3, 2\), expected \(2, 3\)"),
        ({"a.weight": WEIGHT, "a.bias": BIAS[:1]}, r"tensor a.bias has shape \(1,\), expected \(2, 1\)"),
        ([WEIGHT], "the file is no state dict"),
        ({"a.weight": 3}, "the file is no state dict"),
        ({"a.weight": np.zeros((2, 3))}, "cannot read the weights"),  # nothing but tensors is unpickled
    ],
)
def test_wrong_file(folder, content, message):
    torch.save(content, folder / "net.pth")
    with pytest.raises(InputError, match=message):
        load()


@pytest.mark.parametrize("name", ["net.pth", "net.npz"])
@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04damaged"])
def test_damaged_file(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read the weights"):
        load(name)


def test_hash_in_the_name(folder):
    torch.save({"a.weight": WEIGHT, "a.bias": BIAS}, folder / "net.pth")
    content = (folder / "net.pth").read_bytes()
    right = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / right).write_bytes(content)
    assert load(right) is not None
    (folder / "net-01234567.pth").write_bytes(content)
    with pytest.raises(InputError, match="the weights are damaged: their SHA-256 starts with"):
        load("net-01234567.pth")
