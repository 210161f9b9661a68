import numpy as np
import pytest
import torch

from benchmark.backbones import VGGish
from benchmark.errors import InputError
from benchmark.weights import random_weights_allowed, weights_path


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    with random_weights_allowed():
        return VGGish(weights="absent.pth", pca=None)


def state_of(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def numpy_embedding(example, state):
    """The layers one after the other, without torch: example (96, 64) to 128 numbers."""
    maps = example[None].astype(np.float64)
    for layer, pool in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        weight, bias = (state[f"features.{layer}.{kind}"].astype(np.float64) for kind in ("weight", "bias"))
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        maps = np.tensordot(weight, patches, axes=([1, 2, 3], [0, 3, 4])) + bias[:, None, None]
        maps = np.maximum(maps, 0)
        if pool:
            channels, time, frequency = maps.shape
            maps = maps.reshape(channels, time // 2, 2, frequency // 2, 2).max(axis=(2, 4))
    vector = maps.transpose(1, 2, 0).ravel()  # time, frequency, channel
    for layer in (0, 2, 4):
        vector = np.maximum(state[f"embeddings.{layer}.weight"] @ vector + state[f"embeddings.{layer}.bias"], 0)
    return vector


def test_parameters(network):
    """The number of the published model, none of them trainable."""
    assert sum(parameter.numel() for parameter in network.parameters()) == 72_141_184
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_equals_the_layers_in_numpy(network):
    example = np.random.default_rng(0).normal(-2, 1, (96, 64)).astype(np.float32)
    embedding = network(torch.from_numpy(example)[None, None])
    expected = numpy_embedding(example, state_of(network))
    assert expected.max() > 1e-3  # not all cut off by the last ReLU
    assert embedding[0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_examples_do_not_overlap_and_the_rest_is_left_out(network):
    features = torch.randn(2, 1, 96 * 2 + 95, 64)
    embedding = network(features)
    assert embedding.shape == (2, 2, 128)
    assert torch.allclose(embedding[1, 1], network(features[1:, :, 96:192])[0, 0], atol=1e-6)


def test_short_clips_are_filled_up_with_silence(network):
    features = torch.randn(1, 1, 40, 64)
    filled = torch.cat([features, torch.full((1, 1, 56, 64), float(np.log(0.01)))], dim=2)
    assert torch.allclose(network(features), network(filled), atol=1e-6)


def test_always_in_evaluation_mode(network):
    network.train()
    assert not any(module.training for module in network.modules())


def test_weights_of_the_port(network):
    """Its tensors have the names `features.<i>` and `embeddings.<i>`."""
    path = weights_path("vggish-mine.pth")
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    mean = np.linspace(-0.1, 0.1, 128, dtype=np.float32)[:, None]
    matrix = np.random.default_rng(1).normal(0, 30, (128, 128)).astype(np.float32)
    np.savez(path.parent / "pca.npz", pca_eigen_vectors=matrix, pca_means=mean)
    loaded = VGGish("vggish-mine.pth", "pca.npz")
    assert not loaded.random_weights
    features = torch.randn(1, 1, 96, 64)
    whitened = matrix @ (network(features)[0, 0].numpy()[:, None] - mean)
    eight_bit = np.round((np.clip(whitened[:, 0], -2, 2) + 2) * 255 / 4)
    steps = loaded(features)[0, 0].numpy() * 255 / 4 + 127.5
    assert steps == pytest.approx(np.round(steps), abs=1e-3)  # whole steps of 8 bits, mapped back to [-2, 2]
    assert (eight_bit.min(), eight_bit.max()) == (0, 255)
    assert steps == pytest.approx(eight_bit, abs=1.001)  # float32 may round a tie the other way
    assert np.mean(np.abs(steps - eight_bit) < 0.5) > 0.95


def test_wrong_weights_name_the_tensor(network):
    path = weights_path("wrong.pth")
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict() | {"embeddings.4.bias": torch.zeros(64)}, path)
    with pytest.raises(InputError, match=r"tensor embeddings.4.bias has shape \(64,\), expected \(128,\)"):
        VGGish("wrong.pth", None)


def test_no_weights():
    message = r"vggish-10086976.pth are not there[\s\S]*benchmark data download weights[\s\S]*--allow-random-weights"
    with pytest.raises(InputError, match=message):
        VGGish()


def test_random_weights_are_marked():
    with random_weights_allowed():
        network = VGGish()
    assert network.random_weights
    assert network(torch.zeros(1, 1, 96, 64)).shape == (1, 1, 128)


@pytest.mark.parametrize("shape", [(1, 2, 96, 64), (1, 1, 96, 40), (96, 64)])
def test_wrong_features(network, shape):
    with pytest.raises(InputError, match="VGGish got features"):
        network(torch.zeros(shape))
