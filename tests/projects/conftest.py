import pytest

from knnclip.projects import Project

from .samples import half, open_segmenter, write_folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "pictures", 6)


@pytest.fixture
def segmenter(tmp_path):
    with open_segmenter(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def project(segmenter, folder):
    with Project.open(segmenter, folder) as opened:
        yield opened


@pytest.fixture
def taught(project):
    """The project with two classes, all its pictures answered."""
    analysis = project.analysis(project.pictures()[0].picture_id)
    project.segmenter.teach(analysis, half(top=True), "grass")
    project.segmenter.teach(analysis, half(top=False), "soil")
    project.start()
    project.wait()
    return project
