"""The pictures that were asked about last, analysed: who teaches one, or asks again, need not send it again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from knnclip.analysis import Analysis
from knnclip.images import pixel_digest
from knnclip.service.refusals import RefusedError
from knnclip.structures import Image

KEPT_PX = 2**25
"""Of all pictures that are kept, the newest whatever its size: 32 of a megapixel, some 2 GB with their masks."""

KEPT_PICTURES = 64
"""However small they are: each has some megabytes of vectors and of maps of what the encoder saw."""

DEFAULT_NAME = "picture"
"""What a picture is called that came without a name."""


@dataclass(frozen=True, eq=False)
class KeptPicture:
    """A picture and all that is known of it before the store is asked."""

    picture_id: str  # of its name and its pixels: the same picture has the same id
    analysis: Analysis

    @property
    def size_px(self) -> int:
        """How many pixels it has."""
        height, width = self.analysis.proposals.shape
        return height * width


class Pictures:
    """A cache: what is not in it any more is sent again."""

    def __init__(self) -> None:
        """Without any."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, KeptPicture] = OrderedDict()

    def take(self, image: Image, name: str, analyse: Callable[[Image, str], Analysis]) -> KeptPicture:
        """The picture of ``(H, W, 3)`` pixels under a name; ``analyse`` is asked if it is not here."""
        digest = pixel_digest(image).removeprefix("sha256:")
        ref = f"{name or DEFAULT_NAME}#{digest[:12]}"  # as the demo calls it, for both to mean one picture
        picture_id = hashlib.sha256(f"{digest} {ref}".encode(errors="backslashreplace")).hexdigest()[:32]
        with self._lock:
            known = self._kept.get(picture_id)
        picture = known or KeptPicture(picture_id, analyse(image, ref))
        with self._lock:
            self._kept[picture_id] = picture
            self._kept.move_to_end(picture_id)
            while len(self._kept) > 1 and (
                len(self._kept) > KEPT_PICTURES or sum(kept.size_px for kept in self._kept.values()) > KEPT_PX
            ):
                self._kept.popitem(last=False)
        return picture

    def get(self, picture_id: str) -> KeptPicture:
        """A picture that was taken; ``RefusedError`` if it is not here any more."""
        with self._lock:
            picture = self._kept.get(picture_id)
            if picture is None:
                reason = "the picture is not here, or not any more; send it to /v1/segment again"
                raise RefusedError(HTTPStatus.NOT_FOUND, reason)
            self._kept.move_to_end(picture_id)
        return picture
