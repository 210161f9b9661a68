"""torchaudio and librosa are asked for what the suite computes."""

import pytest
import torch

from benchmark.frontends import LogMel
from perf.frontend import torchaudio_log_mel
from perf.recipes import presets


@pytest.mark.parametrize("preset", [one for one in presets() if one.kind is LogMel], ids=lambda one: one.systems[0])
def test_torchaudio_gives_the_same_numbers(preset):
    torch.manual_seed(0)
    waveform = torch.randn(1, 1, 20000)
    ours, _ = preset.build("torch")(waveform, torch.tensor([20000]))
    theirs = torchaudio_log_mel(preset.all_settings, waveform.device)(waveform)[:, :, : ours.shape[2]]
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-3)
