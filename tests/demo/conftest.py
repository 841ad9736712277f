"""The app without Gradio around it: sessions on stores of the sample."""

import shutil

import pytest

from demo.sample import make_sample
from demo.session import Options
from demo.sessions import Sessions


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The folder of the sample that the app begins with."""
    folder = tmp_path_factory.mktemp("sample-store")
    make_sample(folder, None, {})
    return folder


@pytest.fixture
def sessions_of(tmp_path, sample, monkeypatch):
    """Makes the sessions of an app that was started with options."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))
    made = []

    def sessions(**options):
        store = shutil.copytree(sample / "store", tmp_path / f"store{len(made)}")
        (tmp_path / f"scratch{len(made)}").mkdir()
        roots = (sample / "data",)
        made.append(Sessions(Options(store, data_roots=roots, **options), tmp_path / f"scratch{len(made)}"))
        return made[-1]

    yield sessions
    for one in made:
        one.close()
