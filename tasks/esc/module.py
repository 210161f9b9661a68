"""Environmental sounds: one class a clip, accuracy."""

from benchmark.training.kinds import SingleLabelModule
from tasks.esc import official


class EscModule(SingleLabelModule):
    """Scores a fold by the share of its clips that are right."""

    rescorer = staticmethod(official.rescorer)
