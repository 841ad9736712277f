"""Prediction files against truth files: anybody's results, no model needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from knnclip.errors import DatasetError, InputError
from knnclip.fields import Fields
from knnclip.files import read_json
from knnclip.images import MAX_INDEX, ids_from_rgb, read_image, read_index_map
from knnclip.metrics.instances import InstanceScores, score_instances
from knnclip.metrics.panoptic import PanopticQuality, SegmentCounts, segment_counts, segment_infos
from knnclip.metrics.semantic import PixelCounts, SemanticConfusion, count_pixels
from knnclip.parallel import map_ahead
from knnclip.progress import SILENT, Progress


def score_semantic_files(
    prediction_dir: Path,
    truth_dir: Path,
    class_names: Mapping[int, str],
    ignore: Collection[int] = (),
    *,
    workers: int = 2,
    progress: Progress = SILENT,
) -> SemanticConfusion:
    """Counts a folder of predicted index PNGs against one of true ones; ``compute()`` of the result has the scores.

    Each file of ``truth_dir`` needs one of its name and size in ``prediction_dir``. ``class_names`` are the classes by
    their index in the files; indices in ``ignore`` are not scored. An index of the prediction that is no class is an
    unknown answer, hence a miss; in the truth it is a ``DatasetError``, as is a file that is missing or unreadable.
    ``workers`` files are read at once.
    """
    confusion = SemanticConfusion(list(class_names.values()))
    indices = list(class_names)
    if wrong := [index for index in indices if not 0 <= index <= MAX_INDEX]:
        raise DatasetError(f"an index is 0 to {MAX_INDEX}, found {wrong[0]}; check the list of classes")
    files = _images(truth_dir)
    progress.start(len(files))

    def count(truth_file: Path) -> PixelCounts:
        prediction_file = prediction_dir / truth_file.name
        if not prediction_file.is_file():
            raise DatasetError(f"{prediction_file} does not exist; each file of {truth_dir} needs one of its name")
        truth, prediction = read_index_map(truth_file), read_index_map(prediction_file)
        if truth.shape != prediction.shape:
            raise DatasetError(f"{prediction_file}: has shape {prediction.shape}, the truth {truth.shape}")
        for value in set(np.unique(truth).tolist()) - set(indices) - set(ignore):
            raise DatasetError(f"{truth_file}: index {value} is neither a class nor ignored; pass it with --ignore")
        table = np.full(MAX_INDEX + 1, -1, dtype=np.int32)
        table[indices] = np.arange(len(indices))
        true_table = table.copy()
        true_table[[index for index in ignore if 0 <= index <= MAX_INDEX]] = -1
        return count_pixels(true_table[truth], table[prediction], len(indices))

    for found in map_ahead(count, files, workers):
        confusion.add(found)
        progress.advance()
    return confusion


def score_panoptic_files(
    prediction_json: Path,
    prediction_dir: Path,
    truth_json: Path,
    truth_dir: Path,
    *,
    workers: int = 2,
    progress: Progress = SILENT,
) -> PanopticQuality:
    """Counts a COCO panoptic result against its truth; ``compute()`` of what comes back has PQ, SQ and RQ.

    Both are a JSON file and the folder of its PNGs. ``DatasetError`` if an image of the truth has no prediction, or if
    a file is not in the format. ``workers`` images are read at once.
    """
    truth, prediction = (
        Fields.of(read_json(file), f"{file} is not a COCO panoptic JSON") for file in (truth_json, prediction_json)
    )
    categories = _entries(truth, "categories", truth_json)
    column = {category.whole("id"): i for i, category in enumerate(categories)}
    if len(column) < len(categories):
        raise DatasetError(f"{truth_json}: two categories have the same id; give each its own")
    things = [not category.has("isthing") or category.flag("isthing") for category in categories]
    quality = PanopticQuality([category.name("name") for category in categories], things)
    annotations = _entries(truth, "annotations", truth_json)
    predicted = {entry.ident("image_id"): entry for entry in _entries(prediction, "annotations", prediction_json)}
    progress.start(len(annotations))

    def count(annotation: Fields) -> SegmentCounts:
        image_id = annotation.ident("image_id")
        if image_id not in predicted:
            raise DatasetError(f"{prediction_json}: has no prediction for image {image_id}")
        answer = predicted[image_id]
        try:
            return segment_counts(
                ids_from_rgb(read_image(truth_dir / annotation.text("file_name"))),
                segment_infos(annotation.items("segments_info"), column),
                ids_from_rgb(read_image(prediction_dir / answer.text("file_name"))),
                segment_infos(answer.items("segments_info"), column),
                len(categories),
            )
        except InputError as error:
            raise InputError(f"image {image_id}: {error}") from error

    for found in map_ahead(count, annotations, workers):
        quality.add(found)
        progress.advance()
    return quality


def score_instance_files(prediction_json: Path, truth_json: Path) -> InstanceScores:
    """AP of a COCO results JSON with masks, as ``segmentation`` run lengths or polygons, on a COCO instances JSON.

    ``DatasetError`` if one of them is not in the format, or a result is of an image that the truth does not have.
    """
    results = read_json(prediction_json)
    if not isinstance(results, list):
        raise DatasetError(f"{prediction_json}: is no list; expected COCO results")
    truth = read_json(truth_json)
    if not isinstance(truth, dict):
        raise DatasetError(f"{truth_json}: is no object; expected the JSON of a COCO instances set")
    return score_instances(truth, results)


def _images(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.png")) if folder.is_dir() else []
    if not files:
        raise DatasetError(f"{folder} holds no PNG files; expected one index image a picture")
    return files


def _entries(content: Fields, key: str, file: Path) -> list[Fields]:
    return [Fields.of(entry, f"{file}, {key} at {place}") for place, entry in enumerate(content.items(key))]
