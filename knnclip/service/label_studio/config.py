"""The labelling configuration of a project: where its picture is, and which tags hold which labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from knnclip.errors import InputError
from knnclip.files import parse_xml

ControlKind = Literal["brushlabels", "polygonlabels"]
"""Tags that masks are answered for, in the order in which they are preferred: a brush keeps them to the pixel."""

KINDS: tuple[ControlKind, ...] = get_args(ControlKind)


@dataclass(frozen=True)
class Control:
    """A tag that draws on the picture."""

    kind: ControlKind
    name: str  # ``from_name`` of its results
    labels: tuple[str, ...]  # as they are written


@dataclass(frozen=True)
class LabelConfig:
    """What of a configuration matters here."""

    image_name: str  # ``to_name`` of results
    data_key: str  # of the task's data, where the picture's address is
    control: Control  # whose labels are answered


def read_config(text: str) -> LabelConfig:
    """A picture of a labelling configuration with the best tag that draws on one; ``InputError`` if none does."""
    root = parse_xml(text, "label_config")
    images = {element.get("name", ""): element.get("value", "") for element in root.iter("Image")}
    controls: list[tuple[str, Control]] = []
    for element in root.iter():
        kind = next((kind for kind in KINDS if kind == str(element.tag).lower()), None)
        to_name = element.get("toName", "")
        if kind is not None and images.get(to_name, "").startswith("$"):
            labels = tuple(label.get("value", "") for label in element.iter("Label"))
            controls.append((to_name, Control(kind, element.get("name", ""), tuple(filter(None, labels)))))
    if not controls:
        raise InputError(
            "label_config: expected a tag BrushLabels or PolygonLabels for an Image whose value is a key of the task, "
            "as $image; add one to the labelling interface"
        )
    to_name, control = min(controls, key=lambda found: KINDS.index(found[1].kind))
    return LabelConfig(to_name, images[to_name].removeprefix("$"), control)
