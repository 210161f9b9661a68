"""Front ends, waveform `(batch, channels, time)` to features `(batch, channels, frames, bins)`, and what follows."""

from benchmark.frontends.log_mel import LogMel
from benchmark.frontends.statistics import FrameStatistics
from benchmark.frontends.transforms import Standardize, SubtractTemporalMean, WrapFrames
from benchmark.frontends.vggish import VGGishLogMel

__all__ = ["FrameStatistics", "LogMel", "Standardize", "SubtractTemporalMean", "VGGishLogMel", "WrapFrames"]
