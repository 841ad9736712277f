"""CVAT for images 1.1: ``annotations.xml`` and ``images/``.

A mask without holes is drawn as polygons, of one group if it has several pieces; one with holes as a mask. CVAT shows a
picture as it is seen, turned by its EXIF, and so are the shapes.
"""

from __future__ import annotations

import numpy as np

from knnclip.output.exports.base import ClassTable, ExportFormat, Json, Picture, Writer, provenance
from knnclip.output.exports.draft import DraftFolder
from knnclip.output.exports.outlines import outlines
from knnclip.output.exports.xml import attribute, content
from knnclip.structures import Mask, Segment

ATTRIBUTES = ("score", "decision", "nearest_image", "nearest_similarity")
"""Of each shape: how sure its class is, what decided it, and the nearest stored instance."""


class CvatWriter(Writer):
    """Streams the pictures; the classes, which stand before them, are written at the end."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """Opens the file of the pictures."""
        super().__init__(folder, classes)
        self._body = folder.stream("pictures.xml")

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        height, width = picture.shape
        size = f'width="{width}" height="{height}"'
        self._body.write(f'  <image id="{picture.number - 1}" name={attribute(picture.file_name)} {size}>\n')
        for segment in picture.objects:
            self._body.write(_shapes(segment))
        self._body.write("  </image>\n")

    def finish(self) -> None:
        """Puts the classes before the pictures."""
        labels = "".join(
            f"<label><name>{content(info.name)}</name><color>#{bytes(info.color).hex()}</color>"
            f"<attributes>{_DECLARED}</attributes></label>\n"
            for info in self.classes
        )
        head = (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
            f"  <meta><task><labels>\n{labels}  </labels></task></meta>\n"
        )
        self.folder.gather("annotations.xml", head, self._body, "</annotations>\n")


FORMAT = ExportFormat(
    "cvat",
    CvatWriter,
    "`annotations.xml` (for images 1.1), `images/`",
    "each object to the pixel (polygons, a mask where it has holes), score, decision, nearest evidence; classes with "
    "colours",
    "images",
)

_DECLARED = "".join(
    f"<attribute><name>{name}</name><mutable>False</mutable><input_type>text</input_type>"
    "<default_value></default_value><values></values></attribute>"
    for name in ATTRIBUTES
)


def _shapes(segment: Segment) -> str:
    """The shapes of an object as XML."""
    pieces = outlines(segment.mask)
    said = _attributes(provenance(segment))
    common = f'label={attribute(str(segment.class_name))} source="auto" occluded="0" z_order="0"'
    if any(piece.holes for piece in pieces):
        x0, y0, x1, y1 = segment.mask.box_xyxy
        place = f'left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"'
        return f'    <mask {common} rle="{_runs(segment.mask)}" {place}>{said}</mask>\n'
    if len(pieces) > 1:
        common += f' group_id="{segment.segment_id}"'
    lines = (";".join(f"{x},{y}" for x, y in piece.outer.tolist()) for piece in pieces)
    return "".join(f'    <polygon {common} points="{line}">{said}</polygon>\n' for line in lines)


def _attributes(said: Json) -> str:
    nearest = said.get("nearest", {"image": "", "similarity": ""})
    values = (said["score"], said["decision"], nearest["image"], nearest["similarity"])
    return "".join(
        f'<attribute name="{name}">{content(str(value))}</attribute>'
        for name, value in zip(ATTRIBUTES, values, strict=True)
    )


def _runs(mask: Mask) -> str:
    """Lengths of the runs along the rows of the crop, zeros first."""
    changes = np.flatnonzero(np.diff(mask.crop.ravel().astype(np.int8), prepend=0, append=0))
    ends = changes if mask.crop.flat[-1] else np.append(changes, mask.crop.size)
    return ", ".join(map(str, np.diff(ends, prepend=0).tolist()))
