"""Scores by the official rules, as numpy functions; the torchmetrics wrappers are imported from their own modules.

Importing this package imports neither torch nor pandas, so that ``score`` and ``list`` start at once.
"""

from benchmark.metrics.accuracy import classwise_accuracy
from benchmark.metrics.binary import binary_scores
from benchmark.metrics.f_score import macro_f1
from benchmark.metrics.folds import mean_over_folds
from benchmark.metrics.ranking import average_precision_at_k, top_k
from benchmark.metrics.roc import roc_auc, roc_curve
from benchmark.metrics.urban import TagGroup, taxonomy_scores

__all__ = [
    "TagGroup",
    "average_precision_at_k",
    "binary_scores",
    "classwise_accuracy",
    "macro_f1",
    "mean_over_folds",
    "roc_auc",
    "roc_curve",
    "taxonomy_scores",
    "top_k",
]
