"""Pascal VOC: ``SegmentationClass/``, ``SegmentationObject/``, ``Annotations/`` with boxes, and ``labelmap.txt``.

Pixels of no object are background, as Pascal VOC has it. A value's colour is that of its palette, which tells values
apart in every program that shows the PNGs; beyond 254 classes or objects they are grey, of 16 bits.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from knnclip.datasets.label_map import BACKGROUND, BORDER
from knnclip.datasets.quoting import quoted
from knnclip.images import encode_png
from knnclip.output.exports.base import ClassTable, ExportFormat, Picture, Writer, provenance
from knnclip.output.exports.draft import DraftFolder
from knnclip.output.exports.xml import content
from knnclip.structures import Segment
from knnclip.vocabulary import Color


class VocWriter(Writer):
    """Writes two maps and an XML a picture."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """Opens the list of pictures."""
        super().__init__(folder, classes)
        self._list = folder.stream("ImageSets/Segmentation/default.txt")
        self._values: dict[int, int] = {}  # class id -> value

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        self._number_classes()
        classes, objects = (np.zeros(picture.shape, dtype=np.int32) for _ in range(2))
        for place, segment in enumerate(picture.objects):
            classes[segment.mask.slices][segment.mask.crop] = self._values[segment.class_id]
            objects[segment.mask.slices][segment.mask.crop] = _value(place)
        self.folder.write(f"SegmentationClass/{picture.stem}.png", _coloured(classes))
        self.folder.write(f"SegmentationObject/{picture.stem}.png", _coloured(objects))
        self.folder.write(f"Annotations/{picture.stem}.xml", _annotation(picture).encode())
        self._list.write(f"{picture.stem}\n")

    def finish(self) -> None:
        """Writes the classes, each at the place of its value."""
        self._number_classes()
        names = {value: _word(info.name) for info in self.classes if (value := self._values[info.class_id])}
        lines = [
            f"{name}:{','.join(map(str, palette_color(value)))}::\n" for value, name in {0: BACKGROUND, **names}.items()
        ]
        self.folder.write("labelmap.txt", ("# label:color_rgb:parts:actions\n" + "".join(lines)).encode())

    def _number_classes(self) -> None:
        """Gives the classes that are new their values: the next, and that of the background to one of its name."""
        for info in self.classes:
            if info.class_id not in self._values:
                taken = sum(value > 0 for value in self._values.values())
                self._values[info.class_id] = 0 if info.name == BACKGROUND else _value(taken)


FORMAT = ExportFormat(
    "voc",
    VocWriter,
    "`SegmentationClass/NAME.png`, `SegmentationObject/NAME.png`, `Annotations/NAME.xml` (boxes), `labelmap.txt`, "
    "`ImageSets/`, `JPEGImages/`",
    "each object to the pixel, score, decision, nearest evidence (in the XML); what is no object becomes background; "
    "no colours of classes",
    "JPEGImages",
)


def palette_color(value: int) -> Color:
    """The colour of a value in Pascal VOC's palette: its bits, the lowest first, go round to the highest of R, G, B."""
    channels = [0, 0, 0]
    for bit in range(24):
        channels[bit % 3] |= (value >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def _value(place: int) -> int:
    """The value of the class or object at a place: from 1 on, without that of the border."""
    return place + 1 + (place + 1 >= BORDER)


def _word(name: str) -> str:
    """A class's name in the list of classes, whose lines have colons of their own, and in the XMLs, which mean it."""
    return quoted(name, ":")


def _coloured(values: NDArray[np.int32]) -> bytes:
    from PIL import Image as Pil

    if values.max(initial=0) > BORDER:
        return encode_png(values)
    picture = Pil.fromarray(values.astype(np.uint8))
    picture.putpalette([channel for value in range(256) for channel in palette_color(value)])
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _annotation(picture: Picture) -> str:
    height, width = picture.shape
    objects = "".join(map(_object, picture.objects))
    return (
        f"<annotation>\n<folder>JPEGImages</folder>\n<filename>{content(picture.file_name)}</filename>\n"
        f"<source><database>{content(picture.source)}</database></source>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        f"<segmented>1</segmented>\n{objects}</annotation>\n"
    )


def _object(segment: Segment) -> str:
    """An object with its box, whose pixels count from 1 and include the last."""
    x0, y0, x1, y1 = segment.mask.box_xyxy
    said = provenance(segment)
    nearest = said.pop("nearest", {})
    values = {**said, **{f"nearest_{key}": value for key, value in nearest.items()}}
    attributes = "".join(
        f"<attribute><name>{name}</name><value>{content(str(value))}</value></attribute>"
        for name, value in values.items()
    )
    return (
        f"<object><name>{content(_word(str(segment.class_name)))}</name><pose>Unspecified</pose><truncated>0</truncated>"
        f"<difficult>0</difficult><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax>"
        f"<ymax>{y1}</ymax></bndbox><attributes>{attributes}</attributes></object>\n"
    )
