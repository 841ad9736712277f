"""An ONNX semantic segmenter as generator and classifier: a tiny one that tells colours, and a real one."""

import numpy as np
import pytest

from knnclip.datasets import open_dataset
from knnclip.errors import UsageError, WeightsError
from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Mask
from tests.networks import tiny
from tests.networks.samples import vocabulary

LABELS = tiny.COLOURS


@pytest.fixture
def colours(tmp_path):
    return settings_of(*tiny.colours(tmp_path))


@pytest.fixture
def image():
    """Dark, with two red squares, one green and a tiny blue one."""
    picture = np.zeros((40, 60, 3), np.uint8)
    for channel, (y, x, size) in [(0, (2, 2, 12)), (0, (2, 40, 10)), (1, (20, 10, 14)), (2, (30, 50, 3))]:
        picture[y : y + size, x : x + size, channel] = 255
    return picture


def settings_of(model, labels, **options):
    return OnnxSettings(model, str(labels), **options)


def part(settings):
    return f"onnx:{settings.model},labels={settings.labels}"


def test_masks_are_the_connected_pieces_by_falling_score(colours, image):
    proposals = OnnxSegmenter(colours, "cpu").generate(image)
    assert {mask.box_xyxy for mask in proposals.masks} == {
        (0, 0, 60, 40),
        (2, 2, 14, 14),
        (40, 2, 50, 12),
        (10, 20, 24, 34),
    }  # fmt: skip - the blue one is too small
    assert (np.diff(proposals.scores) <= 0).all()
    few = OnnxSegmenter(OnnxSettings(colours.model, colours.labels, max_masks=2, min_area=1), "cpu").generate(image)
    assert len(few) == 2


def test_p_base_is_the_mean_softmax_over_the_mask(colours, image):
    made = OnnxSegmenter(colours, "cpu")
    masks = [Mask.from_dense(image[..., 0] > 0), Mask.from_dense(np.ones(image.shape[:2]))]
    base = made.classify(made.describe(image, masks), vocabulary("green", "red", "elephant"))
    logits = (image / 255 - 0.5) / 0.5 @ (10 * np.eye(3))
    logits = np.concatenate([np.full((*image.shape[:2], 1), -5.0), logits], axis=2)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    for row, mask in zip(base, masks, strict=True):
        np.testing.assert_allclose(row, [*mask.select(softmax).mean(axis=0)[[2, 1]], 0], atol=1e-5)
    assert base[0, 1] > 0.99


def test_a_background_that_is_a_class_is_none_of_these(colours, image):
    dark = Mask.from_dense(image.sum(axis=2) == 0)
    made = OnnxSegmenter(colours, "cpu")
    base = made.classify(made.describe(image, [dark]), vocabulary(*LABELS))
    assert base.sum() < 0.05


def test_one_forward_pass_for_both_roles(colours, image):
    made = OnnxSegmenter(colours, "cpu")
    runs = []
    session = made._session

    class Counting:
        def get_inputs(self):
            return session.get_inputs()

        def run(self, *arguments):
            runs.append(1)
            return session.run(*arguments)

    made._session = Counting()
    proposals = made.generate(image)
    made.describe(image, proposals.masks)
    assert len(runs) == 1
    made.describe(image.copy(), proposals.masks)
    assert len(runs) == 2


def test_files_that_do_not_fit_are_errors(colours, tmp_path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "colours.onnx").read_bytes()[:100])
    for settings, message in [
        (settings_of(colours.model, tmp_path / "two.txt"), "has 4 classes, .* names 2"),
        (OnnxSettings(tmp_path / "cut.onnx", colours.labels), "cannot be opened"),
        (OnnxSettings(tmp_path / "none.onnx", colours.labels), "does not exist"),
        (settings_of(colours.model, tmp_path / "none.txt"), "unknown file or class list .*none.txt.*coco-panoptic"),
    ]:
        with pytest.raises((UsageError, WeightsError), match=message):
            OnnxSegmenter(settings, "cpu")


def test_base_and_store_work_together(colours, image, tmp_path):
    text = part(colours)
    with Segmenter.open(tmp_path / "s", "builtin", masks=text, classifier=text, device="cpu") as segmenter:
        assert segmenter.classifier is segmenter.generator, "made once"
        for name in ("red", "green"):
            segmenter.store.add_class(name)
        red, green = (segmenter.store.vocabulary().by_name(name).class_id for name in ("red", "green"))
        result = segmenter.segment(image)
        assert result.semantic[5, 5] == red
        assert result.semantic[25, 15] == green
        assert result.semantic[38, 2] == UNKNOWN
        assert {s.decision for s in result.segments} == {"base", "unknown"}
        # What the base calls background is rescued by the store.
        segmenter.teach(image, image.sum(axis=2) == 0, "night")
        assert segmenter.segment(image).semantic[38, 2] == segmenter.store.vocabulary().by_name("night").class_id
        before = segmenter.segment(image).semantic
        assert before[5, 5] == red
    with Segmenter.open(tmp_path / "s", read_only=True) as segmenter:
        # The store remembers its parts.
        np.testing.assert_array_equal(segmenter.segment(image).semantic, before)


def test_limits_and_weights_leave_one_part_one(colours, tmp_path):
    text = part(colours)
    with Segmenter.open(
        tmp_path / "s", masks=text, classifier=text, max_masks=3, min_area=9, device="cpu"
    ) as segmenter:
        assert segmenter.classifier is segmenter.generator
        assert (segmenter.generator.settings.max_masks, segmenter.generator.settings.min_area) == (3, 9)
    with Segmenter.open(tmp_path / "s", max_masks=5, device="cpu", read_only=True) as segmenter:
        assert segmenter.classifier is segmenter.generator
        assert segmenter.generator.settings.max_masks == 5


