"""The report in a real browser: it sorts, it fits, it asks nobody for anything, whatever the classes are called."""

import json

import numpy as np
import pytest

from knnclip.evaluation.record import ImageRecord
from knnclip.evaluation.report.charts import iou_bars
from knnclip.evaluation.report.page import write_page
from knnclip.evaluation.report.tables import write_scores
from knnclip.evaluation.totals import SetClasses, Totals
from knnclip.images import write_png
from knnclip.metrics.semantic import count_pixels

NAMES = ("sky", "<img src=x onerror=alert(1)>", 'a "quoted", name', "never")


@pytest.fixture
def report(tmp_path, rng):
    totals = Totals(SetClasses(NAMES, (False,) * 4))
    for number in range(5):
        truth = rng.integers(-1, 3, (20, 30)).astype(np.int32)
        answer = np.where(rng.random(truth.shape) < 0.2 * (1 + truth), 0, truth).astype(np.int32)
        totals.add(ImageRecord(f"{number}.jpg", count_pixels(truth, answer, 4)))
    protocol = {"data": "</title><script>alert(2)</script>", "masks": "own"}
    scores = totals.compute(seen=["sky"])
    write_scores(scores, tmp_path, protocol=protocol, run={"command": "knnclip"}, stored_instances=[1, 20, 3, 0])
    write_png(tmp_path / "iou.png", iou_bars(scores.semantic))
    step = {"classes": ["sky"], "miou": 0.5, "old": None, "new": 0.5, "average": 0.5, "forgetting": None,
            "backward_transfer": None, "instances": 4, "store_bytes": 100, "seconds": 0.25}  # fmt: skip
    (tmp_path / "continual.json").write_text(json.dumps({"protocol": {}, "run": {}, "seeds": [[step], [step]]}))
    (tmp_path / "shots.json").write_text(
        json.dumps({"protocol": {}, "run": {}, "seeds": [[{"shots": 0, "miou": 0.25, "instances": 7}]]})
    )
    return write_page(tmp_path)


@pytest.fixture
def page(chromium, report):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda sent: sent.url.startswith(("file:", "data:")) or complaints.append(sent.url))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert complaints == []


def column(page, table, number):
    return page.locator(f"table >> nth={table}").locator(f"tbody tr td:nth-child({number})").all_inner_texts()


def test_a_click_on_a_head_sorts_and_what_is_undefined_stays_last(page):
    head = page.locator("table >> nth=0 >> th button")
    assert column(page, 0, 1) == list(NAMES)
    head.nth(1).click()
    falling = column(page, 0, 2)
    assert falling[:3] == sorted(falling[:3], key=float, reverse=True)
    assert falling[3] == "-"
    head.nth(1).click()
    assert column(page, 0, 2) == [*reversed(falling[:3]), "-"]
    head.nth(0).click()
    assert column(page, 0, 1) == sorted(NAMES, key=str.casefold, reverse=True)
    rows = page.locator("table >> nth=0 >> th").count()
    head.nth(rows - 1).click()
    assert column(page, 0, rows) == ["20", "3", "1", "0"], "as numbers, not as text"


def test_it_fits_a_phone_and_shows_every_part(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heads = page.locator("h2").all_inner_texts()
    assert {"Classes", "Classes arriving in steps", "Labelled instances of each class"} <= set(heads)
    assert "alert(2)" in page.locator("h1").inner_text()
    assert column(page, 1, 10) == ["0.2"], "seconds are no fractions"
    assert "harmonic mean" in page.locator(".cards").inner_text()
    assert page.locator("img").evaluate_all("all => all.every(image => image.naturalWidth > 100)")
