"""Every reader on a tiny tree of its real layout, with each trap in it; and on real data where it is."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import detect_format, open_dataset
from knnclip.datasets.base import IGNORED
from knnclip.errors import DatasetError, ImageError, InputError, UsageError

H, W = 40, 60


def put_image(path, shape=(H, W)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(np.zeros((*shape, 3), np.uint8)).save(path)


def put_labels(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(labels.astype(np.uint8)).save(path)


@pytest.fixture
def masks_root(tmp_path):
    (tmp_path / "classes.txt").write_text("# comment\n0 sky 1 2 3\n3 traffic cone thing # trailing\n7 void 0 0 0\n")
    labels = np.zeros((H, W))
    labels[10:20, 5:15] = 3
    labels[10:20, 30:40] = 3
    labels[0:2, 0:2] = 3  # 4 px: too small
    labels[30:, :] = 7
    put_image(tmp_path / "part" / "images" / "a.jpg")
    put_labels(tmp_path / "part" / "labels" / "a.png", labels)
    return tmp_path / "part"


def test_index_masks(masks_root):
    dataset = open_dataset(masks_root)
    assert (dataset.format, dataset.class_names) == ("masks", ("sky", "traffic cone"))
    assert [(label.is_thing, label.color) for label in dataset.classes] == [(False, (1, 2, 3)), (True, None)]
    labelled = dataset.load(dataset.samples[0])
    assert sorted((item.class_name, item.mask.area) for item in labelled.instances) == [
        ("sky", 30 * W - 204),
        ("traffic cone", 100),
        ("traffic cone", 100),
    ]
    assert (labelled.label_map[30:] == IGNORED).all()
    assert labelled.label_map[15, 10] == 1


@pytest.mark.parametrize("ignore", ["sky", "0"])
def test_ignored_classes_are_neither_listed_nor_labelled(masks_root, ignore):
    dataset = open_dataset(masks_root, ignore=[ignore])
    assert dataset.class_names == ("traffic cone",)
    assert dataset.load(dataset.samples[0]).label_map[5, 50] == IGNORED


def test_an_index_that_is_not_listed_names_file_and_index(masks_root):
    put_labels(masks_root / "labels" / "a.png", np.full((H, W), 9))
    dataset = open_dataset(masks_root)
    with pytest.raises(DatasetError, match=r"a\.png: index 9 is not in the list of classes"):
        dataset.load(dataset.samples[0])


def test_a_mask_of_another_size_and_a_missing_mask_name_the_file(masks_root):
    dataset = open_dataset(masks_root)
    put_labels(masks_root / "labels" / "a.png", np.zeros((H, W + 1)))
    with pytest.raises(DatasetError, match=r"a\.png: the labels are for 61x40 px, the image has 60x40 px"):
        dataset.load(dataset.samples[0])
    (masks_root / "labels" / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png"):
        dataset.load(dataset.samples[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky\n", "line 1: expected"),
        ("0 a\n\n0 b\n", "line 3: .* twice"),
        ("0 a\n1 a\n", "twice"),
        ("0 void\n", "no class"),
    ],
)
def test_wrong_class_lists_name_the_line(masks_root, text, message):
    (masks_root.parent / "classes.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset(masks_root)


SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]


@pytest.fixture
def coco(tmp_path):
    put_image(tmp_path / "images" / "a.jpg")
    runs = {"size": [H, W], "counts": [0, 400, H * W - 400]}  # the first ten columns

    def write(annotations, images=({"id": 1, "file_name": "a.jpg"},), text=None):
        content = {
            "images": list(images),
            "categories": [{"id": 5, "name": "cat"}, {"id": 90, "name": "dog"}],
            "annotations": [{"id": i, "image_id": 1, "category_id": 5} | a for i, a in enumerate(annotations)],
        }
        (tmp_path / "instances.json").write_text(json.dumps(content) if text is None else text)
        return tmp_path

    write.runs = runs
    return write


def load_first(root):
    dataset = open_dataset(root)
    return dataset.load(dataset.samples[0])


def test_coco_polygons_run_lengths_and_crowds(coco):
    compressed = {"size": [H, W], "counts": "0P<j[1"}
    from pycocotools import mask as tool

    compressed["counts"] = tool.frPyObjects(coco.runs, H, W)["counts"].decode()
    labelled = load_first(
        coco(
            [
                {"segmentation": [SQUARE], "category_id": 90},
                {"segmentation": coco.runs},
                {"segmentation": compressed, "iscrowd": 1},
            ]
        )
    )
    assert labelled.rejected == ()
    assert [(i.class_name, i.mask.area, i.is_crowd) for i in labelled.instances] == [
        ("dog", 100, False),
        ("cat", 400, False),
        ("cat", 400, True),
    ]
    assert labelled.label_map[15, 15] == 1
    assert labelled.label_map[35, 50] == IGNORED  # nobody said what is there


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"segmentation": [SQUARE], "category_id": 6}, "category 6 is not in categories"),
        ({"segmentation": [[1, 1, 2, 2]]}, "three points"),
        ({"segmentation": [[100, 100, 120, 100, 120, 120]]}, "image of 60x40 px"),
        ({"segmentation": [[5e6, 5e6, 6e6, 5e6, 6e6, 6e6]]}, "outside the image"),
        ({"segmentation": [[float("nan")] * 6]}, "not finite"),
        ({"segmentation": []}, "no polygon"),
        ({"segmentation": {"size": [H + 1, W], "counts": [1]}}, "the mask is for 60x41 px"),
        ({"segmentation": {"size": [H, W], "counts": [5, 5]}}, "do not add up"),
        ({"segmentation": {"size": [H, W], "counts": [H * W]}}, "empty"),
        ({"segmentation": None}, "neither polygons nor run lengths"),
        ({}, "neither polygons nor run lengths"),
    ],
)
def test_broken_coco_annotations_are_rejected_and_the_others_stand(coco, annotation, reason):
    labelled = load_first(coco([annotation, {"segmentation": [SQUARE]}]))
    assert [i.class_name for i in labelled.instances] == ["cat"]
    (rejection,) = labelled.rejected
    assert reason in rejection.reason
    assert rejection.place == "annotation 0"
    assert rejection.file.endswith("instances.json")


def test_missing_images_and_stray_annotations_are_rejected_on_opening(coco):
    root = coco([{"image_id": 7}], images=({"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}))
    assert sorted(item.place for item in open_dataset(root).rejected) == ["annotation at 0", "image 2"]


def test_image_paths_out_of_the_folder_are_missing(coco, tmp_path):
    put_image(tmp_path.parent / "outside.jpg")
    root = coco([], images=({"id": 1, "file_name": "../outside.jpg"},))
    assert open_dataset(root).samples == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "line 1 column 2: is not JSON"), ("[]", "is not COCO instances"), ('{"images": []}', "categories")],
)
def test_a_file_that_is_not_coco_is_an_error(coco, text, message):
    with pytest.raises(InputError, match=message):
        open_dataset(coco([], text=text))


@pytest.fixture
def yolo(tmp_path):
    def write(lines, names="cat\ndog\n", listing="classes.txt"):
        put_image(tmp_path / "images" / "a.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / "a.txt").write_text("\n".join(lines))
        (tmp_path / listing).write_text(names)
        return tmp_path

    return write


def test_yolo_polygons(yolo):
    labelled = load_first(yolo(["1 0.5 0.5 0.75 0.5 0.75 0.75 0.5 0.75", ""]))
    (item,) = labelled.instances
    assert (item.class_name, item.mask.area) == ("dog", 150)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1 0.1", "a box, not a polygon"),
        ("2 0 0 1 0 1 1", "class is unknown"),
        ("-1 0 0 1 0 1 1", "negative"),
        ("0 0 x 1 0 1 1", "cannot be read"),
        ("0 0 0 1 0 1", "three points"),
    ],
)
def test_broken_yolo_lines_are_rejected_with_their_number(yolo, line, reason):
    labelled = load_first(yolo(["0 0 0 1 0 1 1", line]))
    assert len(labelled.instances) == 1
    assert labelled.rejected[0].place == "line 2"
    assert reason in labelled.rejected[0].reason


def test_an_image_without_label_file_has_no_instances(yolo):
    root = yolo(["0 0 0 1 0 1 1"])
    put_image(root / "images" / "b.jpg")
    dataset = open_dataset(root)
    assert dataset.load(dataset.samples[1]).instances == ()


@pytest.mark.parametrize(
    "names", ["names: [cat, 'dog']\n", "names:\n  0: cat\n  1: dog\n", "path: x\nnames:\n- cat\n- dog\nnc: 2\n"]
)
def test_yolo_names_from_yaml(yolo, names):
    assert open_dataset(yolo(["0 0 0 1 0 1 1"], names, "data.yaml")).class_names == ("cat", "dog")


def test_yolo_names_in_quotes_may_hold_anything(yolo):
    names = "names:\n  0: \"a \\\"b\\\": # c\\n\\u6771\"  # the first\n  1: 'it''s: d'\n"
    assert open_dataset(yolo(["0 0 0 1 0 1 1"], names, "data.yaml")).class_names == ('a "b": # c\n東', "it's: d")


def test_format_is_recognised_or_the_expected_trees_are_named(masks_root, tmp_path):
    assert detect_format(masks_root) == "masks"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"it holds nothing\. Expected images/"):
        detect_format(tmp_path / "empty")
    for name in "abcdefgh":
        (tmp_path / "empty" / f"{name}.mp4").touch()
    with pytest.raises(DatasetError, match=r"it holds a\.mp4, .*, f\.mp4 and 2 more"):
        detect_format(tmp_path / "empty")
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="did you mean 'masks'"):
        open_dataset(masks_root, "mask")


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("masks", "labels", "has no labels/ with a PNG"),
        ("masks", "images", "images holds no images"),
        ("masks", "classes.txt", "has no classes.txt"),
        ("yolo", "labels", "has no labels/ with a text file"),
        ("yolo", "images", "images holds no images"),
        ("yolo", "classes.txt", "has neither classes.txt nor"),
    ],
)
def test_a_wrong_tree_names_what_is_missing(tmp_path, name, missing, message):
    root = tmp_path / "inside" / "set"
    if missing != "images":
        put_image(root / "images" / "a.jpg")
    if missing != "labels":
        put_labels(root / "labels" / "a.png", np.zeros((H, W)))
    if missing != "classes.txt":
        (root / "classes.txt").write_text("0 sky\n")
    with pytest.raises(DatasetError, match=message):
        open_dataset(root, name)


def test_sample_data_is_the_same_every_time(sample_data, tmp_path):
    from knnclip.datasets.sample_data import write_sample_data

    write_sample_data(tmp_path / "again")
    files = sorted(file.relative_to(sample_data) for file in sample_data.rglob("*") if file.is_file())
    assert len(files) == 65
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (sample_data / file).read_bytes()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").touch()
    with pytest.raises(DatasetError, match="not empty"):
        write_sample_data(tmp_path / "mine")


def test_real_camvid(shared_data):
    dataset = open_dataset(shared_data / "camvid" / "val")
    assert (len(dataset.samples), len(dataset.classes)) == (101, 11)
    labelled = dataset.load(dataset.samples[0])
    assert labelled.label_map.shape == (360, 480)
    assert set(np.unique(labelled.label_map)) <= set(range(-1, 11))


def test_real_coco_and_yolo_agree(shared_data):
    root = shared_data / "coco128_seg"
    coco, yolo = open_dataset(root), open_dataset(root, "yolo")
    assert (coco.format, len(coco.samples), coco.class_names) == ("coco", 96, yolo.class_names)
    for a, b in list(zip(coco.samples, yolo.samples, strict=True))[:10]:
        first, second = coco.load(a), yolo.load(b)
        assert first.rejected == second.rejected == ()
        assert (first.label_map == second.label_map).mean() > 0.999
