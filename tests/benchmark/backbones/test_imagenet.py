import runpy
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file

from benchmark import weights
from benchmark.backbones import imagenet
from benchmark.backbones.imagenet import ImageNetBackbone
from benchmark.data.files import read_registry
from benchmark.errors import InputError
from benchmark.heads import GlobalMeanPool
from benchmark.weights import REGISTRY, random_weights_allowed, weights_path

IMAGE = torch.rand(2, 3, 70, 40, generator=torch.Generator().manual_seed(0))  # (batch, channels, frames, bins)


@pytest.fixture(scope="module")
def published():
    """A network with its classifier, as timm makes it, that has seen a batch."""
    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False)
    network.train()
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64))  # running statistics of its own
    return network.eval()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "weights.yaml").write_text("[]")
    monkeypatch.setattr(weights, "REGISTRY", tmp_path / "weights.yaml")
    weights_path("x").parent.mkdir(parents=True)
    return weights_path("x").parent


@pytest.fixture
def planted(folder, published):
    save_file(published.state_dict(), folder / "resnet18.safetensors")


def features_of(network, image):
    """What timm's network gives of the image whose vertical axis is frequency; axes as in the project."""
    with torch.no_grad():
        return network.forward_features(image.transpose(2, 3)).transpose(2, 3)


def output(backbone, features):
    with torch.no_grad():
        return backbone.eval()(features)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_689_512),
        ("resnet50", 25_557_032),
        # Published with its auxiliary classifier: convolutions 768 to 128 and, 5x5, on to 768, 1000 outputs.
        ("inception_v3", 27_161_264 - (768 * 128 + 2 * 128) - (128 * 25 * 768 + 2 * 768) - (768 * 1000 + 1000)),
        ("legacy_xception", 22_855_952),
        ("densenet121", 7_978_856),
        ("mobilenetv2_100", 3_504_872),
    ],
)
def test_parameters_with_a_classifier_are_the_published_ones(name, parameters):
    with torch.device("meta"):
        backbone = ImageNetBackbone(name, weights=None, in_channels=3).eval()
        dim = backbone(torch.zeros(1, 3, 96, 96)).shape[1]
    trunk = sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
    assert trunk + dim * 1000 + 1000 == parameters


@pytest.mark.parametrize(
    ("name", "dim"),  # that the cards of the systems name
    [
        ("seresnext101_32x4d", 2048),
        ("dpn107", 2688),
        ("mobilenetv1_100", 1024),
    ],
)
def test_networks_of_the_cards_shrink_32_times(name, dim):
    with torch.device("meta"):
        backbone = ImageNetBackbone(name, weights=None)
        assert backbone(torch.zeros(2, 1, 128, 64)).shape == (2, dim, 4, 2)


def test_weights_give_what_timm_gives(planted, published):
    backbone = ImageNetBackbone("resnet18", in_channels=3)
    assert not backbone.random_weights
    assert torch.equal(output(backbone, IMAGE), features_of(published, IMAGE))
    assert output(backbone, IMAGE).shape == (2, 512, 3, 2)


def test_a_file_can_be_named_and_be_a_checkpoint(folder, published):
    torch.save({"state_dict": published.state_dict(), "arch": "resnet18"}, folder / "mine.pth")
    backbone = ImageNetBackbone("resnet18.a1_in1k", "mine.pth", in_channels=3)
    assert torch.equal(output(backbone, IMAGE), features_of(published, IMAGE))


def test_older_files_do_not_count_batches(folder, published):
    state = {name: tensor for name, tensor in published.state_dict().items() if "num_batches" not in name}
    save_file(state, folder / "resnet18.safetensors")
    assert torch.equal(output(ImageNetBackbone("resnet18", in_channels=3), IMAGE), features_of(published, IMAGE))


@pytest.mark.parametrize("stem", ["adapt", "repeat"])
def test_one_channel_is_as_good_as_three_equal_ones(planted, published, stem):
    grey = IMAGE[:, :1]
    result = output(ImageNetBackbone("resnet18", stem=stem), grey)
    assert torch.allclose(result, features_of(published, grey.expand(-1, 3, -1, -1)), atol=1e-4)


def test_two_channels_keep_the_scale_of_three(planted, published):
    filters = ImageNetBackbone("resnet18", in_channels=2).network.conv1.weight
    assert torch.allclose(filters, published.conv1.weight[:, :2] * 1.5)