def test_an_unknown_part_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="unknown classifier 'regions'"):
        Segmenter.open(tmp_path / "s", "builtin", classifier="regions")
    with pytest.raises(UsageError, match=r"onnx needs labels; write onnx:FILE,labels=NAMES\.txt"):
        Segmenter.open(tmp_path / "s", "builtin", masks="onnx:x.onnx")


def test_a_published_list_names_the_labels(tmp_path, image):
    network(tmp_path / "x.onnx", [1, 3, "h", "w"])
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    for labels, message in [
        ("voc-21", "has 3 classes, voc-21 names 21"),
        ("voc", "unknown file or class list 'voc'"),
    ]:
        with pytest.raises((UsageError, WeightsError), match=message):
            OnnxSegmenter(settings_of(tmp_path / "x.onnx", labels), "cpu").generate(image)


def test_a_real_network_by_a_published_list(shared_data):
    """The list has more names than the network's own file of labels; what that says stays as it was."""
    model = shared_data.parent / "models" / "deeplabv3_mnv2_pascal.onnx"
    by_list = OnnxSegmenter(settings_of(model, "voc-21", multiple=16, extra=1))
    by_file = OnnxSegmenter(settings_of(model, model.with_name(model.stem + "_labels.txt"), multiple=16, extra=1))
    assert len(by_list.labels) == len(by_file.labels) == 21
    row = np.arange(21, dtype=np.float32)[None] / 1000
    asked = vocabulary("potted plant", "buses", "cow", "TV monitor")
    np.testing.assert_array_equal(by_list.classify(row, asked), by_file.classify(row, asked))
    assert (by_list.classify(row, asked) > 0).all()


def test_a_real_network(shared_data):
    models = shared_data.parent / "models"
    files = [models / f"deeplabv3_mnv2_pascal{end}" for end in (".onnx", "_labels.txt")]
    settings = settings_of(*files, multiple=16, extra=1)
    made = OnnxSegmenter(settings, "cpu")
    names = [label[0] for label in made.labels if label]
    coco = open_dataset(shared_data / "coco128_seg")
    right = total = 0
    for sample in coco.samples[:30]:
        labelled = coco.load(sample)
        known = [item for item in labelled.instances if item.class_name in names and item.mask.area > 2000]
        if known:
            described = made.describe(labelled.image, [item.mask for item in known])
            best = made.classify(described, vocabulary(*names)).argmax(axis=1)
            right += sum(names[i] == item.class_name for i, item in zip(best, known, strict=True))
            total += len(known)
    assert total >= 10
    assert right / total > 0.7


def test_labels_may_have_synonyms_and_so_may_classes(colours, image, tmp_path):
    (tmp_path / "labels.txt").write_text("background\nred, crimson\ngreen\nblue\n")
    made = OnnxSegmenter(colours, "cpu")
    described = made.describe(image, [Mask.from_dense(image[..., 0] > 0)])
    assert made.classify(described, vocabulary("crimson"))[0, 0] > 0.99
    assert made.classify(described, vocabulary(("scarlet", "red")))[0, 0] > 0.99
    shared = made.classify(described, vocabulary("crimson", "red"))
    np.testing.assert_allclose(shared[0], 0.5, atol=1e-6)


def network(file, shape, *, inputs=1, flat=False, dtype="FLOAT", factor=2.0):
    from onnx import TensorProto, helper, numpy_helper, save

    kind = getattr(TensorProto, dtype)
    given = [helper.make_tensor_value_info(f"x{i}", kind, shape) for i in range(inputs)]
    nodes = [helper.make_node("Mul", ["x0", "factor"], ["inner" if flat else "logits"])]
    if flat:
        nodes.append(helper.make_node("Flatten", ["inner"], ["logits"]))
    constant = numpy_helper.from_array(np.array(factor, np.float32 if dtype == "FLOAT" else np.int64), "factor")
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("logits", kind, None)], [constant])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": [1, 3, 24, 32]}, "takes images of 32x24 px alone; export it with H and W free"),
        ({"shape": [3, "h", "w"]}, "expected one float input"),
        ({"shape": [1, 4, "h", "w"]}, "expected one float input"),
        ({"shape": [2, 3, "h", "w"]}, "expected one float input"),
        ({"shape": [1, 3, "h", "w"], "inputs": 2}, "has 2 inputs and 1 outputs"),
        ({"shape": [1, 3, "h", "w"], "dtype": "INT64"}, r"takes tensor\(int64\)"),
        ({"shape": [1, 3, "h", "w"], "flat": True}, r"gives .* expected (one float input|logits)"),
        ({"shape": [1, 3, "h", "w"], "factor": np.nan}, "logits that are not finite"),
    ],
)
def test_a_network_of_another_form_is_refused_in_one_line(tmp_path, image, options, message):
    network(tmp_path / "x.onnx", **options)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    with pytest.raises(WeightsError, match=message):
        OnnxSegmenter(settings_of(tmp_path / "x.onnx", tmp_path / "labels.txt"), "cpu").generate(image)


def test_sides_named_in_bytes_that_are_no_text_are_refused_in_one_line(tmp_path):
    file = tmp_path / "x.onnx"
    network(file, [1, 3, "height", "w"])
    file.write_bytes(file.read_bytes().replace(b"height", b"heigh\xc6"))
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    with pytest.raises(WeightsError, match="names its input or output in bytes that are no UTF-8"):
        OnnxSegmenter(settings_of(file, tmp_path / "labels.txt"), "cpu")
