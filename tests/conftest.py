"""What several tests share."""

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data():
    """Real images with ground truth, which are not part of the project."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip(f"real data is not here: {data} does not exist")
    return data


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory):
    """The sample data set, drawn once for a whole run of the tests in this process."""
    from knnclip.datasets.sample_data import write_sample_data

    root = tmp_path_factory.mktemp("sample")
    write_sample_data(root)
    return root


@pytest.fixture
def rng():
    return np.random.default_rng(0)
