"""Sets of Hugging Face: written to a folder by the package itself, read back."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import detect_format, open_dataset
from knnclip.errors import DatasetError, ImageError, UsageError
from tests.datasets.test_published import blocks

H, W = 40, 60
package = pytest.importorskip("datasets")


def png(pixels):
    buffer = io.BytesIO()
    Pil.fromarray(pixels).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


PICTURE = png(np.zeros((H, W, 3), np.uint8))
STRIPES = blocks(0, 1, 2, 255)


def table(masks, picture="image", mask="annotation", **more):
    columns = {picture: [PICTURE] * len(masks), mask: masks} | {key: values for key, (values, _) in more.items()}
    features = {picture: package.Image(), mask: package.Image()} | {key: kind for key, (_, kind) in more.items()}
    return package.Dataset.from_dict(columns, features=package.Features(features))


def saved(folder, content):
    content.save_to_disk(str(folder))
    return f"hf:{folder}"


def stripes(dataset):
    labelled = dataset.load(dataset.samples[0])
    return [dataset.class_names[i] if i >= 0 else None for i in labelled.label_map[0, ::15]]


ENCODED = {
    "8 bits": png(STRIPES.astype(np.uint8)),
    "16 bits": png(STRIPES.astype(np.uint16)),
    "grey in colours": png(np.stack([STRIPES] * 3, axis=-1).astype(np.uint8)),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_names_beside_the_data(tmp_path, encoding):
    name = saved(tmp_path / "set", table([ENCODED[encoding]] * 2))
    (tmp_path / "set" / "id2label.json").write_text(json.dumps({"0": "sky", "1": "road", "2": "car"}))
    dataset = open_dataset(name)
    assert (dataset.format, dataset.class_names, dataset.has_instances) == ("hf", ("sky", "road", "car"), False)
    assert [sample.ref for sample in dataset.samples] == ["000000", "000001"]
    assert stripes(dataset) == ["sky", "road", "car", None]
    assert stripes(open_dataset(name, ignore=["sky"])) == [None, "road", "car", None]


def test_names_from_lists_of_class_labels_but_not_from_the_class_of_a_picture(tmp_path):
    scene = package.ClassLabel(names=["street", "kitchen"])
    mask = ENCODED["8 bits"]
    listed = package.Sequence(package.ClassLabel(names=["sky", "road", "car"]))
    with_list = table([mask], scene=([1], scene), present=([[0, 1, 2]], listed))
    assert open_dataset(saved(tmp_path / "a", with_list)).class_names == ("sky", "road", "car")
    without = table([mask], scene=([1], scene))
    assert open_dataset(saved(tmp_path / "b", without)).class_names == ("class 1", "class 2")


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0, 1, 2, 255), [None, "class 1", "class 2", None]), ((0, 255, 0, 255), [None, "class 255"] * 2)],
)
def test_without_names_the_masks_are_looked_at(tmp_path, values, expected):
    assert stripes(open_dataset(saved(tmp_path / "set", table([png(blocks(*values).astype(np.uint8))])))) == expected


def test_splits_and_columns(tmp_path):
    mask = ENCODED["8 bits"]
    splits = {"train": table([mask] * 2, "pixels", "labels"), "validation": table([mask], "pixels", "labels")}
    name = saved(tmp_path / "set", package.DatasetDict(splits))
    with pytest.raises(UsageError, match=r"has the splits train, validation; choose one with ,split="):
        open_dataset(name)
    with pytest.raises(UsageError, match="did you mean 'validation'"):
        open_dataset(f"{name},split=validatio")
    dataset = open_dataset(f"{name},split=validation,mask=labels,image=pixels")
    assert [sample.ref for sample in dataset.samples] == ["validation/000000"]
    assert stripes(dataset) == [None, "class 1", "class 2", None]
    with pytest.raises(DatasetError, match="has no class"):
        open_dataset(f"{name},split=train,image=labels")  # the other column is the masks then, and they are black
    with pytest.raises(UsageError, match="unknown column of images"):
        open_dataset(f"{name},split=train,mask=label")
    with pytest.raises(UsageError, match=r"'colour=x' is not one of split="):
        open_dataset(f"{name},colour=x")


def test_a_name_that_is_there_twice_is_an_error(tmp_path):
    name = saved(tmp_path / "set", table([ENCODED["8 bits"]]))
    (tmp_path / "set" / "id2label.json").write_text(json.dumps({"0": "sky", "1": "car", "2": "car"}))
    with pytest.raises(DatasetError, match="two indices have the same name"):
        open_dataset(name)


def test_a_set_without_masks_is_an_error(tmp_path):
    only = package.Dataset.from_dict({"image": [PICTURE]}, features=package.Features({"image": package.Image()}))
    with pytest.raises(DatasetError, match="has not a column of images and one of masks; it has image"):
        open_dataset(saved(tmp_path / "set", only))


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ({"bytes": b"x", "path": None}, ImageError, "annotation of .*000001"),
        (png(np.zeros((H, W + 1), np.uint8)), DatasetError, "the labels are for 61x40 px"),
        (png(np.random.default_rng(0).integers(0, 256, (H, W, 3)).astype(np.uint8)), ImageError, "one index a pixel"),
        (png(np.full((H, W), 9, np.uint8)), DatasetError, "index 9 is not in the list"),
        (None, DatasetError, "the cell is empty"),
    ],
)
def test_a_broken_row_is_an_error_of_its_own(tmp_path, mask, error, message):
    name = saved(tmp_path / "set", table([ENCODED["8 bits"], mask]))
    (tmp_path / "set" / "id2label.json").write_text(json.dumps({"1": "road", "2": "car"}))
    dataset = open_dataset(name)
    assert stripes(dataset) == [None, "road", "car", None]
    with pytest.raises(error, match=message):
        dataset.load(dataset.samples[1])


def test_a_saved_folder_says_how_to_pass_it(tmp_path):
    saved(tmp_path / "set", table([ENCODED["8 bits"]]))
    with pytest.raises(DatasetError, match=r"is a data set of Hugging Face; pass it as hf:"):
        detect_format(tmp_path / "set")


def test_a_set_of_the_hub_and_its_names(tmp_path, monkeypatch):
    """The package is asked for the set, the hub for the file of names."""
    names = tmp_path / "id2label.json"
    names.write_text(json.dumps({"0": "sky", "1": "road", "2": "car"}))
    asked = []
    splits = package.DatasetDict({"train": table([ENCODED["8 bits"]])})
    monkeypatch.setattr(package, "load_dataset", lambda name: asked.append(name) or splits)
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda name, file, repo_type: asked.append((name, file, repo_type)) or names
    )
    assert stripes(open_dataset("hf:some/set")) == ["sky", "road", "car", None]
    assert asked == ["some/set", ("some/set", "id2label.json", "dataset")]


def test_a_set_that_cannot_be_loaded_is_an_error(monkeypatch):
    def fail(name):
        raise ConnectionError("no network")

    monkeypatch.setattr(package, "load_dataset", fail)
    with pytest.raises(DatasetError, match=r"hf:some/set cannot be loaded \(no network\)"):
        open_dataset("hf:some/set")


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"needs the package datasets, .*pip install 'knnclip\[hf\]'"):
        open_dataset("hf:some/set")
