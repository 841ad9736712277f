"""What an answer can do with itself for people and other programs: show, convert and save itself.

The work is done in ``knnclip.output``, which stands above all that makes an answer and is imported when it is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from knnclip.structures import Bool, Segmentation


class Presented:
    """The part of ``Segmentation`` that hands itself over."""

    @property
    def masks(self) -> Bool:
        """``(N, H, W) bool``: the masks of ``segments``, in their order."""
        from knnclip.output.conversion import dense_masks

        return dense_masks(self._answer)

    def to_coco(self) -> dict[str, Any]:
        """The segments with a class as COCO instances of one image: plain data for ``json``, each mask to the pixel."""
        from knnclip.output.conversion import to_coco

        return to_coco(self._answer)

    def to_supervision(self) -> Any:  # noqa: ANN401 - supervision need not be installed
        """The segments with a class as ``supervision.Detections``, their names in ``data["class_name"]``.

        ``UsageError`` where the package supervision is not installed.
        """
        from knnclip.output.conversion import to_supervision

        return to_supervision(self._answer)

    def save(self, path: str | Path, format: str | None = None) -> None:  # noqa: A002
        """Writes the answer to a file, or with a ``format`` into a folder of that name within the folder ``path``.

        By its suffix a file is the picture under its classes (``.png``), COCO instances (``.json``) or a table of
        objects (``.csv``). A format is a name in ``knnclip.output.exports.EXPORTS``: ``coco``, ``yolo``, ...; it needs
        an answer for a picture that lies in a file, which is copied. ``UsageError`` for another suffix or format,
        ``OutputError`` if it cannot be written.
        """
        from knnclip.output.conversion import save

        save(self._answer, Path(path), format)

    def _repr_html_(self) -> str:
        """How notebooks show it: the picture under its classes, a legend, and a table of the largest segments."""
        from knnclip.output.notebook import html

        return html(self._answer)

    @property
    def _answer(self) -> Segmentation:
        return cast("Segmentation", self)
