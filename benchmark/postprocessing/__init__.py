"""Probabilities to decisions: a class for a clip, or events in time."""

from benchmark.postprocessing.base import AdaptiveDecoder, ClassDecision, EventDecoder, FittedDecoder, LearningDecoder
from benchmark.postprocessing.decision import ThresholdedArgmax
from benchmark.postprocessing.events import DoubleThreshold, MedianFilter, WholeClip

__all__ = [
    "AdaptiveDecoder",
    "ClassDecision",
    "DoubleThreshold",
    "EventDecoder",
    "FittedDecoder",
    "LearningDecoder",
    "MedianFilter",
    "ThresholdedArgmax",
    "WholeClip",
]
