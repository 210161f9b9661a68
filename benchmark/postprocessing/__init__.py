"""Probabilities to decisions: a class for a clip, or events in time."""

from benchmark.postprocessing.base import ClassDecision, EventDecoder
from benchmark.postprocessing.decision import ThresholdedArgmax
from benchmark.postprocessing.events import DoubleThreshold, MedianFilter, WholeClip

__all__ = [
    "ClassDecision",
    "DoubleThreshold",
    "EventDecoder",
    "MedianFilter",
    "ThresholdedArgmax",
    "WholeClip",
]
