"""A figure that is added to the schema is in the files, on the page, in the terminal and in the demo."""

import csv
import json

import numpy as np
import pytest

from demo.evaluate import class_table, described
from knnclip.cli.figures import print_figures, print_headlines, print_runs
from knnclip.evaluation.continual import Step
from knnclip.evaluation.record import ImageRecord, cells_of
from knnclip.evaluation.report import protocols, schema
from knnclip.evaluation.report.formats import COUNT
from knnclip.evaluation.report.page import write_page
from knnclip.evaluation.report.protocols import write_continual, write_shots
from knnclip.evaluation.report.schema import Figure
from knnclip.evaluation.report.tables import as_content, write_scores
from knnclip.evaluation.shots import ALL, ShotScores
from knnclip.evaluation.totals import SetClasses, Totals
from knnclip.metrics.semantic import count_pixels

LABEL = "brand new"


@pytest.fixture
def scores(rng):
    totals = Totals(SetClasses(("cat", "sky"), (True, False)))
    for number in range(3):
        truth, answer = (rng.integers(-1, 2, (20, 30)).astype(np.int32) for _ in range(2))
        other = cells_of(rng.integers(1, 9, (2, 3)))
        totals.add(ImageRecord(f"{number}.jpg", count_pixels(truth, answer, 2), compared={"retrieval": other}))
    return totals.compute()


def read_csv(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_a_figure_of_a_set(scores, monkeypatch, tmp_path, capsys):
    new = schema.Section(("brand",), "semantic", (Figure("new", LABEL, "classes_with_truth", COUNT),))
    monkeypatch.setattr(schema, "SECTIONS", (*schema.SECTIONS, new))
    write_scores(scores, tmp_path, protocol={"masks": "own"}, run={}, stored_instances=[1, 2])
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["brand"]["new"] == 2
    assert LABEL in write_page(tmp_path).read_text()
    print_headlines(schema.headlines(content))
    assert LABEL in capsys.readouterr().out
    assert f"{LABEL} 2" in described(scores, None, 3, stopped=False)


def test_a_figure_of_a_class(scores, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(schema, "CLASSES", (*schema.CLASSES, Figure("new", LABEL, "semantic.truth_px", COUNT)))
    write_scores(scores, tmp_path, protocol={"masks": "own"}, run={}, stored_instances=[1, 2])
    expected = [row.truth_px for row in scores.semantic.classes]
    content = json.loads((tmp_path / "scores.json").read_text())
    assert [row["new"] for row in content["classes"]] == expected
    assert [int(row["new"]) for row in read_csv(tmp_path / "scores.csv")] == expected
    assert LABEL in write_page(tmp_path).read_text()
    print_figures(schema.CLASSES, content["classes"])
    assert LABEL in capsys.readouterr().out
    table = class_table(scores, None)
    assert [row[table["headers"].index(LABEL)] for row in table["data"]] == expected


def test_a_figure_of_a_compared_setting(scores, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(schema, "COMPARED", (*schema.COMPARED, Figure("new", LABEL, "semantic.miou_truth")))
    write_scores(scores, tmp_path, protocol={"masks": "own"}, run={}, stored_instances=[1, 2])
    expected = scores.compared[0].semantic.miou_truth
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["compared"][0]["new"] == expected
    assert float(read_csv(tmp_path / "compared.csv")[0]["new"]) == expected
    assert LABEL in write_page(tmp_path).read_text()
    print_figures(schema.COMPARED, content["compared"])
    assert LABEL in capsys.readouterr().out


STEP = Step(("cat",), 0.5, float("nan"), 0.5, 0.5, float("nan"), float("nan"), 4, 100, 0.25)


@pytest.mark.parametrize(
    ("name", "write", "found", "file"),
    [("STEPS", write_continual, STEP, "continual"), ("SHOTS", write_shots, ShotScores(ALL, 0.5, 4), "shots")],
)
def test_a_figure_of_a_protocol(name, write, found, file, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(schema, name, (*getattr(schema, name), Figure("new", LABEL, "instances", COUNT)))
    monkeypatch.setattr(protocols, "splits_protocol", lambda _: {"val": "there"})
    page = write([[found], [found]], None, tmp_path)
    seeds = json.loads((tmp_path / f"{file}.json").read_text())["seeds"]
    assert [[row["new"] for row in rows] for rows in seeds] == [[4], [4]]
    assert [row["new"] for row in read_csv(tmp_path / f"{file}.csv")] == ["4", "4"]
    assert LABEL in page.read_text()
    print_runs(getattr(schema, name), [[found], [found]])
    assert LABEL in capsys.readouterr().out


def test_keys_are_named_once_and_every_figure_can_be_read(scores):
    for section in schema.SECTIONS:
        assert len({figure.key for figure in section.figures}) == len(section.figures)
    for figures, found in ((schema.STEPS, STEP), (schema.SHOTS, ShotScores(1, 0.5, 2))):
        assert schema.values(figures, found).keys() == {figure.key for figure in figures}
    content = as_content(scores)
    assert content["panoptic"] is content["instances"] is content["scores"]["seen"] is None
    assert "instances" not in content["classes"][0], "nobody said how many the store has"
