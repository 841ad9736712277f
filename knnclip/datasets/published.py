"""Published sets whose truth is one index image a picture: Pascal VOC, ADE20K and Cityscapes, in their own layouts.

Their traps are theirs: VOC's 255 is the border of objects; ADE20K's 0 is "other" and classes begin at 1; Cityscapes has
34 label ids of which 19 count. What does not count is neither stored nor scored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, TypeVar

from knnclip.datasets.base import ClassLabel, Sample, read_text
from knnclip.datasets.index_masks import IndexMasks
from knnclip.errors import DatasetError

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip

CITYSCAPES_CLASSES: Mapping[int, tuple[str, bool]] = MappingProxyType(
    {
        7: ("road", False), 8: ("sidewalk", False), 11: ("building", False), 12: ("wall", False), 13: ("fence", False),
        17: ("pole", False), 19: ("traffic light", False), 20: ("traffic sign", False), 21: ("vegetation", False),
        22: ("terrain", False), 23: ("sky", False), 24: ("person", True), 25: ("rider", True), 26: ("car", True),
        27: ("truck", True), 28: ("bus", True), 31: ("train", True), 32: ("motorcycle", True), 33: ("bicycle", True),
    }
)  # fmt: skip
"""The 19 classes that are evaluated, by label id, and whether they are things."""


@dataclass(frozen=True, kw_only=True)
class VocSegmentation(IndexMasks):
    """Pascal VOC: palette images of 21 classes."""

    format: ClassVar[str] = "voc"
    others_are_void: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Ade20k(IndexMasks):
    """ADE20K SceneParsing (ADEChallengeData2016): 150 classes from 1."""

    format: ClassVar[str] = "ade20k"
    others_are_void: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Cityscapes(IndexMasks):
    """Cityscapes: fine annotations as label ids, not as train ids."""

    format: ClassVar[str] = "cityscapes"
    others_are_void: ClassVar[bool] = True


Published = TypeVar("Published", VocSegmentation, Ade20k, Cityscapes)


def open_voc(root: Path, ignore: Collection[str] = ()) -> VocSegmentation:
    """A VOC folder with JPEGImages and SegmentationClass; or one of its lists, ImageSets/Segmentation/val.txt.

    ``ignore`` "background" for the benchmark of 20 classes.
    """
    folder = root if root.is_dir() else root.parents[2]
    labels = _needed(folder / "SegmentationClass", "SegmentationClass/NAME.png")
    names = read_text(root).split() if root.is_file() else sorted(file.stem for file in labels.glob("*.png"))
    pairs = [(folder / "JPEGImages" / f"{name}.jpg", labels / f"{name}.png") for name in names]
    classes = {index: ClassLabel(name, index > 0) for index, name in enumerate(VOC_CLASSES)}
    return _opened(VocSegmentation, folder, root, pairs, classes, ignore)


def open_ade20k(root: Path, ignore: Collection[str] = ()) -> Ade20k:
    """An ADEChallengeData2016 folder, or its images/validation for one split; names are read from objectInfo150.txt."""
    folder = root if (root / "annotations").is_dir() else root.parent.parent
    table = read_text(_needed(folder / "objectInfo150.txt", "objectInfo150.txt")).splitlines()[1:]
    classes: dict[int, ClassLabel] = {}
    for line in table:
        cells = line.split("\t")
        if len(cells) >= 5:
            names = cells[-1].split(",")[0].strip()
            taken = {label.name for label in classes.values()}
            classes[int(cells[0])] = ClassLabel(names if names not in taken else cells[-1].strip(), False)
    images = folder / "images"
    chosen = root if root != folder else images
    pairs = [
        (image, folder / "annotations" / image.relative_to(images).with_suffix(".png"))
        for image in sorted(_needed(chosen, "images/SPLIT/NAME.jpg").rglob("*.jpg"))
    ]
    return _opened(Ade20k, folder, root, pairs, classes, ignore)


def open_cityscapes(root: Path, ignore: Collection[str] = ()) -> Cityscapes:
    """A folder with leftImg8bit and gtFine, or its leftImg8bit/val for one split."""
    folder = root if (root / "gtFine").is_dir() else root.parent.parent
    images = folder / "leftImg8bit"
    chosen = root if root != folder else images
    pairs = []
    for image in sorted(_needed(chosen, "leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png").rglob("*_leftImg8bit.png")):
        place = image.relative_to(images).parent
        name = image.name.removesuffix("_leftImg8bit.png")
        label = folder / "gtFine" / place / f"{name}_gtFine_labelIds.png"
        if label.is_file() or place.parts[0] != "test":  # the test split has no truth
            pairs.append((image, label))
    classes = {index: ClassLabel(name, is_thing) for index, (name, is_thing) in CITYSCAPES_CLASSES.items()}
    return _opened(Cityscapes, folder, root, pairs, classes, ignore)


LAYOUTS: Mapping[str, Callable[[Path], bool]] = MappingProxyType(
    {
        "voc": lambda root: (root / "SegmentationClass").is_dir() or root.parent.parent.name == "ImageSets",
        "ade20k": lambda root: any((folder / "objectInfo150.txt").is_file() for folder in (root, root.parent.parent)),
        "cityscapes": lambda root: any((folder / "gtFine").is_dir() for folder in (root, root.parent.parent)),
    }
)
"""What each of these sets is recognised by."""


def _needed(path: Path, layout: str) -> Path:
    if not path.exists():
        raise DatasetError(f"{path} does not exist; this set has {layout}")
    return path


def _opened(
    kind: type[Published],
    folder: Path,
    root: Path,
    pairs: list[tuple[Path, Path]],
    classes: Mapping[int, ClassLabel],
    ignore: Collection[str],
) -> Published:
    wanted = {index: label for index, label in classes.items() if not {label.name, str(index)} & set(ignore)}
    if not pairs or not wanted:
        raise DatasetError(f"{root} has no {'images' if not pairs else 'class that is not ignored'}; check the path")
    samples = tuple(Sample(image.relative_to(folder).as_posix(), image) for image, _ in pairs)
    return kind(
        root=root,
        classes=tuple(wanted.values()),
        samples=samples,
        labels={sample.ref: label for sample, (_, label) in zip(samples, pairs, strict=True)},
        indices=tuple(wanted),
        ignored=frozenset(),
    )
