"""Evaluation by the published protocol: other names, and FC-CLIP alone by its own inference."""

import json
import re

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from typer.testing import CliRunner

from knnclip.cli import app
from knnclip.datasets import open_dataset
from knnclip.datasets.wording import Wording, wording_of
from knnclip.errors import UsageError
from knnclip.evaluation import Evaluation, evaluate, score_images
from knnclip.evaluation.protocols import AskedNames, open_zero_shot, worded
from knnclip.networks.fcclip.classification import ensemble, logits, seen_in_training
from knnclip.segmenter import Segmenter
from knnclip.vocabulary import ClassInfo, Vocabulary
from tests.datasets.test_published import blocks, context_png, voc_prepared
from tests.datasets.test_readers import put_image, put_labels
from tests.networks.fcclip import tiny


@pytest.fixture(scope="module")
def fcclip(tmp_path_factory):
    """A tiny checkpoint as a part; its texts are cached beside it."""
    folder = tmp_path_factory.mktemp("fcclip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        file, clip = tiny.write(folder, "convnext")
        yield f"fcclip:{file},clip={clip},short_px=64,long_px=96,min_area=1"


@pytest.fixture
def voc(tmp_path):
    voc_prepared(tmp_path / "voc")
    return open_dataset(tmp_path / "voc")


def test_classes_are_asked_for_by_the_names_of_the_set_that_they_meet():
    names = AskedNames(Wording("a test", (("tree", "trees"), ("tree", "wood"))), (("plant",), ("forest", "woods")))
    infos = [("forest", ()), ("plant", ("green",)), ("road", ("street",))]
    vocabulary = Vocabulary.of(ClassInfo(7 + i, name, True, (0, 0, 0), also) for i, (name, also) in enumerate(infos))
    asked = names.of(vocabulary)
    assert [(info.class_id, info.name, info.synonyms) for info in asked] == [
        (7, "tree", ("wood",)),
        (8, "tree", ("trees",)),
        (9, "road", ("street",)),
    ]


def test_the_base_of_a_store_goes_by_the_names(fcclip, voc, tmp_path):
    parts = {"masks": fcclip, "encoder": fcclip, "classifier": fcclip}
    with Segmenter.open(tmp_path / "s", "builtin", **parts, device="cpu") as segmenter:
        for label in voc.classes:
            segmenter.store.add_class(label.name, label.is_thing, label.synonyms)
        wording = wording_of(voc, "fcclip")
        asked = worded(segmenter, voc, wording)
        described = asked.analyse(voc.samples[0].image_path).descriptions
        vocabulary = segmenter.store.vocabulary()
        names = dict(zip(voc.class_names, wording.classes, strict=True))
        renamed = Vocabulary(
            tuple(ClassInfo(i.class_id, names[i.name][0], True, (0, 0, 0), names[i.name][1:]) for i in vocabulary)
        )
        base = asked.classifier.classify(described, vocabulary)
        assert np.array_equal(base, segmenter.classifier.classify(described, renamed))
        assert not np.array_equal(base, segmenter.classifier.classify(described, vocabulary))
        own, other = (Evaluation(each, voc, voc.samples).protocol()["names"] for each in (segmenter, asked))
        assert own == "the store's"
        assert other.startswith("fcclip, voc-21 (")
        segmenter.classifier = None
        with pytest.raises(UsageError, match="nobody to ask by names"):
            worded(segmenter, voc, wording)


@pytest.mark.parametrize("resize_scores", [False, True])
def test_fcclip_alone_is_the_originals_inference(fcclip, voc, tmp_path, resize_scores):
    """By the formulae: both classifiers over all queries, the ensemble, and the sum over soft masks."""
    wording = wording_of(voc, "fcclip")
    with open_zero_shot(fcclip, voc, tmp_path / "o", wording, device="cpu") as segmenter:
        assert segmenter.resize_scores, "FC-CLIP computed semantic results alone of VOC"
        segmenter.resize_scores = resize_scores
        image = np.random.default_rng(0).integers(0, 256, (60, 85, 3)).astype(np.uint8)
        answer = segmenter.segment(image)
        part, vocabulary = segmenter.model, segmenter.store.vocabulary()
        asked = dict(zip(voc.class_names, wording.classes, strict=True))
        names = [asked[info.name] for info in vocabulary]
        with torch.inference_mode():
            features = part._forward(image, exact=True)
            rows, synonyms = part._rows(names)
            inside = interpolate(features.masks[None], size=features.dense.shape[1:], mode="bilinear")[0] > 0
            pooled = part.network.trunk.embed(features.dense, inside)
            p = ensemble(
                logits(features.classes, rows, synonyms, part.network.class_head.logit_scale),
                logits(pooled, rows, synonyms, part.network.clip.logit_scale),
                seen_in_training(names, part.trained),
            )[:, :-1]
            full = interpolate(features.masks[None], size=features.padded, mode="bilinear")
            full = full[..., : features.unpadded[0], : features.unpadded[1]]
            if resize_scores:
                scores = torch.einsum("qc,qhw->chw", p, full[0].sigmoid())
                scores = interpolate(scores[None], size=(60, 85), mode="bilinear")[0]
            else:
                scores = torch.einsum("qc,qhw->chw", p, interpolate(full, size=(60, 85), mode="bilinear")[0].sigmoid())
        best, columns = scores.max(dim=0)
        wanted = vocabulary.class_ids[columns.numpy()]
        assert (answer.semantic == wanted).mean() > 0.999
        np.testing.assert_allclose(answer.confidence, best.clamp(max=1).numpy(), atol=1e-5)
        assert answer.semantic.min() > 0, "every pixel has a class"


def test_masks_are_resized_where_panoptic_results_were_computed(fcclip, tmp_path):
    context_png(tmp_path / "context")
    put_image(tmp_path / "ade" / "images" / "validation" / "a.jpg")
    put_labels(tmp_path / "ade" / "annotations" / "validation" / "a.png", blocks(0, 1, 2, 150))
    for name, wanted in (("ade", False), ("context", True)):
        dataset = open_dataset(tmp_path / name)
        with open_zero_shot(fcclip, dataset, tmp_path / f"o-{name}", device="cpu") as segmenter:
            assert segmenter.resize_scores is wanted


def test_a_zero_shot_evaluation_has_a_report_and_continues(fcclip, voc, tmp_path):
    folder = tmp_path / "o"
    scores = []
    for _ in range(2):
        with open_zero_shot(fcclip, voc, folder, wording_of(voc, "fcclip"), device="cpu") as segmenter:
            scores.append(evaluate(Evaluation(segmenter, voc, voc.samples), folder).scores.semantic)
    assert scores[0].miou == scores[1].miou
    protocol = json.loads((folder / "scores.json").read_text())["protocol"]
    assert protocol["preset"] == "zero-shot"
    assert re.fullmatch(r"fcclip, voc-21 \([0-9a-f]{12}\)", protocol["names"])
    with (
        open_zero_shot(fcclip, voc, folder, device="cpu") as segmenter,
        pytest.raises(UsageError, match="names"),
    ):
        score_images(Evaluation(segmenter, voc, voc.samples), folder)


def test_what_cannot_be_scored_alone_is_refused(fcclip, voc, tmp_path):
    with pytest.raises(UsageError, match="regions"):
        open_zero_shot("regions", voc, tmp_path / "o", device="cpu")
    with open_zero_shot(fcclip, voc, tmp_path / "o", device="cpu") as segmenter:
        masks = [next(iter(segmenter.generator.generate(np.zeros((40, 60, 3), np.uint8)).masks), None)]
        with pytest.raises(UsageError, match="takes no masks"):
            segmenter.analyse(np.zeros((40, 60, 3), np.uint8), masks=masks)
    smaller = open_dataset(voc.root, ignore=["background"])
    with pytest.raises(UsageError, match="has other classes"):
        open_zero_shot(fcclip, smaller, tmp_path / "o", device="cpu")


@pytest.mark.parametrize(
    "option", [("--compare", "base"), ("--masks", "oracle"), ("--min-area", "9"), ("--cache", "c"), ("--weights", "w")]
)
def test_options_that_would_change_nothing_are_refused(voc, option):
    done = CliRunner().invoke(app, ["evaluate", str(voc.root), "--zero-shot", "fcclip:f.pth", *option])
    assert isinstance(done.exception, UsageError)
    assert "change nothing; leave them out" in str(done.exception)
