"""Sets of detectron2's catalog. Where detectron2 is not here a stand-in gives what its catalog would."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import DatasetError, UsageError


class Metadata(dict):
    """As detectron2's, ``get`` with a default."""


@pytest.fixture
def catalog(monkeypatch, tmp_path):
    """A registry with an instance set and a semantic one of the same two images."""
    rng = np.random.default_rng(0)
    semantic, instance = [], []
    for number in range(2):
        image, labels = tmp_path / f"{number}.png", tmp_path / f"{number}_labels.png"
        Pil.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(image)
        values = np.full((40, 60), 255, np.uint8)
        values[:20], values[20:, :30], values[30:, 40:] = 0, 2, 1
        Pil.fromarray(values).save(labels)
        semantic.append({"file_name": str(image), "sem_seg_file_name": str(labels)})
        polygon = {"segmentation": [[2, 2, 30, 2, 30, 25, 2, 25]], "category_id": 1}
        broken = {"segmentation": [[2, 2]], "category_id": 0}
        instance.append({"file_name": str(image), "annotations": [polygon, broken]})
    sets = {"roads": semantic, "things": instance, "empty": []}
    names = {"roads": {"stuff_classes": ["sky", "car", "road"], "thing_classes": ["car"]},
             "things": {"thing_classes": ["dog", "car"]}, "empty": {}}  # fmt: skip

    class Catalog(dict):
        def get(self, name):
            return self[name]

    module = ModuleType("detectron2.data")
    module.DatasetCatalog = Catalog(sets)
    module.MetadataCatalog = SimpleNamespace(get=lambda name: Metadata(names[name]))
    monkeypatch.setitem(sys.modules, "detectron2", ModuleType("detectron2"))
    monkeypatch.setitem(sys.modules, "detectron2.data", module)


def test_without_detectron2_the_error_says_how_to_get_it():
    if "detectron2" in sys.modules:
        pytest.skip("detectron2 is here")
    with pytest.raises(UsageError, match=r"detectron2:roads needs detectron2, .*detectron2.readthedocs.io/.*install"):
        open_dataset("detectron2:roads")


def test_a_semantic_set(catalog):
    dataset = open_dataset("detectron2:roads")
    assert dataset.class_names == ("sky", "car", "road")
    assert [label.is_thing for label in dataset.classes] == [False, True, False]
    labelled = dataset.load(dataset.samples[1])
    assert labelled.label_map[0, 0] == 0
    assert labelled.label_map[25, 5] == 2
    assert labelled.label_map[25, 35] == -1, "255 is void"
    assert sorted(item.class_name for item in labelled.instances) == ["car", "road", "sky"]


def test_a_class_that_is_ignored_is_void(catalog):
    dataset = open_dataset("detectron2:roads", ignore=["sky"])
    assert dataset.class_names == ("car", "road")
    assert dataset.load(dataset.samples[0]).label_map[0, 0] == -1


def test_an_instance_set(catalog):
    dataset = open_dataset("detectron2:things")
    labelled = dataset.load(dataset.samples[0])
    assert [item.class_name for item in labelled.instances] == ["car"]
    assert labelled.label_map[10, 10] == 1
    assert labelled.label_map[39, 59] == -1
    assert [rejection.place for rejection in labelled.rejected] == ["annotation 1"]


def test_what_is_not_registered_is_an_error(catalog):
    with pytest.raises(UsageError, match="unknown data set of detectron2 'road'; did you mean 'roads'"):
        open_dataset("detectron2:road")
    with pytest.raises(DatasetError, match="has no images"):
        open_dataset("detectron2:empty")
