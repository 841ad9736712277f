"""The same arrays through the libraries that others quote: torchmetrics, panopticapi and detectron2.

panopticapi and detectron2 are in no package registry; where they are not installed their tests are skipped, and what
they compute is checked against slow twins in the tests beside this one.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from knnclip.images import ids_as_rgb, ids_from_rgb
from knnclip.metrics.panoptic import PanopticQuality, SegmentInfo
from knnclip.metrics.score_files import score_panoptic_files
from knnclip.metrics.semantic import SemanticConfusion

CLASSES = 5
NAMES = tuple("abcde")


@st.composite
def semantic_images(draw):
    """Pairs of truth and answer, adversarial ones among them: void everywhere, absent classes, nothing answered."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = []
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        present = rng.choice(CLASSES, size=draw(st.integers(1, CLASSES)), replace=False)
        truth, answer = rng.choice(present, shape), rng.integers(0, CLASSES, shape)
        truth[rng.random(shape) < draw(st.sampled_from([0, 0.3, 1]))] = -1
        agree = rng.random(shape) < draw(st.sampled_from([0, 0.5, 1]))
        answer = np.where(agree & (truth >= 0), truth, answer)
        answer[rng.random(shape) < draw(st.sampled_from([0, 0.2, 1]))] = -1
        images.append((truth.astype(np.int32), answer.astype(np.int32)))
    return images


def confusion_of(images):
    confusion = SemanticConfusion(NAMES)
    for truth, answer in images:
        confusion.update(truth, answer)
    return confusion


