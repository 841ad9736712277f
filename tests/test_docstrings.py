"""The examples in docstrings run, and come to what they say."""

import doctest
import importlib
import pkgutil

import pytest

import knnclip
from knnclip.datasets import open_dataset
from knnclip.images import write_png

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    {"knnclip", *(module.name for module in pkgutil.walk_packages(knnclip.__path__, "knnclip."))} - {"knnclip.__main__"}
)


@pytest.fixture
def desk(tmp_path, monkeypatch, sample_data):
    """A folder with two pictures of a street, as a reader of the examples would have it."""
    data = open_dataset(sample_data / "val")
    for name, sample in zip(("street.jpg", "next-street.jpg"), data.samples, strict=False):
        write_png(tmp_path / name, data.load(sample).image)  # what an image is does not depend on its name
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, request):
    module = importlib.import_module(name)
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    for test in examples:
        request.getfixturevalue("desk")
        found = []
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=found.append)
        assert not found, "".join(found)


def test_there_are_examples_where_people_begin():
    for name in ("knnclip", "knnclip.segmenter", "knnclip.store.store", "knnclip.store.view"):
        module = importlib.import_module(name)
        assert any(test.examples for test in doctest.DocTestFinder().find(module)), name
