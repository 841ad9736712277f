"""YOLO segmentation: ``images/``, ``labels/NAME.txt`` with ``class x y x y ...`` in 0..1, and the class names.

Names come from ``classes.txt`` (one a line) or from ``names`` in ``data.yaml``, in the folder or its parent. An image
without label file, or with an empty one, has no instances. Pixels without annotation are not scored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from knnclip.datasets.base import AnnotatedMask, ClassLabel, Dataset, LabelledImage, Sample, paint
from knnclip.datasets.polygons import mask_from_polygons
from knnclip.datasets.quoting import QUOTED, unquoted
from knnclip.datasets.reading import contents, images_in
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, MaskError
from knnclip.files import read_text
from knnclip.images import read_image


@dataclass(frozen=True, kw_only=True)
class YoloSegmentation(Dataset):
    """The reader of this format."""

    format: str = "yolo"
    names: tuple[str | None, ...]  # class name of each index, None where ignored

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image and its label file."""
        return sample.image_path, self.root / "labels" / f"{sample.image_path.stem}.txt"

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its label file; raises ``InputError`` if one of them cannot be read."""
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        _, path = self.files(sample)
        found: list[AnnotatedMask] = []
        rejected: list[Rejection] = []
        for number, line in enumerate(read_text(path).splitlines() if path.exists() else (), start=1):
            if not line.strip():
                continue
            try:
                item = self._instance(line, shape)
            except MaskError as error:
                rejected.append(Rejection(str(path), f"line {number}", str(error)))
                continue
            if item is not None:
                found.append(item)
        names = self.class_names
        return LabelledImage(image, paint(tuple(found), names, shape), names, tuple(found), tuple(rejected))

    def _instance(self, line: str, shape: tuple[int, int]) -> AnnotatedMask | None:
        try:
            index, *numbers = line.split()
            coordinates = np.array([float(text) for text in numbers])
            name = self.names[int(index)] if int(index) >= 0 else None
        except (ValueError, IndexError):
            raise MaskError(f"class or coordinates cannot be read, or the class is unknown: {line[:40]!r}") from None
        if int(index) < 0:
            raise MaskError(f"class {index} is negative")
        if len(coordinates) == 4:
            raise MaskError("the line is a box, not a polygon; only segmentation labels can be stored")
        if name is None:
            return None
        scale = np.resize(np.array([shape[1], shape[0]], dtype=np.float64), len(coordinates))
        return AnnotatedMask(mask_from_polygons([(coordinates * scale).tolist()], shape), name)


def is_yolo(root: Path) -> bool:
    """Whether a folder has label files, ``labels/*.txt``."""
    return any((root / "labels").glob("*.txt"))


def open_yolo(root: Path, ignore: Collection[str] = ()) -> YoloSegmentation:
    """Opens a folder of this format; ``DatasetError`` says what is missing."""
    listed = read_names(root)
    if len(set(listed)) < len(listed):
        duplicate = Counter(listed).most_common(1)[0][0]
        raise DatasetError(f"{root}: class name {duplicate!r} is listed twice; give each class its own")
    ignored = set(ignore)
    names = tuple(None if name in ignored or str(i) in ignored else name for i, name in enumerate(listed))
    classes = tuple(ClassLabel(name, True) for name in names if name is not None)
    samples = images_in(root / "images", root)
    if not (root / "labels").is_dir():
        raise DatasetError(
            f"{root} has no labels/ with a text file for each image that shows something; {contents(root)}"
        )
    return YoloSegmentation(root=root, classes=classes, samples=samples, names=names)


def read_names(root: Path) -> list[str]:
    """The class names of a YOLO folder by index."""
    for folder in (root, root.resolve().parent):
        if (folder / "classes.txt").is_file():
            lines = [line.strip() for line in read_text(folder / "classes.txt").splitlines()]
            return [line for line in lines if line]
        for yaml in sorted(folder.glob("*.y*ml")):
            if names := _yaml_names(read_text(yaml)):
                return names
    raise DatasetError(f"{root} has neither classes.txt nor a data.yaml with names, nor has its parent")


def _yaml_names(text: str) -> list[str]:
    """``names`` of a YOLO data.yaml: ``[a, b]``, ``- a`` lines or ``0: a`` lines; no other form."""
    match = re.search(r"^names:[ \t]*(?P<inline>[^\n#]*)(?P<block>(?:\n[ \t]*(?:-|\d+:)[^\n]*)*)", text, re.MULTILINE)
    if match is None:
        return []
    inline = match["inline"].strip()
    if inline:
        parts = inline.strip("[]{}").split(",")
        return [_yaml_name(re.sub(r"^\s*\d+\s*:\s*", "", part)) for part in parts if part.strip()]
    lines = [re.sub(r"^\s*(?:-|\d+:)\s*", "", line) for line in match["block"].splitlines() if line.strip()]
    return [_yaml_name(line) for line in lines]


def _yaml_name(text: str) -> str:
    """A name as YAML writes it, plain or in quotes; in double ones as JSON has it, in single ones ``''`` is one."""
    found = re.match(rf"\s*(?P<text>{QUOTED}|'(?:[^']|'')*')\s*(?:#.*)?$", text)
    if found is None:
        return text.split(" #", 1)[0].strip().strip("'\"")
    return unquoted(found["text"]) if found["text"][0] == '"' else found["text"][1:-1].replace("''", "'")