def test_a_new_stem_is_random_and_the_rest_is_not(planted, published):
    network = ImageNetBackbone("resnet18", stem="new").network
    assert not torch.allclose(network.conv1.weight, published.conv1.weight.sum(1, keepdim=True), atol=0.05)
    assert torch.equal(network.layer4[1].conv2.weight, published.layer4[1].conv2.weight)


@pytest.mark.parametrize(("in_channels", "stem"), [(1, "repeat"), (3, "adapt")])
def test_normalised_pixels(planted, published, in_channels, stem):
    """With the mean and deviation of ImageNet's pixels (torchvision's documentation of its models)."""
    backbone = ImageNetBackbone("resnet18", in_channels=in_channels, stem=stem, normalise=True)
    image = IMAGE[:, :in_channels]
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert torch.allclose(output(backbone, image), features_of(published, (image - mean) / deviation), atol=1e-4)


def test_clips_do_not_see_each_other(planted):
    backbone = ImageNetBackbone("resnet18", in_channels=3)
    assert torch.allclose(output(backbone, IMAGE)[1:], output(backbone, IMAGE[1:]), atol=1e-5)


def test_everything_is_trained(planted):
    backbone = ImageNetBackbone("resnet18")
    head = GlobalMeanPool(512, 3)
    head(backbone.train()(IMAGE[:, :1])).sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_published_files_are_called_what_the_backbone_asks_for():
    files = [file.name for dataset in read_registry(REGISTRY) for file in dataset.files]
    names = {name.removesuffix(".safetensors") for name in files if name.endswith(".safetensors")}
    assert names
    assert names <= set(timm.list_pretrained())


def test_no_weights(folder):
    with pytest.raises(InputError, match=r"resnet18.safetensors are not there[\s\S]*--allow-random-weights"):
        ImageNetBackbone("resnet18")
    with random_weights_allowed():
        assert ImageNetBackbone("resnet18").random_weights
    assert not ImageNetBackbone("resnet18", weights=None).random_weights  # it does not want any


def test_weights_of_a_deeper_network_are_refused(folder):
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in timm.create_model("resnet34").state_dict().items()}
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, folder / "resnet18.safetensors")
    with pytest.raises(InputError, match=r"another network's: layer1\.2\.\S+ is not asked for"):
        ImageNetBackbone("resnet18")


def test_weights_without_a_layer_are_refused(folder, published):
    state = published.state_dict()
    del state["layer3.0.bn1.running_mean"]
    save_file(state, folder / "resnet18.safetensors")
    with pytest.raises(InputError, match=r"no tensor layer3\.0\.bn1\.running_mean"):
        ImageNetBackbone("resnet18")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet_18"}, "no network 'resnet_18'[\\s\\S]*did you mean .*resnet18"),
        ({"name": "hf-hub:timm/resnet18.a1_in1k"}, "timm has no network"),  # timm would fetch it
        ({"name": "resnet18.in22k"}, "Invalid pretrained tag"),
        ({"name": "vit_tiny_patch16_224"}, "not one stack of convolutions"),
        ({"name": "vgg11"}, "not one stack of convolutions"),  # dense layers after the pooling
        ({"name": "convnext_atto"}, "not one stack of convolutions"),  # a normalisation after the pooling
        ({"name": "resnet18", "in_channels": 0}, "do not go together"),
        ({"name": "resnet18", "in_channels": 2, "stem": "repeat"}, "do not go together"),
        ({"name": "resnet18", "normalise": True}, "do not go together"),
        ({"name": "resnet18", "stem": "copy"}, "stem must be one of adapt, repeat, new, not 'copy'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with torch.device("meta"), pytest.raises(InputError, match=message):
        ImageNetBackbone(weights=None, **arguments)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 64, 64)])
def test_wrong_features(shape):
    with torch.device("meta"), pytest.raises(InputError, match=r"expected \(batch, 1, frames, bins\)"):
        ImageNetBackbone("resnet18", weights=None)(torch.zeros(shape))


def test_too_small_features():
    with torch.device("meta"), pytest.raises(InputError, match="40 frames of 60 bins are too few for inception_v3"):
        ImageNetBackbone("inception_v3", weights=None)(torch.zeros(1, 1, 40, 60))


def test_timm_is_imported_only_when_needed(monkeypatch):
    """It takes longer to import than all the rest."""
    monkeypatch.setitem(sys.modules, "timm", None)  # importing it fails
    assert "ImageNetBackbone" in runpy.run_path(imagenet.__file__)
