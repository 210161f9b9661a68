"""TUT Urban Acoustic Scenes 2018 Mobile: fold 1 with all devices or device A in training, and the challenge's sets."""

from typing import ClassVar

from tasks.asc.datamodule import SceneDataModule
from tasks.asc.official import Clip, Corpus
from tasks.asc_mobile.official import FOLD1_DEVICE_A, MOBILE


class MobileSceneDataModule(SceneDataModule):
    """Clips of three devices, which are the examples' groups.

    `official-fold1` trains on all devices, as the cross-task baseline does; `official-fold1-device-a` on device A
    alone, as the official baseline does. Both test on all.
    """

    channels: ClassVar[int | None] = 1
    rate: ClassVar[int | None] = 44_100
    corpus: ClassVar[Corpus] = MOBILE

    @classmethod
    def conditions(cls, clip: Clip) -> dict[str, str]:
        """The device, and the city where the place is known."""
        return {"device": clip.device, **super().conditions(clip)}

    @classmethod
    def learns_from(cls, clip: Clip, protocol: str) -> bool:
        """Clips of device A alone, where the protocol says so."""
        return protocol != FOLD1_DEVICE_A or clip.device == "a"
