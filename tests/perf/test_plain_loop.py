"""The plain loop computes what the suite does."""

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from perf.plain_loop import Network, PlainLoop, batches, log_mel, statistics, write_features

ASC = get_task("asc")


@pytest.fixture(scope="module")
def clips():
    """Waveforms of 1 s, and their classes."""
    generator = np.random.default_rng(0)
    return 0.1 * generator.standard_normal((4, 44100)).astype(np.float32), np.array([3, 0, 9, 3])


def suite_on(waveforms):
    """The module of the recipe, with statistics of these clips."""
    torch.manual_seed(0)
    (training,) = load_recipe(ASC, "cnn8").trainings()
    module = ASC.load("module")(training.config.build(), ASC.classes)
    lengths = torch.full((len(waveforms),), waveforms.shape[1])
    module.transforms[0].fit([module.frontend(torch.from_numpy(waveforms)[:, None], lengths)])
    return module.train(), lengths


def test_both_give_the_same_losses_on_the_same_batches(clips):
    waveforms, classes = clips
    module, lengths = suite_on(waveforms)
    network = Network(len(ASC.classes))
    network.load_state_dict(
        {name: value for name, value in module.state_dict().items() if name in network.state_dict()}
    )
    features = np.stack([log_mel(waveform) for waveform in waveforms])
    mean, std = statistics(features)
    loop, optimizer = PlainLoop(network, torch.device("cpu")), torch.optim.Adam(module.parameters(), lr=1e-3)
    target = torch.eye(len(ASC.classes))[torch.from_numpy(classes)]
    for _ in range(2):  # the second loss also depends on the step in between
        x, valid, labels = module.network_input(torch.from_numpy(waveforms)[:, None], lengths, target)
        loss = module.loss_parts(x, valid, labels, torch.ones(len(x)))["labels"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loop.step((features - mean) / std, classes) == pytest.approx(loss.item(), abs=1e-4)


def test_features_are_those_of_the_recipe(clips):
    waveforms, _ = clips
    module, lengths = suite_on(waveforms)
    with torch.no_grad():
        expected, _ = module.frontend(torch.from_numpy(waveforms)[:, None], lengths)
    for waveform, features in zip(waveforms, expected[:, 0], strict=True):
        np.testing.assert_allclose(log_mel(waveform), features, atol=1e-4)


def test_batches_are_normalised_and_come_with_their_classes(clips, tmp_path):
    waveforms, _ = clips
    try:
        write_features(tmp_path / "features.h5", waveforms, np.arange(4))
    except BenchmarkError as error:
        pytest.skip(str(error))
    features = np.stack([log_mel(waveform) for waveform in waveforms])
    mean, std = statistics(features)
    seen = []
    for _, (x, y) in zip(range(2), batches(tmp_path / "features.h5", 2), strict=False):
        np.testing.assert_allclose(x, ((features - mean) / std)[y], atol=1e-5)
        seen += y.tolist()
    assert sorted(seen) == [0, 1, 2, 3]


def test_the_learning_rate_falls_every_200_steps():
    loop = PlainLoop(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2), torch.nn.LogSoftmax(1)), torch.device("cpu")
    )
    for _ in range(401):
        loop.step(np.zeros((2, 2, 2), np.float32), np.array([0, 1]))
    assert loop.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.9**2)
