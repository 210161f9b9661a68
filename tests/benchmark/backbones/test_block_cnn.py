"""The convolutional networks of card `task-ust-cnn-vggish`, Tables 1 and 2."""

import pytest
import torch

from benchmark.backbones.block_cnn import BlockCNN, ConvBlock
from benchmark.errors import InputError
from benchmark.training.counting import count_parameters

# Maps of Table 1 behind each block, as the card works them out (mel x time).
TABLE_1 = [(128, 862), (128, 862), (8, 12), (3, 5), (1, 2), (1, 1)]
TABLE_2 = [(64, 431), (32, 216), (2, 13), (1, 5), (1, 2), (1, 1)]


@pytest.mark.parametrize(("blocks", "parameters"), [("wide", 1_602_160), ("strided", 394_352)])
def test_parameters_are_those_of_the_card(blocks, parameters):
    with torch.device("meta"):
        assert count_parameters(BlockCNN(blocks)) == parameters


@pytest.mark.parametrize(("blocks", "maps"), [("wide", TABLE_1), ("strided", TABLE_2)])
def test_every_block_leaves_the_map_of_the_card(blocks, maps):
    network, x, found = BlockCNN(blocks).eval(), torch.zeros(1, 1, 862, 128), []
    with torch.no_grad():
        for block in network.layers:
            x = block(x)
            found.append((x.shape[3], x.shape[2]))
    assert found == maps


def test_ten_seconds_become_one_vector():
    network = BlockCNN("strided").eval()
    with torch.no_grad():
        assert network(torch.randn(2, 1, 862, 128)).shape == (2, 256, 1, 1)


def test_a_block_normalises_before_it_activates_pools_and_drops():
    names = [type(layer).__name__ for layer in BlockCNN("wide").layers[2]]
    assert names == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Dropout"]


def test_blocks_of_ones_own():
    network = BlockCNN([ConvBlock(2), ConvBlock(3, stride=(1, 2), pool=(2, 1))], dropout=0.0, in_channels=2).eval()
    assert network(torch.zeros(1, 2, 8, 6)).shape == (1, 3, 4, 3)


def test_too_short_clips_are_named():
    network = BlockCNN("wide")
    with pytest.raises(InputError, match=r"100 frames are too few: block 3 leaves none"):
        network(torch.zeros(1, 1, 100, 128))
    with pytest.raises(InputError, match=r"4 bins are too few: block 3 leaves none"):
        network(torch.zeros(1, 1, 862, 4))


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: BlockCNN("narrow"), "BlockCNN.blocks"),
        (lambda: BlockCNN([]), "BlockCNN.blocks"),
        (lambda: ConvBlock(8, stride=(0, 1)), "BlockCNN.blocks"),
        (lambda: BlockCNN(dropout=1.0), "BlockCNN.dropout"),
    ],
)
def test_impossible_settings_are_named(make, where):
    with pytest.raises(InputError, match=where):
        make()
