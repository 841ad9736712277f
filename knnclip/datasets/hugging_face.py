"""Sets of Hugging Face ``datasets`` with a column of images and one of masks, as ``hf:NAME``.

``NAME`` is a set of the hub or a folder that ``save_to_disk`` wrote; after it may follow ``,split=...``, ``,image=...``
and ``,mask=...``, the names of columns. A mask holds one index a pixel. The names of the indices come from
``id2label.json`` beside the data or from a column of lists of class labels. Where there is neither, 0 is void and the
others are called "class 1" and so on, which takes a look at every mask. 255 and 65535 are void unless they are named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.datasets.base import ClassLabel, Dataset, LabelledImage, Sample, connected_pieces, unwanted
from knnclip.datasets.label_images import index_map
from knnclip.datasets.orientation import turn_of, turned_upright
from knnclip.errors import DatasetError, InputError, UsageError, unknown_name
from knnclip.fields import Fields
from knnclip.files import read_json
from knnclip.images import MAX_INDEX, read_image, read_index_map
from knnclip.structures import Int32

SCHEME = "hf:"
INSTALL = "pip install 'knnclip[hf]'"
OPTIONS = ("split", "image", "mask")
"""What may follow the name, each as ``,OPTION=VALUE``."""

ID2LABEL = "id2label.json"
"""Beside the data: an object of names by index, as Hugging Face's models have one."""

