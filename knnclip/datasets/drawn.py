"""What people draw in annotation tools: LabelMe's JSON files and CVAT's XML (for images, 1.1).

Shapes of one group are one instance. Rectangles are taken as they are drawn; lines and points have no area and are
rejected. In CVAT later and higher shapes (``z_order``) lie on top; elsewhere the smaller lies on the larger.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np

from knnclip.datasets.base import IGNORED, AnnotatedMask, ClassLabel, Dataset, LabelledImage, Sample, paint
from knnclip.datasets.orientation import turn_of, turned
from knnclip.datasets.polygons import mask_from_polygons
from knnclip.datasets.reading import contents
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, ImageError, InputError, MaskError
from knnclip.files import read_json, read_xml
from knnclip.images import read_image, read_index_map
from knnclip.structures import Int32, Mask

CIRCLE_CORNERS = 64
"""A polygon of so many corners leaves the circle by 0.12 % of its radius: less than a pixel for radii up to 800."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """One drawn shape."""

    name: str
    kind: str  # polygon, rectangle, circle, ellipse or mask; others have no area
    points: tuple[Point, ...]
    group: str | None  # shapes of a group are one instance
    place: str  # where in the file, for a rejection
    bits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None  # of a mask; its corner is the first point

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Its pixels in an image; ``MaskError`` if it has none."""
        if self.kind == "mask" and self.bits is not None and self.points:
            return _pasted(self.bits, self.points[0], shape)
        corners = self._corners()
        return mask_from_polygons([[value for point in corners for value in point]], shape)

    def _corners(self) -> Sequence[Point]:
        if self.kind == "polygon":
            return self.points
        if self.kind not in ("rectangle", "circle", "ellipse") or len(self.points) < 2:
            raise MaskError(f"a {self.kind} has no area; draw a polygon, a rectangle, a circle or a mask")
        (x0, y0), (x1, y1) = self.points[:2]
        if self.kind == "rectangle":  # its two corners come in any order
            return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        # A circle has its centre and a point on it, an ellipse its centre and its radii.
        rx, ry = (x1, y1) if self.kind == "ellipse" else (math.hypot(x1 - x0, y1 - y0),) * 2
        turns = [2 * math.pi * i / CIRCLE_CORNERS for i in range(CIRCLE_CORNERS)]
        return [(x0 + rx * math.cos(turn), y0 + ry * math.sin(turn)) for turn in turns]


@dataclass(frozen=True, kw_only=True)
class DrawnShapes(Dataset):
    """Images with shapes, whatever tool they were drawn with."""

    shapes: Mapping[str, tuple[Shape, ...]]  # by sample ref, lower ones first
    ignored: frozenset[str]
    sizes: Mapping[str, tuple[int, int]]  # sample ref -> (height, width) that its shapes are for, where given
    sources: Mapping[str, Path]  # by sample ref, the file that its shapes are in

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image and the file of its shapes."""
        return sample.image_path, self.sources[sample.ref]

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its shapes; raises ``ImageError`` if the image cannot be read, and ``DatasetError`` if it
        has another size than its shapes.
        """
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        size = self.sizes.get(sample.ref, shape)
        turn = turn_of(size, shape, f"the shapes of {sample.ref}", sample.image_path)
        groups: dict[tuple[str, str], list[Mask]] = {}
        rejected: list[Rejection] = []
        for number, drawn in enumerate(self.shapes[sample.ref]):
            if drawn.name in self.ignored:
                continue
            try:
                mask = turned(drawn.mask(size), turn)
            except MaskError as error:
                rejected.append(Rejection(sample.ref, drawn.place, str(error)))
                continue
            groups.setdefault((drawn.name, drawn.group or f"alone {number}"), []).append(mask)
        found = tuple(AnnotatedMask(Mask.union(parts), name) for (name, _), parts in groups.items())
        label_map = self._painted(found, shape)
        return LabelledImage(image, label_map, self.class_names, found, tuple(rejected))

    def _painted(self, found: tuple[AnnotatedMask, ...], shape: tuple[int, int]) -> Int32:
        return paint(found, self.class_names, shape)


