"""Published sets whose truth is a label image a picture, in the trees that they come in: see ``layouts``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from knnclip.datasets.base import ClassLabel, Sample, unwanted, without_shared_synonyms
from knnclip.datasets.class_lists import read_class_list
from knnclip.datasets.label_images import LabelImages, ObjectFiles
from knnclip.datasets.label_map import read_label_map
from knnclip.datasets.layouts import LAYOUTS, Key, Layout
from knnclip.datasets.reading import contents, ref_of
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, InputError
from knnclip.fields import Fields
from knnclip.files import read_json, read_text
from knnclip.vocabulary import Color

FIRST_AT = {layout.labels: layout for layout in reversed(LAYOUTS)}
"""The layout that a folder is taken for, by where its labels are: several sets may lie in one tree."""


def is_published(format: str, root: Path) -> bool:  # noqa: A002
    """Whether a folder holds a published set, or is a part of it, and is taken for this one of those in its tree."""
    return any(layout.format == format and layout.home(root) is not None for layout in FIRST_AT.values())


def open_published(format: str, root: Path, ignore: Collection[str] = ()) -> LabelImages:  # noqa: A002
    """Opens a published set, a folder of its images for one split, or a list of them, ``ImageSets/.../SPLIT.txt``.

    ``DatasetError`` names what is missing. ``ignore`` "background" for Pascal VOC's benchmark of 20 classes.
    """
    layouts = [layout for layout in LAYOUTS if layout.format == format]
    places = ((layout, layout.home(root)) for layout in layouts)
    layout, home = next(((layout, home) for layout, home in places if home is not None), (None, None))
    if layout is None or home is None:
        expected = " or ".join(dict.fromkeys(layout.described(layout.labels) for layout in layouts))
        raise DatasetError(f"{root}: {format} has its labels at {expected}, and none is there; {contents(root)}")
    classes, void = _classes(layout, home)
    wanted = {value: label for value, label in classes.items() if not unwanted(value, label, ignore)}
    pairs, rejected = _pairs(layout, home, root)
    if not pairs:
        expected = " or ".join(layout.described(template) for template in layout.images)
        raise DatasetError(
            f"{root}: {format} has its images at {expected}, and none of them has labels; {contents(home)}"
        )
    if not wanted:
        raise DatasetError(f"{root} has no class that is not ignored; check --ignore")
    samples = {key: Sample(ref_of(image, home), image) for key, (image, _) in pairs.items()}
    objects = _objects(layout, home, {key: sample.ref for key, sample in samples.items()}, wanted)
    return LabelImages(
        format=format,
        root=root,
        classes=tuple(wanted.values()),
        samples=tuple(samples.values()),
        rejected=rejected,
        has_instances=objects is not None,
        labels={samples[key].ref: label for key, (_, label) in pairs.items()},
        values=tuple(wanted),
        void=(void | set(classes) | {int(text) for text in ignore if text.isdigit()}) - set(wanted),
        objects=objects,
    )


def _pairs(layout: Layout, home: Path, root: Path) -> tuple[dict[Key, tuple[Path, Path]], tuple[Rejection, ...]]:
    """Images with their labels, of what ``root`` asks for, and what has only one of both."""
    images, labels = layout.found(home, *layout.images), layout.found(home, layout.labels)
    if root.is_file():
        names = dict.fromkeys(line.split()[0] for line in read_text(root).splitlines() if line.strip())
        asked: list[Key] = [(("name", name),) for name in names]
        missing = [key for key in asked if key not in labels or key not in images]
    else:
        places = (*dict.fromkeys((*images, *labels)),)
        asked = [key for key in places if _lies_in(root, home, images.get(key), labels.get(key))]
        missing = [key for key in asked if key not in images or (key not in labels and not layout.partly)]
    rejected = []
    for key in missing:
        template, reason = (
            (layout.labels, "the labels of an image are missing")
            if key in images
            else (layout.images[0], "the image of labels is missing")
        )
        rejected.append(Rejection(str(home / template.format(**dict(key))), None, reason))
    both = {key: (images[key], labels[key]) for key in asked if key in images and key in labels}
    return both, tuple(rejected)


def _lies_in(root: Path, home: Path, *files: Path | None) -> bool:
    return root == home or any(file is not None and file.is_relative_to(root) for file in files)


def _objects(
    layout: Layout, home: Path, refs: Mapping[Key, str], wanted: Mapping[int, ClassLabel]
) -> ObjectFiles | None:
    """The images of objects, None where the set has none. One that is missing is an error of its image."""
    if layout.objects is None or not layout.found(home, layout.objects.files):
        return None
    place = {label.name: i for i, label in enumerate(wanted.values())}
    encoded, _ = _classes(replace(layout, encoding=layout.objects.encoding), home)
    files = {ref: home / layout.objects.files.format(**dict(key)) for key, ref in refs.items()}
    classes = {value: place[label.name] for value, label in encoded.items() if label.name in place}
    return ObjectFiles(files, layout.objects.read, classes)


def _classes(layout: Layout, home: Path) -> tuple[dict[int, ClassLabel], frozenset[int]]:
    """The classes of a layout by their value, from the set's own configuration where it has one; and what is void."""
    if layout.config and (home / layout.config).is_file():
        file = home / layout.config
        return (read_label_map(file), layout.void) if file.suffix == ".txt" else _configured(file)
    if not layout.classes:
        raise DatasetError(
            f"{home / layout.config} is missing, which lists the classes of these labels; {contents(home)}"
        )
    listed = read_class_list(layout.classes, layout.encoding)
    return {value: label for value, label in listed.items() if label.name not in layout.without}, layout.void


def _configured(file: Path) -> tuple[dict[int, ClassLabel], frozenset[int]]:
    """What a configuration of Mapillary Vistas evaluates, and what it does not; a value is a place in its list."""
    content = read_json(file)
    try:
        listed = Fields.of(content).items("labels")
        labels = [Fields.of(label, f"label {value}") for value, label in enumerate(listed)]
        counted = Counter(label.text("readable").lower() for label in labels)
        classes = {}
        for value, label in enumerate(labels):
            if label.flag("evaluate", required=True):
                published = label.name("readable")
                name = published.lower() if counted[label.text("readable").lower()] == 1 else label.name("name")
                classes[value] = ClassLabel(name, label.flag("instances", required=True), _color(label), (published,))
    except InputError as error:
        raise DatasetError(f"{file} does not list the labels of Mapillary Vistas ({error}); fetch it again") from None
    void = frozenset(range(len(labels))) - frozenset(classes)
    return dict(zip(classes, without_shared_synonyms(classes.values()), strict=True)), void


def _color(label: Fields) -> Color:
    red, green, blue = (
        Fields({"color": value}, label.where).whole("color", 0, 255) for value in label.items("color", length=3)
    )
    return red, green, blue
