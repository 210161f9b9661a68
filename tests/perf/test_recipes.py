"""What the recipes use is found by itself."""

import torch

from benchmark.backbones import CNN8
from benchmark.frontends import LogMel
from perf.recipes import presets, used_backbones


def test_every_spectrogram_of_a_recipe_is_found_once():
    found = presets()
    (surrey,) = [one for one in found if "asc/cnn8" in one.systems]
    assert "asc/cnn4" in surrey.systems and surrey.kind is LogMel
    assert (surrey.all_settings["hop_length"], surrey.all_settings["f_max"]) == (1376, 22050)
    assert {"LogFilterBank", "NeighbourLogMel", "PerceptualMel", "VGGishLogMel"} <= {one.kind.__name__ for one in found}
    assert len({(one.kind, str(sorted(one.settings.items()))) for one in found}) == len(found)
    waveform = torch.zeros(1, 1, 44100)
    assert surrey.build("torch")(waveform, torch.tensor([44100]))[0].shape == (1, 1, 31, 64)


def test_every_backbone_has_a_recipe_or_is_named():
    used, unused = used_backbones()
    names = [one.name for one in used]
    assert len(set(names)) == len(names) and {"CNN4", "CNN8", "CRNN", "VGG13"} <= set(names)
    assert unused == ["ImageNetBackbone"]
    (cnn8,) = [one for one in used if one.name == "CNN8"]
    module = cnn8.build()
    assert isinstance(module.backbone, CNN8) and module.example_input().shape == (1, 1, 320, 64)
