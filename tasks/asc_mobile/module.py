"""Acoustic scenes from several devices: the mean of devices B and C."""

from tasks.asc.module import SceneModule
from tasks.asc_mobile import official


class MobileSceneModule(SceneModule):
    """Scores clips as the challenge does: by device, each scene counting alike."""

    rescorer = staticmethod(official.rescorer)