@settings(deadline=None, max_examples=150)
@given(semantic_images())
def test_torchmetrics_on_what_was_answered(images):
    """Its confusion matrix has no unknown, so it is asked about the answered pixels alone."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    confusion = confusion_of(images)
    truth = np.concatenate([t.ravel() for t, _ in images])
    answer = np.concatenate([a.ravel() for _, a in images])
    asked = (truth >= 0) & (answer >= 0)
    if not asked.any():
        return
    confusion.matrix[:, -1] = 0
    scores = confusion.compute()
    said, true = torch.tensor(answer[asked]), torch.tensor(np.where(asked, truth, -1)[asked])
    each = functional.multiclass_jaccard_index(said, true, CLASSES, average="none").numpy()
    macro = float(functional.multiclass_jaccard_index(said, true, CLASSES, average="macro"))
    right = float(functional.multiclass_accuracy(said, true, CLASSES, average="micro"))
    weighted = float(functional.multiclass_jaccard_index(said, true, CLASSES, average="weighted"))
    np.testing.assert_allclose(np.nan_to_num([row.iou for row in scores.classes]), each, atol=1e-6)
    assert scores.miou == pytest.approx(macro, abs=1e-6)
    assert scores.pacc == pytest.approx(right, abs=1e-6)
    assert scores.fwiou == pytest.approx(weighted, abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(images=semantic_images())
def test_detectron2(images):
    """Its mIoU is ours of the answered pixels; its mACC and pACC too."""
    evaluation = pytest.importorskip("detectron2.evaluation.sem_seg_evaluation")
    evaluator = evaluation.SemSegEvaluator.__new__(evaluation.SemSegEvaluator)
    evaluator._num_classes, evaluator._class_names, evaluator._distributed = CLASSES, NAMES, False
    evaluator._compute_boundary_iou, evaluator._output_dir, evaluator._contiguous_id_to_dataset_id = False, None, None
    evaluator._ignore_label, evaluator._cpu_device = 255, "cpu"
    evaluator._logger = evaluation.logging.getLogger("quiet")
    evaluator.reset()
    torch = pytest.importorskip("torch")
    for number, (truth, answer) in enumerate(images):
        evaluator.input_file_to_gt_file = {str(number): truth}
        evaluator.sem_seg_loading_fn = lambda array, dtype: np.where(array < 0, 255, array).astype(dtype)
        said = torch.nn.functional.one_hot(torch.tensor(np.where(answer < 0, CLASSES, answer)).long(), CLASSES + 1)
        evaluator.encode_json_sem_seg = lambda *_: []
        evaluator.process([{"file_name": str(number)}], [{"sem_seg": said.permute(2, 0, 1)}])
    confusion = confusion_of(images)
    answered = confusion.matrix[:, :-1].sum()
    if not answered:
        return
    theirs = evaluator.evaluate()["sem_seg"]
    scores = confusion.compute()
    assert 100 * scores.miou_answered == pytest.approx(theirs["mIoU"])
    confusion.matrix[:, -1] = 0
    told = confusion.compute()
    assert 100 * told.macc == pytest.approx(theirs["mACC"])
    assert 100 * told.pacc == pytest.approx(theirs["pACC"])


@st.composite
def panoptic_images(draw):
    """Truth and answer as maps with their segments: void everywhere, one-pixel segments, empty answers, crowds."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = []
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(st.integers(2, 14)), draw(st.integers(2, 14))
        sides = []
        for crowds in (True, False):
            ids = rng.permutation(2**24 - 1)[: draw(st.integers(1, 6))] + 1
            coarse = rng.choice(np.append(ids, 0), (7, 7))
            field = coarse[np.ix_(np.arange(shape[0]) // 2, np.arange(shape[1]) // 2)]
            field[rng.integers(shape[0]), rng.integers(shape[1])] = ids[0]  # often a segment of one pixel
            field[rng.random(shape) < draw(st.sampled_from([0, 0.2, 1]))] = 0
            category = {int(i): int(rng.integers(CLASSES)) for i in np.unique(field) if i}
            crowd: dict[int, int] = {}  # panopticapi knows one crowd a class
            for i, c in category.items():
                if crowds and rng.random() < 0.3:
                    crowd.setdefault(c, i)
            sides.append((field, [SegmentInfo(i, c, crowd.get(c) == i) for i, c in category.items()]))
        if draw(st.booleans()):  # mostly the truth again, under other ids
            truth, segments = sides[0]
            moved = np.where(rng.random(shape) < 0.15, 0, truth)
            there = set(np.unique(moved).tolist())
            shift = {s.segment_id: n + 1 for n, s in enumerate(segments)}
            said = np.vectorize(lambda i, of=shift: of.get(int(i), 0), otypes=[int])(moved)
            sides[1] = said, [SegmentInfo(shift[s.segment_id], s.category) for s in segments if s.segment_id in there]
        images.append((*sides[0], *sides[1]))
    return images


def written(folder, images):
    """The images as panopticapi reads them."""
    categories = [{"id": c, "name": name, "isthing": c % 2} for c, name in enumerate(NAMES)]
    for side, kind in ((0, "truth"), (2, "said")):
        annotations = []
        for number, image in enumerate(images):
            (folder / kind).mkdir(exist_ok=True)
            Pil.fromarray(ids_as_rgb(image[side].astype(np.int32))).save(folder / kind / f"{number}.png")
            segments = [
                {"id": s.segment_id, "category_id": s.category, "iscrowd": int(s.is_crowd),
                 "area": int((image[side] == s.segment_id).sum())}
                for s in image[side + 1]
            ]  # fmt: skip
            annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
        (folder / f"{kind}.json").write_text(json.dumps({"categories": categories, "annotations": annotations}))
    return categories


def check_against_panopticapi(folder, categories, ours):
    theirs = pytest.importorskip("panopticapi.evaluation")
    truth, said = (json.loads((folder / f"{kind}.json").read_text())["annotations"] for kind in ("truth", "said"))
    by_id = {category["id"]: category for category in categories}
    stat = theirs.pq_compute_single_core(
        0, list(zip(truth, said, strict=True)), str(folder / "truth"), str(folder / "said"), by_id
    )
    if not ours.tp_fp_fn.any():
        return
    scores = ours.compute()
    for things, row in ((None, scores.all), (True, scores.things), (False, scores.stuff)):
        if not np.isnan(row.pq):
            found, _ = stat.pq_average(by_id, isthing=things)
            np.testing.assert_allclose([row.pq, row.sq, row.rq], [found[k] for k in ("pq", "sq", "rq")], atol=1e-9)
    _, each = stat.pq_average(by_id, isthing=None)
    for category, row in zip(categories, scores.classes, strict=True):
        assert np.nan_to_num(row.pq) == pytest.approx(each[category["id"]]["pq"], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(images=panoptic_images())
def test_panopticapi_on_random_images(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("panoptic")
    categories = written(folder, images)
    ours = score_panoptic_files(folder / "said.json", folder / "said", folder / "truth.json", folder / "truth")
    check_against_panopticapi(folder, categories, ours)


def distorted(kind, ids, segments, rng):
    """A version of a real truth that a network might have answered."""
    import cv2

    if kind == "same":
        return ids, segments
    if kind == "shuffled":  # ids and the order of the list say nothing
        new = dict(zip((s.segment_id for s in segments), (rng.permutation(len(segments)) + 1).tolist(), strict=True))
        said = np.vectorize(lambda i: new.get(int(i), 0), otypes=[np.int32])(ids)
        return said, [SegmentInfo(new[s.segment_id], s.category) for s in reversed(segments)]
    said = np.zeros_like(ids)  # every segment eroded by its own amount, a few of another class
    infos = []
    for segment in segments:
        size = int(rng.integers(1, 12))
        own = cv2.erode((ids == segment.segment_id).astype(np.uint8), np.ones((size, size), np.uint8)) > 0
        if own.any():
            said[own] = segment.segment_id
            category = segment.category if rng.random() < 0.8 else int(rng.integers(100))
            infos.append(SegmentInfo(segment.segment_id, category))
    return said, infos


@pytest.mark.parametrize("kind", ["same", "shuffled", "eroded"])
def test_panopticapi_on_its_own_sample(shared_data, tmp_path, kind, rng):
    folder = shared_data / "panoptic_sample"
    content = json.loads((folder / "panoptic_examples.json").read_text())
    column = {category["id"]: i for i, category in enumerate(content["categories"])}
    images = []
    for annotation in content["annotations"]:
        ids = ids_from_rgb(np.asarray(Pil.open(folder / "panoptic_examples" / annotation["file_name"])))
        segments = [
            SegmentInfo(s["id"], column[s["category_id"]], bool(s["iscrowd"])) for s in annotation["segments_info"]
        ]
        said, infos = distorted(kind, ids, segments, rng)
        images.append((ids, segments, said, [SegmentInfo(s.segment_id, s.category) for s in infos]))
    is_thing = [bool(category["isthing"]) for category in content["categories"]]
    ours = PanopticQuality([category["name"] for category in content["categories"]], is_thing)
    for image in images:
        ours.update(*image)
    expected = {"same": 1.0, "shuffled": 1.0}
    assert ours.compute().all.pq == expected[kind] if kind in expected else 0.05 < ours.compute().all.pq < 0.9
    written(tmp_path, images)
    categories = [
        {"id": i, "name": category["name"], "isthing": category["isthing"]}
        for i, category in enumerate(content["categories"])
    ]
    check_against_panopticapi(tmp_path, categories, ours)
