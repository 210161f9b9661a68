"""Heads against loops over single clips, with padding that must not matter."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads import Dense, GlobalMaxPool, GlobalMeanPool
from benchmark.heads.pooling import valid_frames

POOLS = [(GlobalMaxPool, torch.amax), (GlobalMeanPool, torch.mean)]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_valid_frames_is_the_ceiling():
    for frames in (1, 15, 240, 1000):
        for total in (15, 240, 1000, 3001):
            length = torch.arange(1, total + 1)
            exact = -(-length * frames // total)
            assert torch.equal(valid_frames(length / total, frames), exact)


@pytest.mark.parametrize(("head", "pool"), POOLS)
def test_pools_valid_frames_of_a_map(head, pool):
    model = head(6, 3)
    x, valid = torch.randn(4, 6, 10, 5), torch.tensor([0.01, 0.35, 0.5, 1.0])
    for clip, frames, logits in zip(x, [1, 4, 5, 10], model(x, valid), strict=True):
        expected = model.classifier(pool(clip[:, :frames], (1, 2)))
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("head", "pool"), POOLS)
def test_ranks_agree(head, pool):
    model, valid = head(6, 3), torch.tensor([0.5, 1.0])
    sequence = torch.randn(2, 8, 6)
    torch.testing.assert_close(model(sequence, valid), model(sequence.transpose(1, 2).unsqueeze(3), valid))
    torch.testing.assert_close(model(sequence[:, 0], valid), model.classifier(sequence[:, 0]))
    torch.testing.assert_close(model(sequence), model(sequence, torch.ones(2)))


@pytest.mark.parametrize("head", [GlobalMaxPool, GlobalMeanPool])
def test_alone_or_in_a_batch(head):
    model = head(6, 3)
    x, valid = torch.randn(3, 6, 15, 4), torch.tensor([3, 120, 240]) / 240
    for index, frames in enumerate([1, 8, 15]):
        alone = model(x[index : index + 1, :, :frames], torch.ones(1))
        torch.testing.assert_close(model(x, valid)[index], alone[0], rtol=0, atol=1e-6)


def test_dense_drops_in_training_only():
    model, x = Dense(1000, 2, dropout=0.5), torch.ones(1, 1000)
    assert torch.equal(model.eval()(x), model.classifier(x))
    assert not torch.equal(model.train()(x), model.classifier(x))


def test_weights_start_he_uniform_and_bias_at_zero():
    for head in (GlobalMaxPool, GlobalMeanPool, Dense):
        linear = head(512, 10).classifier
        bound = (6 / 512) ** 0.5
        assert 0.98 * bound < linear.weight.abs().max() <= bound
        assert not linear.bias.any()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="embedding"):
        Dense(4, 2)(torch.zeros(1, 3, 4))
    with pytest.raises(InputError, match="rank 2, 3 or 4"):
        GlobalMaxPool(4, 2)(torch.zeros(4))
    with pytest.raises(InputError, match="dropout"):
        Dense(4, 2, dropout=1.0)
    with pytest.raises(InputError, match="n_classes"):
        GlobalMaxPool(4, 0)


@pytest.mark.parametrize("rank", [3, 4])
def test_the_mean_of_frame_logits_is_the_clip_logit_of_the_mean_head(rank):
    """A linear layer commutes with the mean."""
    model = GlobalMeanPool(6, 3)
    torch.nn.init.normal_(model.classifier.bias)
    x, valid = torch.randn(4, 6, 10, 5), torch.tensor([0.01, 0.35, 0.5, 1.0])
    x = x if rank == 4 else x[..., 0].transpose(1, 2)
    logits = model.frame_logits(x)
    assert logits.shape == (4, 10, 3)
    for clip, frames, expected in zip(logits, [1, 4, 5, 10], model(x, valid), strict=True):
        torch.testing.assert_close(clip[:frames].mean(0), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("head", "pool"), POOLS)
def test_frame_logits_pool_frequency_alone(head, pool):
    model, x = head(6, 3), torch.randn(2, 6, 7, 4)
    torch.testing.assert_close(model.frame_logits(x), model.classifier(pool(x, 3).transpose(1, 2)), rtol=0, atol=1e-6)
    for frame in range(7):  # a frame is a clip of one frame
        alone = model(x[:, :, frame : frame + 1])
        torch.testing.assert_close(model.frame_logits(x)[:, frame], alone, rtol=0, atol=1e-6)


def test_with_positive_weights_the_maximum_head_exceeds_each_of_its_frames():
    model, x = GlobalMaxPool(6, 3), torch.randn(2, 6, 7, 4)
    model.classifier.weight.data.abs_()
    frames, clip = model.frame_logits(x), model(x)
    assert (frames <= clip[:, None] + 1e-6).all()
    # With one channel the loudest frame has the clip's logit itself.
    model = GlobalMaxPool(1, 3)
    model.classifier.weight.data.abs_()
    torch.testing.assert_close(model.frame_logits(x[:, :1]).amax(1), model(x[:, :1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", [GlobalMaxPool, GlobalMeanPool])
def test_frame_logits_of_a_vector_are_one_frame(head):
    model, x = head(6, 3), torch.randn(4, 6)
    torch.testing.assert_close(model.frame_logits(x), model(x)[:, None])
    with pytest.raises(InputError, match="rank 2, 3 or 4"):
        model.frame_logits(torch.zeros(1, 1, 1, 1, 6))


def test_gradients_reach_every_frame():
    model, x = GlobalMeanPool(6, 3), torch.randn(2, 6, 7, 4, requires_grad=True)
    model.frame_logits(x).sum().backward()
    assert (x.grad != 0).all()


@pytest.mark.parametrize(
    ("init", "largest", "deviation"),
    [
        ("uniform", 0.05, 0.05 / 3**0.5),
        ("glorot", (6 / 410) ** 0.5, (2 / 410) ** 0.5),
        ("narrow", 2e-3, 0.8796e-3),  # a normal distribution cut at two deviations keeps 0.8796 of its deviation
    ],
)
def test_other_starts_of_the_weights(init, largest, deviation):
    torch.manual_seed(0)
    for head in (Dense(400, 10, init=init), GlobalMaxPool(400, 10, init)):
        weight = head.classifier.weight
        assert 0.95 * largest < weight.abs().max() <= largest
        assert weight.std().item() == pytest.approx(deviation, rel=0.05)
        assert not head.classifier.bias.any()
    with pytest.raises(InputError, match="init must be one of he, glorot, uniform, narrow"):
        GlobalMaxPool(4, 2, "wide")
