import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from benchmark import weights
from benchmark.data.receipts import Receipt, receipt_path, write_receipt
from benchmark.errors import InputError
from benchmark.paths import data_root
from benchmark.weights import load_weights, random_weights_allowed, weights_path

SHAPES = {"a.weight": (2, 3), "a.bias": (2, 1)}
WEIGHT, BIAS = torch.arange(6.0).reshape(2, 3), torch.tensor([7.0, 8.0])
STATE = {"a.weight": WEIGHT, "a.bias": BIAS}
DOWNLOAD = "python -m benchmark data download weights"
UNSAFE_ADVICE = ("weights_only", "allow_pickle", "unsafe", "safe_globals")  # of torch's and numpy's own messages


@pytest.fixture(autouse=True)
def folder():
    weights_path("net.pth").parent.mkdir(parents=True)
    return weights_path("net.pth").parent


@pytest.fixture(autouse=True)
def publish(tmp_path, monkeypatch):
    """A registry of its own, empty until files are published in it."""
    path = tmp_path / "weights.yaml"
    monkeypatch.setattr(weights, "REGISTRY", path)

    def write(*files):
        text = dict.fromkeys(("title", "holds", "licence", "citation", "source"), "?")
        limit = {"files": 0, "bytes": 0}
        files = [{"url": f"https://example.org/{file['name']}"} | file for file in files]
        dataset = text | {"name": "net", "folder": "weights", "limit": limit, "files": files}
        path.write_text(yaml.safe_dump([dataset] if files else []))

    write()
    return write


def load(name="net.pth", **arguments):
    return load_weights(name, SHAPES, **arguments)


def hashes(path):
    content = path.read_bytes()
    return {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}


def assert_is_state(state):
    assert list(state) == list(SHAPES)
    assert torch.equal(state["a.weight"], WEIGHT)
    assert torch.equal(state["a.bias"], BIAS[:, None])
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert not any(tensor.requires_grad for tensor in state.values())


def test_state_dict(folder):
    torch.save({"a.weight": torch.nn.Parameter(WEIGHT), "a.bias": BIAS.double(), "other": BIAS}, folder / "net.pth")
    assert_is_state(load())


def test_npz(folder):
    np.savez(folder / "net.npz", **{name: tensor.numpy() for name, tensor in STATE.items()})
    assert_is_state(load("net.npz"))


def test_safetensors(folder):
    save_file(STATE | {"a.weight": WEIGHT.half()}, folder / "net.safetensors")
    assert_is_state(load("net.safetensors"))


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        {"model": STATE, "iteration": 600000, "statistics": {"mAP": [0.4, None]}},
        {"state_dict": STATE, "epoch": 3, "pytorch-lightning_version": "2.6.0", "optimizer_states": [{"lr": 0.1}]},
    ],
)
def test_a_checkpoint_holds_the_state_dict_beside_other_things(folder, content, is_zip):
    torch.save(content, folder / "net.ckpt", _use_new_zipfile_serialization=is_zip)
    assert_is_state(load("net.ckpt"))


def test_a_network_within_another_has_a_common_prefix(folder):
    outer = {f"backbone.net.{name}": tensor for name, tensor in STATE.items()} | {"head.a.weight": torch.zeros(2, 3)}
    torch.save({"state_dict": outer}, folder / "net.ckpt")
    assert_is_state(load("net.ckpt", further=()))  # the head is not the network's


def test_two_networks_in_one_file_are_not_chosen_between(folder):
    torch.save(
        {f"{prefix}.{name}": tensor for prefix in ("net", "ema") for name, tensor in STATE.items()}, folder / "n"
    )
    with pytest.raises(InputError, match=r"the file holds 2 such networks: net\., ema\."):
        load("n")


def test_no_file_says_where_to_put_it(folder):
    with pytest.raises(InputError) as raised:
        load()
    for part in ("net.pth", str(folder / "net.pth"), "put your own file there", "--allow-random-weights"):
        assert part in str(raised.value)
    assert DOWNLOAD not in str(raised.value)


def test_no_file_that_is_published_says_how_to_get_it(folder, publish):
    publish({"name": "net.pth"})
    with pytest.raises(InputError) as raised:
        load()
    for part in (DOWNLOAD, str(folder / "net.pth"), "https://example.org/net.pth", "--allow-random-weights"):
        assert part in str(raised.value)


def test_random_weights_must_be_allowed(folder):
    with random_weights_allowed():
        assert load() is None
        torch.save(STATE, folder / "net.pth")
        assert load() is not None  # what is there is used
        (folder / "net.pth").unlink()
    with pytest.raises(InputError):
        load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.weight": WEIGHT}, r"no tensor a.bias \(1 of 2 are missing\)"),
        ({"b.weight": WEIGHT}, r"no tensor a.weight \(2 of 2 are missing\)"),
        ({"net.a.weight": WEIGHT}, r"no tensor a.bias \(1 of 2 are missing\)"),
        (STATE | {"a.weight": WEIGHT.T}, r"tensor a.weight has shape \(3, 2\), expected \(2, 3\)"),
        (STATE | {"a.bias": BIAS[:1]}, r"tensor a.bias has shape \(1,\), expected \(2, 1\)"),
        (STATE | {"a.bias": BIAS / 0}, "tensor a.bias holds infinite or undefined values"),
        ([WEIGHT], "the file is no state dict"),
        ({"a.weight": 3}, "the file is no state dict"),
        ({"model": 3}, "the file is no state dict"),
        ({}, "the file is no state dict"),
    ],
)
def test_wrong_file(folder, content, message):
    torch.save(content, folder / "net.pth")
    with pytest.raises(InputError, match=message):
        load()


