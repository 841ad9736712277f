"""What is known of an image is worked out when it is needed, once, and by one forward pass."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from knnclip.analysis import LabelledMask
from knnclip.catalogue import make_parts
from knnclip.datasets import open_dataset
from knnclip.evaluation import judge_images
from knnclip.evaluation.splits import scratch_segmenter
from knnclip.ingest import IngestSettings, ingest
from knnclip.networks.recent import Recent
from knnclip.parallel import map_ahead
from knnclip.presets import preset_by_name
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask

PRESET = preset_by_name("builtin")


class OneNetwork:
    """A generator, encoder and classifier by one forward pass an image, remembered as networks do."""

    name = "one network"

    def __init__(self):
        self.parts = make_parts(PRESET, "cpu")
        self.fingerprint = self.parts.encoder.fingerprint
        self.forwards, self.described, self.lock = 0, 0, threading.Lock()
        self.seen = Recent(self.forward)

    def forward(self, image):
        with self.lock:
            self.forwards += 1
        return image

    def generate(self, image):
        return self.parts.generator.generate(self.seen(image))

    def encode(self, image, masks):
        return self.parts.encoder.encode(self.seen(image), masks)

    def describe(self, image, masks):
        with self.lock:
            self.described += 1
        return np.full((len(masks), 1), self.seen(image).mean(), np.float32)

    def classify(self, descriptions, vocabulary):
        return np.full((len(descriptions), len(vocabulary)), 0.5 / max(len(vocabulary), 1), np.float32)


@pytest.fixture
def network():
    return OneNetwork()


@pytest.fixture
def segmenter(network):
    parts = replace(network.parts, generator=network, encoder=network, classifier=network)
    with scratch_segmenter(PRESET, parts) as segmenter:
        yield segmenter


@pytest.fixture
def val(sample_data):
    return open_dataset(sample_data / "val")


def test_segmenting_makes_no_thumbnail_and_hashes_no_pixels(segmenter, val, monkeypatch):
    def unasked(*given):
        raise AssertionError("nobody asked for it")

    image = val.load(val.samples[0]).image
    for name in ("encode_thumbnail", "pixel_digest"):
        monkeypatch.setattr(f"knnclip.analysis.{name}", unasked)
    segmenter.segment(image)
    segmenter.segment(val.samples[0].image_path)


def test_what_is_stored_of_an_image_has_its_name_size_and_thumbnail(segmenter, val):
    image = val.load(val.samples[0]).image
    names = [
        segmenter.analyse(given, ref=ref).reference.ref
        for given, ref in ((image, None), (val.samples[0].image_path, None), (image, "a name"))
    ]
    assert names[0].startswith("sha256:")
    assert names[1:] == [str(val.samples[0].image_path), "a name"]
    analysis = segmenter.analyse(image)
    assert analysis.reference is analysis.reference
    assert (analysis.reference.height_px, analysis.reference.width_px) == image.shape[:2]
    assert analysis.reference.thumbnail.startswith(b"\xff\xd8")


def test_an_ingest_describes_nothing(segmenter, network, val):
    report = ingest(segmenter, val, val.samples[:3], IngestSettings())
    assert report.instances > 0
    assert network.described == 0


def test_labelling_again_describes_nothing_again(segmenter, network, val):
    analysis = segmenter.analyse(val.load(val.samples[0]).image)
    assert network.described == 0
    segmenter.label(analysis)
    segmenter.label(analysis)
    segmenter.teach(analysis, analysis.proposals.masks[0], "a class")
    segmenter.label(analysis)
    assert network.described == 1
    assert network.forwards == 1


def test_without_a_classifier_there_are_no_descriptions(tmp_path, val):
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        assert segmenter.analyse(val.load(val.samples[0]).image).descriptions is None


@pytest.mark.parametrize("workers", [1, 2])
def test_one_network_works_once_an_image_however_many_are_under_way(segmenter, network, val, workers):
    samples = list(val.samples[:8])
    for _ in map_ahead(lambda sample: segmenter.segment(sample.image_path), samples, workers):
        pass
    assert network.forwards == len(samples)
    for _ in judge_images(segmenter, val, samples, workers=workers):
        pass
    assert network.forwards == 2 * len(samples)


def test_who_analyses_ahead_of_labelling_asks_for_descriptions_there(segmenter, network, val):
    def analysed(sample):
        analysis = segmenter.analyse(sample.image_path)
        return analysis, analysis.descriptions

    samples = list(val.samples[:8])
    for analysis, _ in list(map_ahead(analysed, samples, 2)):
        segmenter.label(analysis)
    assert (network.forwards, network.described) == (len(samples), len(samples))


def test_instances_are_made_of_labelled_masks_in_their_order(segmenter, network, val):
    labelled = val.load(val.samples[0])
    analysis = segmenter.analyse(labelled.image)
    own = analysis.proposals.masks[:2]
    drawn = Mask.from_dense(np.eye(*labelled.image.shape[:2], dtype=bool))
    asked = [LabelledMask(own[1], "b", 0.75, "proposal"), LabelledMask(drawn, "a"), LabelledMask(own[0], "c")]
    made = segmenter.instances_of(analysis, asked)
    assert [(item.class_name, item.purity, item.origin) for item in made] == [
        ("b", 0.75, "proposal"), ("a", 1.0, "truth"), ("c", 1.0, "truth"),
    ]  # fmt: skip
    expected = segmenter.encoder.encode(labelled.image, [item.mask for item in asked])
    np.testing.assert_array_equal(np.stack([item.embedding for item in made]), expected)
    assert {item.image.ref for item in made} == {analysis.reference.ref}
    assert segmenter.instances_of(analysis, []) == []


def test_objects_work_things_out_at_the_same_time(segmenter, val, monkeypatch):
    """Not one after the other, as by a lock that all objects share."""
    both = threading.Barrier(2, timeout=20)

    def waiting(image, masks):
        both.wait()
        return np.zeros((len(masks), 1), np.float32)

    monkeypatch.setattr(segmenter.classifier, "describe", waiting)
    analyses = [segmenter.analyse(val.load(sample).image) for sample in val.samples[:2]]
    for described in map_ahead(lambda analysis: analysis.descriptions, analyses, 2):
        assert described.shape[1] == 1
