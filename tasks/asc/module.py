"""Acoustic scenes: one class a clip, the mean of the classes' accuracies."""

from benchmark.training.kinds import SingleLabelModule
from tasks.asc import official


class SceneModule(SingleLabelModule):
    """Scores clips as the challenge does: every scene counts alike."""

    rescorer = staticmethod(official.rescorer)