@dataclass(frozen=True, kw_only=True)
class LabelMe(DrawnShapes):
    """One JSON an image, beside it or in a folder of its own."""

    format: str = "labelme"


@dataclass(frozen=True, kw_only=True)
class Cvat(DrawnShapes):
    """One ``annotations.xml`` for all images."""

    format: str = "cvat"
    stacked: bool = True

    def _painted(self, found: tuple[AnnotatedMask, ...], shape: tuple[int, int]) -> Int32:
        label_map = np.full(shape, IGNORED, dtype=np.int32)
        for item in found:  # in the order in which they lie on each other
            label_map[item.mask.slices][item.mask.crop] = self.class_names.index(item.class_name)
        return label_map


Drawn = TypeVar("Drawn", LabelMe, Cvat)


def is_labelme(root: Path) -> bool:
    """Whether a folder, or a folder in it, has JSON files; what they hold is looked at when they are opened."""
    return root.is_dir() and any(next(root.glob(files), None) is not None for files in ("*.json", "*/*.json"))


def is_cvat(root: Path) -> bool:
    """Whether a folder has ``annotations.xml``, or ``root`` is an XML file itself."""
    return root.suffix == ".xml" or (root / "annotations.xml").is_file()


def open_labelme(root: Path, ignore: Collection[str] = ()) -> LabelMe:
    """A folder of LabelMe's JSON files; ``DatasetError`` if there is none. A broken one is among the rejected."""
    samples, shapes, sizes, sources, rejected = [], {}, {}, {}, []
    for file in sorted(root.rglob("*.json")):
        try:
            content = read_json(file)
            if not _is_labelme(content):
                continue
            drawn = tuple(_labelme_shape(shape, number) for number, shape in enumerate(content["shapes"]))
        except InputError as error:
            rejected.append(Rejection(str(file), None, str(error)))
            continue
        except (ValueError, TypeError, AttributeError) as error:
            rejected.append(Rejection(str(file), None, f"it is no JSON of LabelMe ({error}); save it again"))
            continue
        # Written on Windows the path has backslashes, which mean nothing elsewhere.
        name = PureWindowsPath(str(content["imagePath"])).name
        image = next((path for path in (file.parent / name, root / "images" / name) if path.is_file()), None)
        if image is None:
            rejected.append(Rejection(str(file), None, f"its image {name} is missing"))
            continue
        ref = image.relative_to(root).as_posix()
        samples.append(Sample(ref, image))
        shapes[ref], sources[ref] = drawn, file
        if content.get("imageHeight") and content.get("imageWidth"):
            sizes[ref] = int(content["imageHeight"]), int(content["imageWidth"])
    if not samples and not rejected:
        raise DatasetError(f"{root} holds no LabelMe files; each is a JSON with shapes and imagePath; {contents(root)}")
    return _opened(LabelMe, root, samples, shapes, sizes, sources, ignore, rejected)


def open_cvat(root: Path, ignore: Collection[str] = ()) -> Cvat:
    """A folder with ``annotations.xml`` of CVAT's "for images 1.1", or the file itself; images under ``images/``."""
    file = root if root.is_file() else root / "annotations.xml"
    if not file.is_file():
        raise DatasetError(f"{root} has no annotations.xml; export it as CVAT for images 1.1; {contents(root)}")
    tree = read_xml(file)
    folder = file.parent
    samples, shapes, sizes, rejected = [], {}, {}, []
    for element in tree.iter("image"):
        name = element.get("name", "")
        image = next((path for path in (folder / "images" / name, folder / name) if path.is_file()), None)
        if image is None or not image.resolve().is_relative_to(folder.resolve()):
            rejected.append(Rejection(str(file), f"image {name}", f"image {name} is missing"))
            continue
        ref = image.relative_to(folder).as_posix()
        try:
            drawn = sorted(element, key=lambda shape: int(shape.get("z_order", 0)))
            shapes[ref] = tuple(_cvat_shape(shape, number) for number, shape in enumerate(drawn) if shape.get("label"))
        except ValueError as error:
            rejected.append(Rejection(str(file), f"image {name}", f"a number in its shapes cannot be read ({error})"))
            continue
        samples.append(Sample(ref, image))
        if element.get("height") and element.get("width"):
            sizes[ref] = int(element.get("height", 0)), int(element.get("width", 0))
    sources = {sample.ref: file for sample in samples}
    return _opened(Cvat, root, samples, shapes, sizes, sources, ignore, rejected)


