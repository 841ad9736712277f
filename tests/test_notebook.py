"""The notebook of the documentation, its cells run one after the other as Jupyter does, without Jupyter."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "knnclip.ipynb"


def run_cell(source, names):
    """The value of a cell's last line if that is an expression, as Jupyter shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What each cell shows."""
    names = {}
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    patch = pytest.MonkeyPatch()
    patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("notebook")))
    try:
        return [run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]
    finally:
        patch.undo()
        if "segmenter" in names:
            names["segmenter"].close()


def test_every_cell_runs_and_shows_what_the_text_says(shown):
    _, answer, (shape, masks, classes), annotations, files, folders, forgotten = shown
    assert "<img" in answer._repr_html_()
    assert shape == answer.shape == masks[1:]
    assert classes == ["road", "sky"]
    assert annotations
    assert {"answer.png", "answer.json", "answer.csv", "labelme/val_001.json", "labelme/val_001.png"} <= {*files}
    assert folders == ["answer.csv", "answer.json", "answer.png", "coco", "labelme", "yolo"]
    assert forgotten > 0


def test_it_is_kept_without_results():
    """Results would change with every run, and in every commit."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
