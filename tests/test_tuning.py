"""A store that chooses for itself: kept, used, undone, and no trace of what came and went."""

from dataclasses import replace

import numpy as np
import pytest

from knnclip.catalogue import FrozenParts
from knnclip.errors import StoreError
from knnclip.presets import preset_by_name
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import Fingerprint, ImageReference, LabelledInstance, Mask
from knnclip.tuning import LEAST_INSTANCES, find_tuning, is_due, tune_store, tuned

from .progress import Listener

DIM = 8
FINGERPRINT = Fingerprint("test", "v1", "none", DIM)
SHAPE = (16, 16)


class Encoder:
    """Gives each mask the vector that stands in the image's first pixels."""

    fingerprint = FINGERPRINT

    def encode(self, image, masks):
        vector = image.reshape(-1)[:DIM].astype(np.float32) - 128
        return np.stack([vector / np.linalg.norm(vector)] * len(masks))


def instances(seed, count, images=40, noise=1.6):
    """Of two classes that neighbours mix up and a line parts: a discriminant should have more to say."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        owner = i % 2
        vector = rng.normal(size=DIM) * noise
        vector[0] = 0.6 if owner else -0.6
        vector /= np.linalg.norm(vector)
        mask = Mask.from_dense(rng.random(SHAPE) < 0.5)
        yield LabelledInstance(vector, f"class {owner}", ImageReference(f"{seed}_{i % images:03d}.png", 16, 16), mask)


def add(store, seed, count):
    source = store.begin_source("ingest", "drawn")
    store.add(list(instances(seed, count)), source)
    return source


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "s", FINGERPRINT, settings={"preset": "builtin"}) as opened:
        add(opened, 0, 400)
        yield opened


@pytest.fixture
def segmenter(store):
    parts = FrozenParts(None, None, Encoder(), None)
    return Segmenter(store, preset_by_name("builtin"), parts, owns_store=False)


def answer(segmenter):
    image = np.random.default_rng(5).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    rows = [Mask.from_dense(np.arange(16)[:, None] // 4 * np.ones(SHAPE) == part) for part in range(4)]
    return segmenter.label(segmenter.analyse(image, masks=rows)).confidence.tobytes()


def test_it_is_found_kept_and_used_by_whoever_opens_the_store(store, segmenter):
    fixed, before = segmenter.preset, answer(segmenter)
    progress = Listener()
    found = segmenter.tune("masks", progress)
    assert found.gain > found.error > 0
    assert (found.instances, found.aim, found.generation) == (400, "masks", store.generation - 1)
    assert progress.started == (progress.items, 0)
    assert segmenter.preset == tuned(fixed, found.values) != fixed
    assert answer(segmenter) != before
    untuned = Segmenter(store, fixed, FrozenParts(None, None, Encoder(), None), owns_store=False, untuned=True)
    assert untuned.preset == fixed
    assert answer(untuned) == before
    store.tunings.drop()
    assert answer(segmenter) == before


def test_it_is_a_function_of_the_rows_the_aim_and_the_preset(tmp_path, store):
    preset = preset_by_name("builtin")
    with store.view() as view:
        first = find_tuning(view.leaving(), preset)
    with Store.create(tmp_path / "t", FINGERPRINT) as other:
        known = list(instances(0, 400))
        order = np.random.default_rng(1).permutation(400).tolist()
        other.add([known[i] for i in order], other.begin_source("ingest", "in another order"))
        with other.view() as view:
            second = find_tuning(view.leaving(), preset)
    assert (first.values, first.gain, first.error) == (second.values, second.gain, second.error)


def test_tuning_again_begins_with_the_preset_not_with_what_was_found(store, segmenter):
    assert replace(segmenter.tune(), generation=0) == replace(segmenter.tune(), generation=0)


def test_what_is_added_tuned_and_forgotten_leaves_the_answers_as_they_were(store, segmenter):
    segmenter.tune()
    before = answer(segmenter)
    source = add(store, 1, 500)
    assert is_due(store)
    found = segmenter.tune()
    store.tunings.keep(replace(found, values=found.values | {"tau": 1.0, "sharpness": 0.01}))
    assert answer(segmenter) != before
    store.forget(source_id=source)
    assert answer(segmenter) == before


def test_when_a_store_is_due(tmp_path, store):
    assert is_due(store), "never tuned"
    tune_store(store)
    assert not is_due(store)
    add(store, 1, 399)
    assert not is_due(store)
    add(store, 2, 1)
    assert is_due(store)
    store.tunings.drop()
    assert not is_due(store), "nobody wants that"
    with Store.create(tmp_path / "small", FINGERPRINT) as small:
        add(small, 3, LEAST_INSTANCES - 1)
        assert not is_due(small)


def test_a_view_holds_what_held_when_it_began(store, segmenter):
    image = np.full((*SHAPE, 3), 200, dtype=np.uint8)
    analysis = segmenter.analyse(image, masks=[Mask.from_dense(np.ones(SHAPE))])
    with store.view() as view:
        before = segmenter.label(analysis, view).confidence.tobytes()
        segmenter.tune()
        assert segmenter.label(analysis, view).confidence.tobytes() == before


def test_what_was_forgotten_meanwhile_is_not_tuned_to(store):
    with pytest.raises(StoreError, match="forgotten while it was tuned"):
        tune_store(store, progress=Listener(lambda: len(store) == 400 and store.forget(class_name="class 0")))
    assert store.tunings.newest() is None


def test_a_store_without_instances_keeps_the_settings_of_its_preset(tmp_path):
    with Store.create(tmp_path / "empty", FINGERPRINT, settings={"preset": "light"}) as empty:
        found = tune_store(empty)
        assert tuned(preset_by_name("light"), found.values) == preset_by_name("light")
