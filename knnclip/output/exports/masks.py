"""Index masks: ``images/``, ``labels/`` with a PNG of class ids a picture, and ``classes.txt``."""

from __future__ import annotations

import numpy as np

from knnclip.datasets.index_masks import VOID
from knnclip.datasets.quoting import quoted
from knnclip.images import encode_png
from knnclip.output.exports.base import ExportFormat, Picture, Writer
from knnclip.structures import UNKNOWN


class MasksWriter(Writer):
    """Writes a map a picture, of 8 bits, or of 16 where it has class ids from 256 on."""

    def add(self, picture: Picture) -> None:
        """Writes the map of a picture."""
        ids = np.full(picture.shape, UNKNOWN, dtype=np.int32)
        for segment in picture.objects:
            ids[segment.mask.slices][segment.mask.crop] = segment.class_id
        self.folder.write(f"labels/{picture.stem}.png", encode_png(ids))

    def finish(self) -> None:
        """Writes the classes."""
        lines = [f"{UNKNOWN} {VOID}\n"]
        for info in self.classes:
            kind = "thing" if info.is_thing else "stuff"
            lines.append(f"{info.class_id} {quoted(info.name)} {' '.join(map(str, info.color))} {kind}\n")
        self.folder.write("classes.txt", "".join(lines).encode())


FORMAT = ExportFormat(
    "masks",
    MasksWriter,
    "`labels/NAME.png` (class ids, 0 for nothing), `classes.txt`, `images/`",
    "the class of each pixel; classes with colours, things and stuff; no objects, no score",
    "images",
)