def _opened(
    kind: type[Drawn],
    root: Path,
    samples: Sequence[Sample],
    shapes: Mapping[str, tuple[Shape, ...]],
    sizes: Mapping[str, tuple[int, int]],
    sources: Mapping[str, Path],
    ignore: Collection[str],
    rejected: Sequence[Rejection],
) -> Drawn:
    names = sorted({shape.name for drawn in shapes.values() for shape in drawn})
    kept = [name for name in names if name not in ignore]
    if not samples or not kept:
        lacks = "class that is not ignored" if samples else "images"
        raise DatasetError(f"{root} has no {lacks}; {rejected[0].reason if rejected else 'check the path'}")
    return kind(
        root=root,
        classes=tuple(ClassLabel(name, True) for name in kept),
        samples=tuple(samples),
        rejected=tuple(rejected),
        shapes=shapes,
        sizes=sizes,
        sources=sources,
        ignored=frozenset(names) - frozenset(kept),
    )


def _is_labelme(content: Any) -> bool:  # noqa: ANN401 - JSON of unknown form
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def _labelme_shape(shape: Mapping[str, Any], number: int) -> Shape:
    group, place = shape.get("group_id"), f"shape {number}"
    bits = None
    kind = str(shape.get("shape_type", "polygon"))
    if kind == "mask":
        try:
            bits = read_index_map(place, content=base64.b64decode(str(shape.get("mask", "")))) > 0
        except (ImageError, binascii.Error):
            kind = "damaged mask"
    points = tuple((float(x), float(y)) for x, y in shape.get("points", ()))
    name = str(shape.get("label", ""))
    return Shape(name, kind, points, None if group is None else f"group {group}", place, bits)


def _cvat_shape(shape: ElementTree.Element, number: int) -> Shape:
    kind, group, bits = shape.tag, shape.get("group_id"), None
    points: tuple[Point, ...] = ()
    if kind == "polygon":
        pairs = (pair.split(",") for pair in shape.get("points", "").split(";") if pair)
        points = tuple((float(x), float(y)) for x, y in pairs)
    elif kind == "box":
        kind = "rectangle"
        points = tuple((float(shape.get(x, 0)), float(shape.get(y, 0))) for x, y in (("xtl", "ytl"), ("xbr", "ybr")))
    elif kind == "ellipse":
        points = tuple((float(shape.get(x, 0)), float(shape.get(y, 0))) for x, y in (("cx", "cy"), ("rx", "ry")))
    elif kind == "mask":
        points = ((float(shape.get("left", 0)), float(shape.get("top", 0))),)
        size = int(shape.get("height", 0)), int(shape.get("width", 0))
        runs = [int(run) for run in shape.get("rle", "").replace(",", " ").split()]
        if sum(runs) == size[0] * size[1]:  # runs go along rows of the crop, zeros first
            bits = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size)
        else:
            kind = "damaged mask"
    name = shape.get("label", "")
    return Shape(name, kind, points, f"group {group}" if group else None, f"shape {number}", bits)


def _pasted(bits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], corner: Point, shape: tuple[int, int]) -> Mask:
    """A crop at its place; what lies outside the image is cut off."""
    dense = np.zeros(shape, dtype=bool)
    x, y = round(corner[0]), round(corner[1])
    if bits.ndim != 2 or not (0 <= x < shape[1] and 0 <= y < shape[0]):
        raise MaskError(f"the mask lies outside the image of {shape[1]}x{shape[0]} px")
    part = bits[: shape[0] - y, : shape[1] - x]
    dense[y : y + part.shape[0], x : x + part.shape[1]] = part
    return Mask.from_dense(dense)
