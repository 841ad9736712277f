"""What people draw in annotation tools: LabelMe's JSON files and CVAT's XML (for images, 1.1).

Shapes of one group are one instance. Rectangles are taken as they are drawn; lines and points have no area and are
rejected. In CVAT later and higher shapes (``z_order``) lie on top; elsewhere the smaller lies on the larger.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np

from knnclip.datasets.base import IGNORED, AnnotatedMask, ClassLabel, Dataset, LabelledImage, Sample, paint
from knnclip.datasets.orientation import turn_of, turned
from knnclip.datasets.polygons import mask_from_polygons
from knnclip.datasets.reading import MAX_SIDE_PX, contents, find_inside, ref_of
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, ImageError, InputError, MaskError
from knnclip.fields import Fields, as_number, shown
from knnclip.files import read_json, read_xml
from knnclip.images import read_image, read_index_map
from knnclip.structures import Bool, Int32, Mask

CIRCLE_CORNERS = 64
"""A polygon of so many corners leaves the circle by 0.12 % of its radius: less than a pixel for radii up to 800."""

Point = tuple[float, float]

Crop = Callable[[int], Bool]
"""Decodes a drawn mask of at most so many pixels, those of its image; ``MaskError`` if it is larger or damaged."""


@dataclass(frozen=True)
class Shape:
    """One drawn shape."""

    name: str
    kind: str  # polygon, rectangle, circle, ellipse or mask; others have no area
    points: tuple[Point, ...]
    group: str | None  # shapes of a group are one instance
    place: str  # where in the file, for a rejection
    crop: Crop | None = None  # of a mask; its corner is the first point

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Its pixels in an image; ``MaskError`` if it has none."""
        if self.kind == "mask" and self.crop is not None and self.points:
            return _pasted(self.crop(shape[0] * shape[1]), self.points[0], shape)
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
        index = {name: i for i, name in enumerate(self.class_names)}
        for item in found:  # in the order in which they lie on each other
            label_map[item.mask.slices][item.mask.crop] = index[item.class_name]
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
    samples: dict[str, Sample] = {}
    sources: dict[str, Path] = {}
    shapes, sizes, rejected = {}, {}, []
    for file in sorted(root.rglob("*.json")):
        try:
            content = read_json(file)
            if not _is_labelme(content):
                continue
            entry = Fields.of(content)
            # Written on Windows the path has backslashes, which mean nothing elsewhere.
            name = PureWindowsPath(entry.text("imagePath")).name
            image = find_inside(name, (file.parent, root / "images"))
            if image is None:
                raise InputError(f"its image {name} is missing")
            ref = ref_of(image, root)
            if ref in samples:
                raise InputError(f"its image {name} is that of {sources[ref].name} too; leave one out")
            size = _size(entry, "imageHeight", "imageWidth")
        except InputError as error:
            rejected.append(Rejection(str(file), None, str(error)))
            continue
        shapes[ref], broken = _drawn(entry.items("shapes"), _labelme_shape, str(file))
        rejected += broken
        samples[ref], sources[ref] = Sample(ref, image), file
        if size is not None:
            sizes[ref] = size
    if not samples and not rejected:
        raise DatasetError(f"{root} holds no LabelMe files; each is a JSON with shapes and imagePath; {contents(root)}")
    return _opened(LabelMe, root, [*samples.values()], shapes, sizes, sources, ignore, rejected)


def open_cvat(root: Path, ignore: Collection[str] = ()) -> Cvat:
    """A folder with ``annotations.xml`` of CVAT's "for images 1.1", or the file itself; images under ``images/``."""
    file = root if root.is_file() else root / "annotations.xml"
    if not file.is_file():
        raise DatasetError(f"{root} has no annotations.xml; export it as CVAT for images 1.1; {contents(root)}")
    folder = file.parent
    samples, shapes, sizes, rejected = {}, {}, {}, []
    for element in read_xml(file).iter("image"):
        name = element.get("name", "")
        place = f"image {name}"
        try:
            image = find_inside(name, (folder / "images", folder), folder)
            if image is None:
                raise InputError(f"image {name} is missing")
            ref = ref_of(image, folder)
            if ref in samples:
                raise InputError(f"image {name} is listed twice; leave one out")
            size = _size(Fields(element.attrib), "height", "width")
        except InputError as error:
            rejected.append(Rejection(str(file), place, str(error)))
            continue
        drawn = sorted((shape for shape in element if shape.get("label")), key=_height)
        shapes[ref], broken = _drawn(drawn, _cvat_shape, str(file), f"{place}, ")
        rejected += broken
        samples[ref] = Sample(ref, image)
        if size is not None:
            sizes[ref] = size
    sources = dict.fromkeys(samples, file)
    return _opened(Cvat, root, [*samples.values()], shapes, sizes, sources, ignore, rejected)