VOID = frozenset({0, 255, 65535})
"""Values without a name that are no class."""


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Dataset):
    """The reader of such sets."""

    format: str = "hf"
    has_instances: bool = False
    table: Any  # a datasets.Dataset whose images are not decoded
    rows: Mapping[str, int]  # by sample ref
    image_column: str
    mask_column: str
    values: tuple[int, ...]  # the value of each class in the masks
    void: frozenset[int]

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one row; raises ``ImageError`` or ``DatasetError`` if the image or the mask cannot be read."""
        row = self.table[self.rows[sample.ref]]
        content = _content(row[self.image_column], f"{self.image_column} of {sample.image_path}")
        image = read_image(sample.image_path, content=content)
        shape = (int(image.shape[0]), int(image.shape[1]))
        where = f"{self.mask_column} of {sample.image_path}"
        values = _values(_content(row[self.mask_column], where), where)
        size = int(values.shape[0]), int(values.shape[1])
        upright = turned_upright(values, turn_of(size, shape, where, sample.image_path, content))
        label_map = index_map(upright, self.values, self.void, where)
        return LabelledImage(image, label_map, self.class_names, connected_pieces(label_map, self.class_names))


def is_saved(root: Path) -> bool:
    """Whether a folder was written by ``save_to_disk``."""
    return any((root / name).is_file() for name in ("dataset_dict.json", "state.json"))


def open_hugging_face(text: str, ignore: Collection[str] = ()) -> HuggingFace:
    """A set by name or folder, with its options; ``UsageError`` without the package or for a column or split that is
    not there, ``DatasetError`` if the set cannot be loaded.
    """
    name, options = _parsed(text)
    table, split = _loaded(name, options.get("split"))
    image, mask = _columns(name, table.features, options)
    from datasets import Image as Column

    for column in (image, mask):
        table = table.cast_column(column, Column(decode=False))
    named = _named(name, table.features)
    if not named:
        found = _found(table, mask)
        # Masks of one class are often 0 and 255.
        named = {value: f"class {value}" for value in sorted(found - VOID or found - {0})}
    if len(set(named.values())) < len(named):
        raise DatasetError(f"{SCHEME}{name}: two indices have the same name; give each its own in {ID2LABEL}")
    classes = {value: ClassLabel(label, False) for value, label in named.items()}
    wanted = {value: label for value, label in classes.items() if not unwanted(value, label, ignore)}
    if not wanted or not len(table):
        raise DatasetError(f"{SCHEME}{text} has no {'rows' if wanted else 'class that is not ignored'}; check the name")
    refs = [f"{split}/{row:06}" if split else f"{row:06}" for row in range(len(table))]
    root = Path(f"{SCHEME}{name}")
    return HuggingFace(
        root=root,
        classes=tuple(wanted.values()),
        samples=tuple(Sample(ref, root / ref) for ref in refs),
        table=table,
        rows={ref: row for row, ref in enumerate(refs)},
        image_column=image,
        mask_column=mask,
        values=tuple(wanted),
        void=(VOID | set(classes) | {int(part) for part in ignore if part.isdigit()}) - set(wanted),
    )


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    name, *rest = text.split(",")
    options = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if key not in OPTIONS or not equals:
            raise UsageError(f"{SCHEME}{text}: {part!r} is not one of split=..., image=..., mask=...")
        options[key] = value
    return name, options


def _loaded(name: str, split: str | None) -> tuple[Any, str]:
    """One split as a table, and what it is called."""
    try:
        import datasets
    except ImportError as error:
        raise UsageError(f"{SCHEME}{name} needs the package datasets, which is not here ({error}); {INSTALL}") from None
    try:
        loaded = datasets.load_from_disk(name) if is_saved(Path(name)) else datasets.load_dataset(name)
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(f"{SCHEME}{name} cannot be loaded ({error}); check the name or the folder") from None
    if not isinstance(loaded, datasets.DatasetDict):
        return loaded, split or ""
    if split is None and len(loaded) > 1:
        raise UsageError(f"{SCHEME}{name} has the splits {', '.join(loaded)}; choose one with ,split=...")
    chosen = split or next(iter(loaded))
    if chosen not in loaded:
        raise unknown_name(f"split of {SCHEME}{name}", chosen, loaded)
    return loaded[chosen], chosen


def _columns(name: str, features: Mapping[str, Any], options: Mapping[str, str]) -> tuple[str, str]:
    """The columns of images and of masks: as asked for, else the first two that hold images."""
    from datasets import Image as Column

    pictures = [column for column, feature in features.items() if isinstance(feature, Column)]
    for column in (options[key] for key in ("image", "mask") if key in options):
        if column not in pictures:
            raise unknown_name(f"column of images in {SCHEME}{name}", column, pictures)
    image = options.get("image") or next((column for column in pictures if column != options.get("mask")), None)
    mask = options.get("mask") or next((column for column in pictures if column != image), None)
    if image is None or mask is None:
        raise DatasetError(f"{SCHEME}{name} has not a column of images and one of masks; it has {', '.join(features)}")
    return image, mask


def _named(name: str, features: Mapping[str, Any]) -> dict[int, str]:
    """The names of the values; empty if nothing says them.

    A column with one class label a row says what the whole picture shows, so only lists of them are looked at.
    """
    file = _id2label(name)
    if file is not None:
        content = Fields.of(read_json(file), str(file))
        try:
            return {Fields({"index": key}).whole("index", 0, MAX_INDEX): content.name(key) for key in content.content}
        except InputError as error:
            raise DatasetError(f"{file} is not an object of names by index ({error}); mend the file") from None
    lists = (getattr(getattr(feature, "feature", None), "names", None) for feature in features.values())
    return dict(enumerate(next((names for names in lists if names), [])))


def _id2label(name: str) -> Path | None:
    """The file of names of a set, if it has one."""
    folder = Path(name)
    if folder.is_dir():
        return folder / ID2LABEL if (folder / ID2LABEL).is_file() else None
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, ID2LABEL, repo_type="dataset"))
    except (OSError, ValueError):
        return None


def _found(table: Any, column: str) -> set[int]:  # noqa: ANN401 - a type of a package that may not be here
    """The values in all masks that can be read."""
    found: set[int] = set()
    for row, cell in enumerate(table.select_columns([column])):
        where = f"{column} of row {row}"
        try:
            found.update(np.unique(_values(_content(cell[column], where), where)).tolist())
        except InputError:
            continue  # it is rejected when its row is loaded
    return found


def _content(cell: Any, where: str) -> bytes:  # noqa: ANN401 - a cell of an unknown table
    """The bytes of an image, which the table holds itself or names a file for."""
    if cell is None:
        raise DatasetError(f"{where}: the cell is empty; leave the row out")
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    try:
        return Path(cell["path"]).read_bytes()
    except OSError as error:
        raise DatasetError(f"{where}: {cell['path']} cannot be read ({error.strerror}); check the file") from None


def _values(content: bytes, where: str) -> Int32:
    """The indices of a mask; of a picture in colours too, where it is grey all over."""
    return read_index_map(where, content=content, grey=True)
