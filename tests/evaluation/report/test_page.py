"""The page without a browser: its template is part of the package, damaged results are named."""

import json
import tomllib
from pathlib import Path

import pytest

from knnclip.errors import KnnclipError
from knnclip.evaluation.report import page, schema
from knnclip.evaluation.report.page import TEMPLATE, write_page
from knnclip.evaluation.report.schema import SHOTS
from knnclip.evaluation.shots import ALL
from knnclip.files import write_json

ROOT = Path(__file__).parents[3]


def test_the_template_is_packaged():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["knnclip"]
    packaged = {file for pattern in patterns for file in (ROOT / "knnclip").glob(pattern)}
    assert Path(page.__file__).parent / TEMPLATE in packaged


def test_damaged_results_are_named(tmp_path):
    (tmp_path / "shots.json").write_text("{")
    with pytest.raises(KnnclipError, match=r"shots\.json"):
        write_page(tmp_path)


def test_names_are_text_wherever_they_stand(tmp_path):
    protocol = {"val": "<b>&'\"", "train": ["<i>"]}
    (tmp_path / "shots.json").write_text(json.dumps({"protocol": protocol, "run": {"command": "<u>"}, "seeds": [[]]}))
    content = write_page(tmp_path).read_text()
    for name in ("<b>&", "<i>", "<u>"):
        assert name not in content
    assert "&lt;b&gt;&amp;" in content


def test_a_mean_of_runs_leaves_out_what_is_not_defined():
    runs = [[{"shots": ALL, "miou": 0.2, "instances": 4}], [{"shots": ALL, "miou": None, "instances": 5}]]
    assert page.means(SHOTS, runs) == [{"shots": 0, "miou": 0.2, "instances": 4.5}]


def test_what_is_not_defined_has_no_value_to_be_sorted_by(tmp_path):
    step = {figure.key: 1.0 for figure in schema.STEPS} | {"classes": ["a"], "old": None, "instances": 3}
    write_json(tmp_path / "continual.json", {"protocol": {"train": ["t"], "val": "v"}, "run": {}, "seeds": [[step]]})
    page = write_page(tmp_path).read_text()
    assert 'data-value=""' in page
    assert "nan" not in page.split("<tbody>")[1].split("</tbody>")[0]


HEAD = {"protocol": {"val": "v", "train": ["t"]}, "run": {}}


@pytest.mark.parametrize(
    "content",
    [
        [], 3, {}, {**HEAD, "protocol": []}, HEAD, {**HEAD, "seeds": None}, {**HEAD, "seeds": [3]},
        {**HEAD, "seeds": [[{"shots": 1}]]},
        {**HEAD, "seeds": [[{"shots": 1, "miou": float("inf"), "instances": float("inf")}]]},
    ],
)  # fmt: skip
def test_results_that_were_edited_are_one_line_with_their_file(tmp_path, content):
    (tmp_path / "shots.json").write_text(json.dumps(content))
    with pytest.raises(KnnclipError, match=r"shots\.json") as error:
        write_page(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_a_page_shows_no_picture_from_elsewhere(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "report"
    folder.mkdir()
    with pytest.raises(ValueError, match="outside the folder"):
        page._pictures(folder, [{"file": "../secret.png", "kind": "worst", "title": "", "caption": ""}])
