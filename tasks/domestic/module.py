"""Domestic activities: one class a segment, F1 averaged over classes."""

from benchmark.training.kinds import SingleLabelModule
from tasks.domestic import official


class DomesticModule(SingleLabelModule):
    """Scores segments as the challenge does, and those of known and unknown arrays by themselves."""

    rescorer = staticmethod(official.rescorer)
