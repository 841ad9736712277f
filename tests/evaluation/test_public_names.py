"""What ``knnclip.evaluation`` offers is there, and importing it is light."""

import subprocess
import sys

import pytest

import knnclip.evaluation


@pytest.mark.parametrize("name", knnclip.evaluation.__all__)
def test_a_name_is_what_it_says(name):
    assert getattr(knnclip.evaluation, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = knnclip.evaluation.nothing_of_that_name


def test_importing_it_imports_nothing_heavy():
    code = "import sys, knnclip.evaluation; print(sorted({'numpy', 'torch', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
