"""Files of results."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.ingest import IngestSettings, ingest
from knnclip.output.writing import image_files, panoptic_annotation, panoptic_rgb, segment_files
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Mask, Segment, Segmentation
from knnclip.vocabulary import Vocabulary
from tests.progress import Listener


def test_folders_stand_for_the_images_in_them(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    alone = tmp_path / "notes.txt"
    assert image_files([tmp_path, alone]) == [tmp_path / "a.JPG", tmp_path / "b.png", alone]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no image"):
        image_files([tmp_path / "empty"])


def test_the_panoptic_picture_and_its_list_agree():
    panoptic = np.zeros((4, 1000), np.int32)
    panoptic[0], panoptic[1], panoptic[2] = 1, 70_000, 2
    named = {1: 5, 2: UNKNOWN, 70_000: 300}
    segments = [
        Segment(i, named.get(i, UNKNOWN), "x", True, 0.5, "retrieval", Mask.from_dense(panoptic == i), (), ())
        if i in named
        else Segment(i, UNKNOWN, None, True, 0.5, "unknown", Mask.from_dense(np.ones((4, 1000))), (), ())
        for i in range(1, 70_001)
    ]
    segmentation = Segmentation(
        panoptic, panoptic, np.ones(panoptic.shape, np.float32), tuple(segments), Vocabulary(())
    )
    rgb = panoptic_rgb(segmentation).astype(int)
    ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    assert ids[:, 0].tolist() == [1, 70_000, 0, 0]
    infos = panoptic_annotation(segmentation, 7, "x.png")["segments_info"]
    assert [(info["id"], info["category_id"], info["area"]) for info in infos] == [(1, 5, 1000), (70_000, 300, 1000)]
    assert infos[1]["bbox"] == [0, 1, 1000, 1]


def test_class_ids_beyond_255_are_written_whole(tmp_path, sample_data):
    image = next((sample_data / "val" / "images").iterdir())
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        for i in range(300):
            segmenter.store.add_class(f"class {i}")
        segmenter.teach(image, (0, 0, 320, 60), "../<sky>")
        class_id = segmenter.store.vocabulary().by_name("../<sky>").class_id
        assert segment_files(segmenter, [image], tmp_path / "out") == ()
    semantic = np.asarray(Pil.open(tmp_path / "out" / "semantic" / f"{image.stem}.png"))
    assert class_id > 255
    assert class_id in semantic
    written = json.loads((tmp_path / "out" / "segments" / f"{image.stem}.json").read_text())
    assert "../<sky>" in {segment["class"] for segment in written}
    assert {"id": class_id, "name": "../<sky>"}.items() <= json.loads((tmp_path / "out" / "panoptic.json").read_text())[
        "categories"
    ][-1].items()


def test_other_formats_lie_in_folders_of_their_names(tmp_path, sample_data):
    data = open_dataset(sample_data / "train")
    files = [sample.image_path for sample in data.samples[:2]]
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, data, data.samples[:2], IngestSettings())
        assert segment_files(segmenter, files, tmp_path / "out", write=["csv", "masks"]) == ()
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["csv", "masks"]
        written = open_dataset(tmp_path / "out" / "masks")
        for sample, file in zip(written.samples, files, strict=True):
            answer = segmenter.segment(file).semantic
            values = np.array([*written.values, UNKNOWN])[written.load(sample).label_map]
            assert (values == answer).all()
        with pytest.raises(UsageError, match=r"unknown format 'mask'; did you mean 'masks'\?.*answer, coco"):
            segment_files(segmenter, files, tmp_path / "out2", write=["answer", "mask"])
        assert not (tmp_path / "out2").exists()


def test_a_picture_that_goes_while_it_is_segmented_is_rejected(tmp_path, sample_data):
    file = tmp_path / "a.png"
    file.write_bytes(next((sample_data / "val" / "images").iterdir()).read_bytes())
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        leaves = Listener(file.unlink)
        (rejection,) = segment_files(segmenter, [file], tmp_path / "out", write=["coco"], progress=leaves)
    assert "cannot be read" in rejection.reason


def test_a_class_that_is_taught_meanwhile_is_drawn_and_listed(tmp_path, sample_data):
    val, masks = open_dataset(sample_data / "val"), open_dataset(sample_data / "train")
    files = [sample.image_path for sample in val.samples[:6]]
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, masks, masks.samples[:2], IngestSettings(only=("sky",)))
        teach = Listener(lambda: segmenter.teach(files[-1], (5, 200, 300, 235), "ground"))
        segment_files(segmenter, files, tmp_path / "out", workers=1, progress=teach)
    listed = json.loads((tmp_path / "out" / "panoptic.json").read_text())["categories"]
    assert [category["name"] for category in listed] == ["sky", "ground"]
