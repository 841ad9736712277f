"""Prediction files against truth files: anybody's results, no model needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError, InputError
from knnclip.files import read_json
from knnclip.images import ids_from_rgb, read_image, read_index_map
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
    files = _images(truth_dir)
    progress.start(len(files))

    def count(truth_file: Path) -> PixelCounts:
        prediction_file = prediction_dir / truth_file.name
        if not prediction_file.is_file():
            raise DatasetError(f"{prediction_file} does not exist; each file of {truth_dir} needs one of its name")
        truth, prediction = _index_map(truth_file), _index_map(prediction_file)
        if truth.shape != prediction.shape:
            raise DatasetError(f"{prediction_file}: has shape {prediction.shape}, the truth {truth.shape}")
        for value in set(np.unique(truth).tolist()) - set(indices) - set(ignore):
            raise DatasetError(f"{truth_file}: index {value} is neither a class nor ignored; pass it with --ignore")
        table = np.full(int(max(truth.max(), prediction.max(), *indices)) + 1, -1, dtype=np.int32)
        table[indices] = np.arange(len(indices))
        true = np.where(np.isin(truth, list(ignore)), -1, table[truth]).astype(np.int32)
        return count_pixels(true, table[prediction], len(indices))

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
    truth, prediction = read_json(truth_json), read_json(prediction_json)
    categories = _entry(truth, "categories", truth_json)
    column = {int(category["id"]): i for i, category in enumerate(categories)}
    quality = PanopticQuality([str(c["name"]) for c in categories], [bool(c.get("isthing", 1)) for c in categories])
    predicted = {
        annotation.get("image_id"): annotation for annotation in _entry(prediction, "annotations", prediction_json)
    }
    annotations = _entry(truth, "annotations", truth_json)
    progress.start(len(annotations))

    def count(annotation: dict[str, Any]) -> SegmentCounts:
        if "image_id" not in annotation:
            raise DatasetError(f"{truth_json}: an annotation has no 'image_id'; expected a COCO panoptic JSON")
        if annotation["image_id"] not in predicted:
            raise DatasetError(f"{prediction_json}: has no prediction for image {annotation['image_id']}")
        answer = predicted[annotation["image_id"]]
        try:
            return segment_counts(
                ids_from_rgb(read_image(truth_dir / annotation["file_name"])),
                segment_infos(annotation["segments_info"], column),
                ids_from_rgb(read_image(prediction_dir / answer["file_name"])),
                segment_infos(answer["segments_info"], column),
                len(categories),
            )
        except InputError as error:
            raise InputError(f"image {annotation['image_id']}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"image {annotation['image_id']}: not as in a COCO panoptic JSON ({error!r})") from error

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
    return score_instances(read_json(truth_json), results)


def _images(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.png")) if folder.is_dir() else []
    if not files:
        raise DatasetError(f"{folder} holds no PNG files; expected one index image a picture")
    return files


def _index_map(file: Path) -> NDArray[np.int64]:
    return read_index_map(file).astype(np.int64)


def _entry(content: Any, key: str, file: Path) -> list[dict[str, Any]]:  # noqa: ANN401
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
        raise DatasetError(f"{file}: has no list {key!r}; expected a COCO panoptic JSON")
    found: list[dict[str, Any]] = content[key]
    return found
