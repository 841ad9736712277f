"""Parts with a cache give what they gave, without being asked again."""

from dataclasses import replace

import numpy as np
import pytest

from knnclip.catalogue import cached, make_parts
from knnclip.evaluation.splits import scratch_segmenter
from knnclip.parts.cached import masks_digest
from knnclip.presets import preset_by_name
from knnclip.structures import Mask
from tests.end_to_end.command import ingest, run


class Counted:
    """A part that counts how often it works."""

    def __init__(self, part):
        self.part, self.calls = part, 0

    def __getattr__(self, name):
        return getattr(self.part, name)

    def generate(self, image):
        self.calls += 1
        return self.part.generate(image)

    def encode(self, image, masks):
        self.calls += 1
        return self.part.encode(image, masks)


class Names:
    """A classifier that counts, and describes a mask by its area."""

    name, calls = "names", 0

    def describe(self, image, masks):
        self.calls += 1
        return np.array([[mask.area] for mask in masks], np.float32).reshape(-1, 1)

    def classify(self, descriptions, vocabulary):
        return np.full((len(descriptions), len(vocabulary)), 0.5 / max(len(vocabulary), 1), np.float32)


@pytest.fixture
def parts():
    made = make_parts(preset_by_name("builtin"), "cpu")
    return replace(made, generator=Counted(made.generator), encoder=Counted(made.encoder), classifier=Names())


def same(one, other):
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    np.testing.assert_array_equal(one.descriptions, other.descriptions)
    np.testing.assert_array_equal(one.proposals.scores, other.proposals.scores)
    assert [mask.box_xyxy for mask in one.proposals.masks] == [mask.box_xyxy for mask in other.proposals.masks]
    assert all((a.crop == b.crop).all() for a, b in zip(one.proposals.masks, other.proposals.masks, strict=True))


def analysed(parts, image, masks=None):
    with scratch_segmenter(preset_by_name("builtin"), parts) as segmenter:
        analysis = segmenter.analyse(image, masks=masks)
    assert analysis.descriptions is not None
    return analysis


def test_the_second_time_costs_nothing_and_gives_the_same_to_the_bit(parts, tmp_path, rng):
    image = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    plain = analysed(parts, image)
    kept = cached(parts, preset_by_name("builtin"), tmp_path)
    first, again = analysed(kept, image), analysed(kept, image)
    same(plain, first)
    same(first, again)
    assert (parts.generator.calls, parts.encoder.calls, parts.classifier.calls) == (2, 2, 2)
    other = image.copy()
    other[0, 0] ^= 1
    analysed(kept, other)
    assert parts.generator.calls == 3
    mask = Mask.from_dense(np.ones(image.shape[:2], bool))
    analysed(kept, image, [mask])
    assert (parts.generator.calls, parts.encoder.calls) == (3, 4)


def test_no_masks_are_kept_too(parts, tmp_path):
    kept = cached(parts, preset_by_name("builtin"), tmp_path)
    image = np.zeros((20, 20, 3), np.uint8)
    for _ in range(2):
        assert len(analysed(kept, image, []).embeddings) == 0


def test_a_damaged_file_is_made_again(parts, tmp_path):
    kept = cached(parts, preset_by_name("builtin"), tmp_path)
    image = np.full((30, 40, 3), 90, np.uint8)
    first = analysed(kept, image)
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:40])
    same(first, analysed(kept, image))
    assert parts.generator.calls == 2
    same(first, analysed(kept, image))
    assert parts.generator.calls == 2


def test_masks_that_differ_have_another_digest():
    dense = np.zeros((9, 9), bool)
    dense[2:5, 2:5] = True
    one = Mask.from_dense(dense)
    dense[3, 3] = False
    holed, moved = Mask.from_dense(dense), Mask.from_dense(np.roll(dense, 1, axis=0))
    assert len({masks_digest(masks) for masks in ([], [one], [holed], [moved], [one, holed], [holed, one])}) == 6


def test_the_commands_share_a_cache(sample_data, tmp_path):
    ingest(sample_data / "train", "--store", tmp_path / "s", "--images", "train_00*")
    options = ("--store", tmp_path / "s", "--images", "val_00[0-2]*", "--cache", tmp_path / "cache")
    first = run("evaluate", sample_data / "val", *options)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.npz")}
    assert len(files) == 6
    again = run("evaluate", sample_data / "val", *options, "--compare", "fused,k=4+8")
    assert first.stdout.splitlines()[-1] in again.stdout
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.npz")} == files
    sets = (sample_data / "train", sample_data / "val", "--cache", tmp_path / "cache")
    run("shots", *sets, "--shots", "all", "--seeds", 1, "--preset", "builtin")
    more = len(list((tmp_path / "cache").rglob("*.npz")))
    run("continual", *sets, "--steps", 1, "--seeds", 1, "--preset", "builtin")
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == more > 6