def _height(shape: ElementTree.Element) -> float:
    """How high a shape of CVAT lies; that this is a number is checked when the shape is read."""
    return as_number(shape.get("z_order")) or 0


def _size(entry: Fields, height: str, width: str) -> tuple[int, int] | None:
    """The size that shapes are for, None where it is not given, which some tools write as 0."""
    if not (entry.has(height) and entry.has(width)):
        return None
    size = entry.whole(height, 0, MAX_SIDE_PX), entry.whole(width, 0, MAX_SIDE_PX)
    return size if all(size) else None


def _drawn(
    listed: Sequence[Any], read: Callable[[Any, int], Shape], file: str, where: str = ""
) -> tuple[tuple[Shape, ...], list[Rejection]]:
    """The shapes of an image, and what cannot be used of them."""
    shapes, rejected = [], []
    for number, item in enumerate(listed):
        try:
            shapes.append(read(item, number))
        except InputError as error:
            rejected.append(Rejection(file, f"{where}shape {number}", str(error)))
    return tuple(shapes), rejected


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


def _labelme_shape(content: object, number: int) -> Shape:
    shape = Fields.of(content)
    kind = shape.text("shape_type") if shape.has("shape_type") else "polygon"
    group = shape.ident("group_id") if shape.has("group_id") else None
    points = tuple(_point(point) for point in shape.items("points"))
    crop = partial(_png_crop, shape.text("mask")) if kind == "mask" else None
    name, place = shape.name("label"), f"shape {number}"
    return Shape(name, kind, points, None if group is None else f"group {group}", place, crop)


def _point(content: object) -> Point:
    if not isinstance(content, list) or len(content) != 2:
        raise InputError(f"a point is a list of x and y, found {shown(content)}")
    point = Fields({"x": content[0], "y": content[1]})
    return point.number("x"), point.number("y")


def _png_crop(text: str, most: int) -> Bool:
    try:
        return read_index_map("the mask", content=base64.b64decode(text), max_pixels=most) > 0
    except (ImageError, binascii.Error) as error:
        raise MaskError(f"the mask is no picture within its image ({error})") from None


def _cvat_shape(element: ElementTree.Element, number: int) -> Shape:
    shape, kind, crop = Fields(element.attrib), element.tag, None
    if shape.has("z_order"):
        shape.whole("z_order")
    points: tuple[Point, ...] = ()
    if kind == "polygon":
        pairs = (pair.split(",") for pair in element.get("points", "").split(";") if pair)
        points = tuple(_point(pair) for pair in pairs)
    elif kind == "box":
        kind, points = "rectangle", (_pair(shape, "xtl", "ytl"), _pair(shape, "xbr", "ybr"))
    elif kind == "ellipse":
        points = _pair(shape, "cx", "cy"), _pair(shape, "rx", "ry")
    elif kind == "mask":
        points = (_pair(shape, "left", "top"),)
        size = shape.whole("height", 1, MAX_SIDE_PX), shape.whole("width", 1, MAX_SIDE_PX)
        crop = partial(_runs_crop, shape.text("rle"), size)
    group = element.get("group_id")
    return Shape(shape.name("label"), kind, points, f"group {group}" if group else None, f"shape {number}", crop)


def _pair(shape: Fields, x: str, y: str) -> Point:
    return shape.number(x), shape.number(y)


def _runs_crop(text: str, size: tuple[int, int], most: int) -> Bool:
    """Runs go along rows of the crop, zeros first."""
    if size[0] * size[1] > most:
        raise MaskError(f"the mask of {size[1]}x{size[0]} px is larger than its image")
    runs = text.replace(",", " ").split()
    if not all(run.isascii() and run.isdigit() and len(run) < 12 for run in runs):
        raise MaskError("the runs of the mask are no whole numbers")
    lengths = np.array(runs, dtype=np.int64)
    if lengths.sum() != size[0] * size[1]:
        raise MaskError("the runs of the mask do not add up to its size")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size)


def _pasted(bits: Bool, corner: Point, shape: tuple[int, int]) -> Mask:
    """A crop at its place; what lies outside the image is cut off."""
    dense = np.zeros(shape, dtype=bool)
    x, y = round(corner[0]), round(corner[1])
    if not (0 <= x < shape[1] and 0 <= y < shape[0]):
        raise MaskError(f"the mask lies outside the image of {shape[1]}x{shape[0]} px")
    part = bits[: shape[0] - y, : shape[1] - x]
    dense[y : y + part.shape[0], x : x + part.shape[1]] = part
    return Mask.from_dense(dense)