def test_further_tensors_must_be_named(folder):
    torch.save(STATE | {"fc.weight": BIAS, "b.weight": BIAS, "b.bias": BIAS}, folder / "net.pth")
    assert_is_state(load(further=("fc.", "b.")))
    with pytest.raises(InputError, match=r"another network's: b.weight is not asked for \(2 are too many\)"):
        load(further=("fc.",))


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (self.victim,)


@pytest.mark.parametrize("form", ["plain", "zip", "legacy", "npz"])
def test_a_malicious_pickle_does_not_run(folder, tmp_path, form):
    victim, name = str(tmp_path / "victim"), "net.npz" if form == "npz" else "net.pth"
    content = STATE | {"extra": Malicious(victim)}
    with (folder / name).open("wb") as file:
        if form == "plain":
            pickle.dump(content, file, protocol=2)
        elif form == "npz":
            np.savez(file, extra=np.array([Malicious(victim)]))
        else:
            torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(
        InputError, match=r"can run any code[\s\S]*save the state dict|cannot read the weights"
    ) as raised:
        load(name)
    assert not (tmp_path / "victim").exists()
    assert not any(advice in str(raised.value) for advice in UNSAFE_ADVICE)


def test_numpy_values_beside_the_tensors_are_refused_by_name(folder):
    torch.save({"model": STATE, "sampler": np.zeros(3)}, folder / "net.pth")
    with pytest.raises(InputError, match=r"numpy\S*_reconstruct[\s\S]*save the state dict alone"):
        load()


@pytest.mark.parametrize("name", ["net.pth", "net.npz", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04damaged"])
def test_damaged_file(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read the weights"):
        load(name)


@pytest.mark.parametrize("name", ["net.pth", "net.npz", "net.safetensors"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_corruptions_give_the_named_error_or_finite_tensors(folder, name):
    if name == "net.pth":
        torch.save(STATE, folder / name)
    elif name == "net.npz":
        np.savez(folder / name, **{key: tensor.numpy() for key, tensor in STATE.items()})
    else:
        save_file(STATE, folder / name)
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(200):
        damaged = bytearray(whole)
        if number % 4 == 0:
            del damaged[rng.integers(len(damaged)) :]
        else:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        (folder / name).write_bytes(damaged)
        try:
            state = load(name)
        except InputError as error:
            refused += 1
            assert not any(advice in str(error) for advice in UNSAFE_ADVICE)
        else:
            assert all(tensor.isfinite().all() and tensor.shape == SHAPES[key] for key, tensor in state.items())
    assert refused >= 50  # every truncation at the least


def test_hash_in_the_name(folder):
    torch.save(STATE, folder / "net.pth")
    content = (folder / "net.pth").read_bytes()
    right = f"net-{hashes(folder / 'net.pth')['sha256'][:8]}.pth"
    (folder / right).write_bytes(content)
    assert load(right) is not None
    (folder / "net-01234567.pth").write_bytes(content)
    with pytest.raises(InputError, match="the weights are damaged: their SHA-256 starts with"):
        load("net-01234567.pth")


@pytest.mark.parametrize(("kind", "label"), [("md5", "MD5"), ("sha256", "SHA-256")])
def test_published_hash(folder, publish, kind, label):
    torch.save(STATE, folder / "net.pth")
    right = hashes(folder / "net.pth")[kind]
    publish({"name": "net.pth", "bytes": (folder / "net.pth").stat().st_size, kind: right})
    assert load() is not None
    publish({"name": "net.pth", kind: "0" * len(right)})
    message = f"damaged: their {label} starts with {right[:8]}, not 00000000[\\s\\S]*{DOWNLOAD}"
    with pytest.raises(InputError, match=message):
        load()


def test_published_size(folder, publish):
    torch.save(STATE, folder / "net.pth")
    publish({"name": "net.pth", "bytes": 1234567})
    with pytest.raises(InputError, match=r"the weights are damaged: [\d,]+ bytes, not 1,234,567"):
        load()


def test_without_a_published_hash_that_of_the_first_download_counts(folder, publish):
    torch.save(STATE, folder / "net.pth")
    publish({"name": "net.pth"})
    whole = Receipt("net.pth", "", 1, confirmed="first download", members=(), **hashes(folder / "net.pth"))
    receipt = receipt_path(data_root(), "net", "net.pth")
    receipt.parent.mkdir(parents=True)
    write_receipt(receipt, whole)
    assert load() is not None
    torch.save(STATE | {"more": BIAS}, folder / "net.pth")
    with pytest.raises(InputError, match="the weights are damaged"):
        load()


def test_a_published_file_of_another_folder_says_nothing(folder, publish):
    torch.save(STATE, folder / "net.pth")
    publish({"name": "net.pth", "folder": "elsewhere", "md5": "0" * 32})
    assert load() is not None


def test_a_file_is_hashed_once_until_it_changes(folder, publish, monkeypatch):
    torch.save(STATE, folder / "net.pth")
    publish({"name": "net.pth", "sha256": hashes(folder / "net.pth")["sha256"]})
    digest, calls = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: calls.append(1) or digest(*arguments))
    load()
    load()
    assert len(calls) == 1
    content = bytearray((folder / "net.pth").read_bytes())
    content[-1] ^= 1
    (folder / "net.pth").write_bytes(content)
    os.utime(folder / "net.pth", ns=(0, 0))
    with pytest.raises(InputError, match="the weights are damaged"):
        load()
