"""Images segmented into files: knnclip's own, and the formats of other tools, which ``knnclip.output.exports`` writes.

The folder of results holds for ``answer``

    semantic/NAME.png    class id of each pixel, 0 for unknown (8-bit, 16-bit from class id 256 on)
    panoptic/NAME.png    segment id of each pixel as R + 256 G + 65536 B, 0 where no named segment lies
    panoptic.json        the COCO panoptic annotations of all images, with the classes as categories
    segments/NAME.json   every segment, the unknown ones too, with its probabilities and its evidence
    overlay/NAME.png     the picture for people
    evidence/NAME.ID.png the stored instances behind a segment, where asked for

and a folder of its name for every other format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.datasets import Rejection
from knnclip.errors import ImageError, UsageError, lookup
from knnclip.files import write_json
from knnclip.images import IMAGE_SUFFIXES, ids_as_rgb, read_image, write_png
from knnclip.output.colors import with_distinct_colors
from knnclip.output.exports import EXPORTS, Answered, Export
from knnclip.output.exports.coco import categories
from knnclip.output.exports.coco_panoptic import segments_info
from knnclip.output.naming import UniqueNames
from knnclip.output.rendering import evidence_sheet, overlay
from knnclip.output.segment_json import segment_json
from knnclip.parallel import map_ahead
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Image, Int32, Segmentation

ANSWER = "answer"
"""The name of knnclip's own files among the formats."""

EVIDENCE_SHEETS = 12
"""At most so many segments of an image, the largest, get an evidence sheet; others would be hundreds of files."""

Json = dict[str, Any]


def segment_files(
    segmenter: Segmenter,
    paths: Sequence[Path],
    out: Path,
    *,
    write: Sequence[str] = (ANSWER,),
    min_confidence: float = 0.0,
    copy_pictures: bool = True,
    evidence: bool = False,
    workers: int = 2,
    progress: Progress = SILENT,
) -> tuple[Rejection, ...]:
    """Segments images into the folder ``out``, see above for its files; returns what could not be read.

    ``paths``: image files, and folders, which stand for the images in them. ``write``: formats, ``ANSWER`` or names in
    ``EXPORTS``; ``min_confidence`` and ``copy_pictures`` are for these, see ``Export``. ``evidence``: whether sheets of
    the stored instances behind the segments are drawn beside the answer. ``workers`` images are under work at once,
    what is written does not depend on it. ``OutputError`` if a file cannot be written, ``UsageError`` for a folder
    without images and for an unknown format.
    """
    files = image_files(paths)
    for name in write:
        lookup("format", name, {ANSWER: None, **{card.name: None for card in EXPORTS}})
    exported = [name for name in write if name != ANSWER]
    rejected: list[Rejection] = []

    def answer(file: Path) -> tuple[Image, Segmentation] | Rejection:
        try:
            image = read_image(file)
        except ImageError as error:
            return Rejection(str(file), None, str(error))
        return image, segmenter.segment(image)

    with Export(out, exported, min_confidence=min_confidence, copy_pictures=copy_pictures) as export:
        own = _AnswerFiles(segmenter, files, out, evidence) if ANSWER in write else None
        progress.start(len(files))
        for place, (file, result) in enumerate(zip(files, map_ahead(answer, files, workers), strict=True)):
            progress.advance()
            if isinstance(result, Rejection):
                rejected.append(result)
                continue
            image, segmentation = result
            if own is not None:
                own.add(place, image, segmentation)
            try:
                export.add(Answered(file, segmentation.shape, segmentation))
            except ImageError as error:  # it was there when it was segmented
                rejected.append(Rejection(str(file), None, str(error)))
        if own is not None:
            own.finish()
    return tuple(rejected)


class _AnswerFiles:
    """knnclip's own files of a run."""

    def __init__(self, segmenter: Segmenter, files: Sequence[Path], out: Path, evidence: bool) -> None:
        unique = UniqueNames()
        self._segmenter, self._files, self._out, self._evidence = segmenter, files, out, evidence
        self._names = [unique.of(file.stem) for file in files]
        self._classes = {info.class_id: info for info in segmenter.store.vocabulary()}
        self._images: list[Json] = []
        self._annotations: list[Json] = []

    def add(self, place: int, image: Image, segmentation: Segmentation) -> None:
        """Writes the answer for the file at a place."""
        name, out, vocabulary = self._names[place], self._out, segmentation.vocabulary
        # Another process may have changed the classes since the last image.
        self._classes.update((info.class_id, info) for info in vocabulary)
        write_png(out / "semantic" / f"{name}.png", segmentation.semantic)
        write_png(out / "panoptic" / f"{name}.png", panoptic_rgb(segmentation))
        write_png(out / "overlay" / f"{name}.png", overlay(image, segmentation, with_distinct_colors(vocabulary)))
        write_json(out / "segments" / f"{name}.json", [segment_json(segment) for segment in segmentation.segments])
        if self._evidence:
            _write_evidence(self._segmenter, image, segmentation, out / "evidence", name)
        height, width = segmentation.shape
        self._images.append({"id": place + 1, "file_name": str(self._files[place]), "width": width, "height": height})
        self._annotations.append(panoptic_annotation(segmentation, place + 1, f"{name}.png"))

    def finish(self) -> None:
        """Writes the list of all."""
        classes = categories(self._classes.values())
        write_json(
            self._out / "panoptic.json",
            {"images": self._images, "annotations": self._annotations, "categories": classes},
        )


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and the images of folders by name; ``UsageError`` for a folder without images."""
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        if not inside:
            raise UsageError(f"folder {path} holds no image; images end with {', '.join(sorted(IMAGE_SUFFIXES))}")
        files += inside
    return files


def panoptic_rgb(segmentation: Segmentation) -> Image:
    """COCO's panoptic picture: each named segment's id as R + 256 G + 65536 B; 0 for unknown."""
    return ids_as_rgb(_named_ids(segmentation))


def panoptic_annotation(segmentation: Segmentation, image_id: int, file_name: str) -> Json:
    """The entry of one image in a COCO panoptic file; it lists exactly the segments of ``panoptic_rgb``."""
    named = [segment for segment in segmentation.segments if segment.class_id != UNKNOWN]
    return {"image_id": image_id, "file_name": file_name, "segments_info": segments_info(named)}


def _named_ids(segmentation: Segmentation) -> Int32:
    table = np.zeros(len(segmentation.segments) + 1, dtype=np.int32)
    for segment in segmentation.segments:
        if segment.class_id != UNKNOWN:
            table[segment.segment_id] = segment.segment_id
    return table[segmentation.panoptic]


def _write_evidence(segmenter: Segmenter, image: Image, segmentation: Segmentation, folder: Path, name: str) -> None:
    largest = sorted(segmentation.segments, key=lambda segment: -segment.mask.area)[:EVIDENCE_SHEETS]
    for segment in largest:
        thumbnails = segmenter.store.thumbnails({item.image_ref for item in segment.evidence})
        write_png(folder / f"{name}.{segment.segment_id}.png", evidence_sheet(image, segment, thumbnails))
