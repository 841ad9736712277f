"""A store behind the service's door, asked without a network between."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image as Pil
from starlette.testclient import TestClient

from knnclip.datasets import open_dataset
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter
from knnclip.service.app import build
from knnclip.service.engine import Engine
from knnclip.service.hosts import Hosts
from knnclip.service.limits import Limits

TOKEN = "the-token"


@pytest.fixture(scope="session")
def taught_store(tmp_path_factory, sample_data):
    """A store of the sample's first pictures."""
    path = tmp_path_factory.mktemp("service") / "store"
    with Segmenter.open(path, "builtin") as segmenter:
        dataset = open_dataset(sample_data / "train")
        ingest(segmenter, dataset, dataset.samples[:4], IngestSettings())
    return path


@pytest.fixture
def segmenter(tmp_path, taught_store):
    """A segmenter over a store of its own."""
    with Segmenter.open(shutil.copytree(taught_store, tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def client_of(segmenter):
    """Makes clients that bring the token."""

    engines = []

    def client(*, read_only=None, token=TOKEN, headers=None, more_routes=(), **limits):
        engine = Engine(segmenter, limits=Limits(**{"per_minute": 1e6} | limits), read_only=read_only)
        engines.append(engine)
        app = build(engine, hosts=Hosts.serving("127.0.0.1"), token=token, more_routes=more_routes)
        brought = {"Authorization": f"Bearer {token}"} if headers is None else headers
        return TestClient(app, base_url="http://127.0.0.1:8000", headers=brought, client=("127.0.0.1", 5))

    yield client
    for engine in engines:
        engine.close()


@pytest.fixture
def client(client_of):
    return client_of()


@pytest.fixture(scope="session")
def picture(sample_data):
    """A file of a picture that the store has not seen, as bytes."""
    return next(iter(sorted((sample_data / "val" / "images").iterdir()))).read_bytes()


def png(height, width, color=0):
    """A picture file of one colour."""
    buffer = io.BytesIO()
    Pil.fromarray(np.full((height, width, 3), color, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
