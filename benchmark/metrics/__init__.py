"""Scores by the official rules, as numpy functions; the torchmetrics wrappers are imported from their own modules.

Importing this package imports neither torch nor pandas, so that ``score`` and ``list`` start at once.
"""

from benchmark.metrics.binary import binary_scores
from benchmark.metrics.folds import mean_over_folds
from benchmark.metrics.roc import roc_auc, roc_curve

__all__ = ["binary_scores", "mean_over_folds", "roc_auc", "roc_curve"]
