"""A segmenter that learns a new class the moment it is shown one, with no training.

>>> from knnclip import Segmenter
>>> with Segmenter.open("my-store") as segmenter:
...     source = segmenter.teach("street.jpg", (114, 165, 190, 225), "traffic cone")
...     result = segmenter.segment("next-street.jpg")
>>> sorted({segment.class_name for segment in result.segments if segment.class_name})
['traffic cone']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knnclip.errors import KnnclipError
    from knnclip.segmenter import Segmenter
    from knnclip.store import Store
    from knnclip.structures import Mask, Segment, Segmentation

__all__ = ["KnnclipError", "Mask", "Segment", "Segmentation", "Segmenter", "Store"]

_HOMES = {
    "KnnclipError": "knnclip.errors",
    "Mask": "knnclip.structures",
    "Segment": "knnclip.structures",
    "Segmentation": "knnclip.structures",
    "Segmenter": "knnclip.segmenter",
    "Store": "knnclip.store",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    # Names are imported when first used, so that `knnclip --help` does not wait for NumPy.
    if name == "__version__":
        from importlib.metadata import version

        return version("knnclip")
    if name not in _HOMES:
        raise AttributeError(f"module 'knnclip' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
