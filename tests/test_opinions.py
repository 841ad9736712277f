"""What a state of the store believes: what it calls unknown, and by which of its parts."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.opinions import beliefs_of
from knnclip.presets import PRESETS
from knnclip.store import Store
from knnclip.store.moments import fold_of
from knnclip.structures import Cells, Fingerprint, Float32, ImageReference, LabelledInstance, Mask

DIM = 12
WHERE = Mask.from_dense(np.eye(8))


@dataclass(frozen=True, eq=False)
class Masks:
    embeddings: Float32
    descriptions: Float32 | None = None
    cells: Cells | None = None


def seen(signs, count, rng):
    """``(count, DIM)``: much is the same in all classes, ``signs`` are faint, the rest is loud and of no class."""
    rows = np.zeros((count, DIM))
    rows[:, 0] = 1
    rows[:, 1:4] = 0.25 * np.array(signs)
    rows[:, 1:4] += 0.01 * rng.normal(size=(count, 3))
    loud = rng.normal(size=(count, DIM - 4))
    rows[:, 4:] = 0.6 * loud / np.linalg.norm(loud, axis=1, keepdims=True)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def street(tmp_path):
    """A store of two classes, 30 images with four instances of each."""
    rng = np.random.default_rng(0)
    with Store.create(tmp_path / "s", Fingerprint("faint", "w", "p", DIM)) as store:
        rows = {"road": seen((1, 0, 0), 120, rng), "wall": seen((0, 1, 0), 120, rng)}
        instances = [
            LabelledInstance(vector, name, ImageReference(f"{i // 4}.jpg", 8, 8), WHERE)
            for name, vectors in rows.items()
            for i, vector in enumerate(vectors)
        ]
        store.add(instances, store.begin_source("ingest", "street"))
        yield store


def named(store, embeddings, weight):
    """How much each mask is believed to be of a class at all."""
    preset = replace(PRESETS["light"], discriminant=DiscriminantSettings(weight, 0))
    with store.view() as view:
        neighbors = view.search(embeddings, preset.vote.k)
        (beliefs,) = beliefs_of(view, neighbors, Masks(embeddings), None, [preset])
    return beliefs.final.sum(axis=1)


def test_what_is_near_but_not_where_the_classes_lie_is_unknown(street):
    rng = np.random.default_rng(1)
    known, foreign = seen((1, 0, 0), 40, rng), seen((0, 0, 1), 40, rng)
    assert np.mean(named(street, known, 0.5) > 0.5) > 0.9
    assert np.mean(named(street, foreign, 0.5) > 0.5) < 0.1
    # By nearness alone it goes by another name.
    assert np.mean(named(street, foreign, 0) > 0.5) > 0.5


def test_what_is_of_another_world_is_unknown_with_and_without_a_discriminant(street):
    away = np.eye(DIM, dtype=np.float32)[4:]
    for weight in (0, 0.5):
        assert (named(street, away, weight) < 0.1).all()


def test_a_store_that_has_nothing_to_leave_out_names_by_nearness(street):
    """Images of one fold, of which no discriminant is without."""
    fold = fold_of("0.jpg")
    rows = [row for row in street.labelled(source_id=1).values() if fold_of(row.image.ref) == fold]
    rows = [row for row in rows if row.class_name == "road"]
    foreign = seen((0, 0, 1), 5, np.random.default_rng(1))
    assert len({row.image.ref for row in rows}) > 1
    with Store.create(street.path.parent / "one", street.fingerprint) as one:
        one.add(rows, one.begin_source("ingest", "one image"))
        np.testing.assert_allclose(named(one, foreign, 0.5), named(one, foreign, 0), rtol=1e-5)


def test_only_who_has_a_discriminant_pays_for_the_level_of_its_energy(street, monkeypatch):
    monkeypatch.setattr("knnclip.store.view.of_a_fold", lambda index: pytest.fail("asked"))
    named(street, np.eye(DIM, dtype=np.float32), 0)
