"""The networks of one and two branches: all printed weight counts, rows of the normalisation, map sizes."""

import pytest
import torch
from torch import nn

from benchmark.backbones.branch_cnn import BranchCNN
from benchmark.backbones.scene_cnn import FrequencyBatchNorm
from benchmark.errors import InputError
from benchmark.heads.hidden import MeanSoftmax
from benchmark.training.counting import count_parameters

FILTERS = {2: (32, 256), 3: (32, 64, 256), 4: (32, 64, 128, 256)}
# Branches, convolutions of a block, blocks: the printed count, and the trainable ones (two of four values a row).
TABLE = {
    (1, 1, 2): (211_718, 211_368),
    (1, 1, 3): (304_010, 303_626),
    (1, 1, 4): (525_350, 524_952),
    (1, 2, 2): (811_770, 811_058),
    (1, 2, 3): (941_074, 940_286),
    (1, 2, 4): (1_310_042, 1_309_218),
    (2, 1, 2): (417_794, 417_094),
    (2, 1, 3): (602_378, 601_610),
    (2, 1, 4): (1_045_058, 1_044_262),
    (2, 2, 2): (1_617_898, 1_616_474),
    (2, 2, 3): (1_876_506, 1_874_930),
    (2, 2, 4): (2_614_442, 2_612_794),
}


def rows(model):
    return [layer.norm.num_features for layer in model.branches[0] if isinstance(layer, FrequencyBatchNorm)]


@pytest.mark.parametrize(("structure", "counts"), TABLE.items())
def test_printed_parameters(structure, counts):
    branches, convolutions, blocks = structure
    model = BranchCNN(branches, FILTERS[blocks], convolutions, dropout=0.3)
    network = nn.ModuleList([model, MeanSoftmax(256 * branches, 10, [512], 0.3)])
    assert count_parameters(network, "with_running_statistics") == counts[0]
    assert count_parameters(network) == counts[1] == counts[0] - 2 * branches * sum(rows(model))


def test_printed_sum_of_the_parameters():
    assert sum(printed for printed, _ in TABLE.values()) == 12_278_040
    assert sum(trainable for _, trainable in TABLE.values()) == 12_267_672


def test_rows_of_the_card():
    assert rows(BranchCNN(filters=FILTERS[4])) == [130, 45, 17, 7]
    assert rows(BranchCNN(filters=FILTERS[4], convolutions=2)) == [130, 132, 46, 48, 18, 20, 8, 10]


@pytest.mark.parametrize(("convolutions", "frames"), [(1, (52, 19, 8, 4)), (2, (54, 22, 11, 7))])
def test_frames_of_the_card(convolutions, frames):
    model, seen = BranchCNN(filters=FILTERS[4], convolutions=convolutions), []
    for layer in model.branches[0]:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.shape[2]))
    assert model.eval()(torch.zeros(1, 1, 50, 128)).shape == (1, 256)
    assert tuple(seen[convolutions - 1 :: convolutions]) == frames


def test_each_branch_sees_its_channel_alone():
    model = BranchCNN(2, (4, 8), n_mels=16).eval()
    x = torch.randn(3, 2, 20, 16)
    changed = x.clone()
    changed[:, 1] += 1
    before, after = model(x), model(changed)
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.equal(before[:, 8:], after[:, 8:])


def test_the_border_is_normalised_too():
    model = BranchCNN(filters=(4,), n_mels=6, momentum=1.0)
    x = torch.randn(5, 1, 8, 6) + 3
    model(x)
    norm = model.branches[0][1].norm
    assert norm.running_mean[0] == norm.running_mean[-1] == 0
    torch.testing.assert_close(norm.running_mean[1:-1], x.sum((0, 1, 2)) / (5 * 10))


def test_dropout_follows_every_pooling_and_nothing_else():
    layers = list(BranchCNN(filters=FILTERS[3], convolutions=2, dropout=0.3).branches[0])
    drops = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Dropout)]
    pools = [place for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    assert drops == [place + 1 for place in pools]
    assert [layers[place].p for place in drops] == [0.3, 0.3]


def test_the_border_keeps_any_clip_alive():
    model = BranchCNN(filters=(4, 4, 4, 4), n_mels=1).eval()
    assert model(torch.randn(2, 1, 1, 1)).shape == (2, 4)


def test_initial_weights_are_glorot_uniform():
    torch.manual_seed(0)
    convolution = next(layer for layer in BranchCNN().branches[0] if isinstance(layer, nn.Conv2d))
    bound = (6 / (9 * (1 + 32))) ** 0.5
    assert 0.95 * bound < convolution.weight.abs().max() <= bound
    assert not convolution.bias.any()


def test_a_step_of_training_changes_every_weight():
    torch.manual_seed(0)
    model = BranchCNN(2, (4, 8), 2, n_mels=16)
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 2, 20, 16)).square().sum().backward()
    optimizer.step()
    assert all(not torch.equal(before[name], value) for name, value in model.named_parameters())


def test_wrong_sizes_are_named():
    with pytest.raises(InputError, match=r"\(batch, 2, frames, 128\), not \(1, 1, 50, 128\)"):
        BranchCNN(2)(torch.zeros(1, 1, 50, 128))
    with pytest.raises(InputError, match="are no network"):
        BranchCNN(0)
    with pytest.raises(InputError, match="dropout must be"):
        BranchCNN(dropout=1.0)
