"""Masks by hand, the view and the queue of acts, in a real browser."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy import ndimage

from knnclip.images import encode_png
from knnclip.output.rendering import anchor
from knnclip.store import Store
from knnclip.structures import Mask
from tests.browser.test_teach import CONE, cones, truth  # noqa: F401 - a fixture
from tests.demo.server import served

pytestmark = pytest.mark.xdist_group("browser")

LATENCY_MS = 400
SHAPE = (60, 90)


def slow_down(page):
    """Every request takes longer, as over a poor line."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY_MS, "downloadThroughput": -1, "uploadThroughput": -1},
    )


def known(workbench, *names):
    """Waits until the page completes these names."""
    workbench.page.wait_for_function(
        """names => { const known = [...document.querySelectorAll('.wb-names option')].map(option => option.value);
                      return names.every(name => known.includes(name)); }""",
        arg=list(names),
    )
    workbench.wait_until_idle()


def touch(workbench, spot):
    """Clicks a spot without waiting for anything."""
    box = workbench.page.locator(".wb-canvas").bounding_box()
    place = workbench.place(spot)
    workbench.page.mouse.click(box["x"] + place["x"], box["y"] + place["y"])


def test_what_is_done_while_the_server_works_is_done_in_turn(workbench, truth):  # noqa: F811
    page, sky = workbench.page, Mask.from_dense(truth[0].label_map == truth[0].class_names.index("sky"))
    slow_down(page)
    for mask, name in ((cones(truth[0])[0], "pylons"), (sky, "heaven")):
        touch(workbench, anchor(mask))
        page.keyboard.type(name)
        page.keyboard.press("Enter")
    known(workbench, "pylons", "heaven")
    assert {"pylons", "heaven"} <= set(workbench.legend)
    for _ in range(2):
        page.keyboard.press("Escape")
        page.keyboard.press("Control+z")
    expect(page.locator(".wb-status")).to_have_text("undone: teach pylons")


def test_each_stroke_is_undone_and_then_what_the_server_did(workbench):
    page = workbench.page
    focused = "document.activeElement.className"

    def status(text):
        expect(page.locator(".wb-status")).to_contain_text(text)

    page.locator(".wb-canvas").focus()
    page.keyboard.press("b")
    workbench.drag([(60, 60), (100, 60), (100, 100), (60, 100), (60, 60)])
    status("brush stroke")
    drawn = workbench.status
    page.keyboard.press("h")
    status("filled")
    page.keyboard.press("Control+z")
    status("undone: filled")
    page.keyboard.press("Control+z")
    status("undone: brush stroke")
    page.keyboard.press("Control+Shift+Z")
    page.keyboard.press("e")
    workbench.drag([(60, 80), (62, 80)])
    status("eraser stroke")
    page.keyboard.press("k")
    workbench.drag([(80, 40), (80, 120)])
    status("the larger side is kept")
    page.locator(".wb-undo").click()
    status("undone: cut")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    status("undone: letting go")
    page.locator(".wb-canvas").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(focused).startswith("wb-name")
    page.keyboard.type("ring")
    page.keyboard.press("Enter")
    known(workbench, "ring")
    page.locator(".wb-undo").focus()
    page.keyboard.press("Enter")
    status("undone: teach ring")
    assert "wb-undo" in page.evaluate(focused), "the focus is kept where it was"
    assert drawn.startswith("brush stroke: ")


def test_a_mask_drawn_with_the_picture_enlarged_is_kept_at_its_own_pixels(tmp_path, open_page, screenshot):
    height, width = 1800, 2400
    picture = np.full((height, width, 3), 90, dtype=np.uint8)
    picture[:, : width // 2] = 200
    picture[600:900, 1300:1700] = np.indices((300, 400)).sum(axis=0)[..., None] % 2 * 255  # seen at all pixels alone
    (tmp_path / "wide.png").write_bytes(encode_png(picture))
    with served(tmp_path, "--store", "empty") as address:
        workbench = open_page(address)
        workbench.open_file(tmp_path / "wide.png")
        workbench.wait_for_picture()
        page, canvas = workbench.page, workbench.page.locator(".wb-canvas")
        canvas.focus()
        page.keyboard.press("a")
        expect(page.locator(".wb-scale")).to_have_text("100 %")
        workbench.wait_until_idle()
        contrast = """() => { const below = document.querySelector('.wb-picture'), size = 16;
            const data = below.getContext('2d').getImageData(below.width - size, 20, size, 1).data;
            const steps = Array.from({ length: size - 1 }, (_, i) => Math.abs(data[4 * i] - data[4 * i + 4]));
            return Math.min(...steps) > 150; }"""
        page.wait_for_function(contrast)
        page.keyboard.press("l")
        box, corners = canvas.bounding_box(), [(100, 50), (300, 50), (300, 250), (100, 250), (100, 50)]
        for x, y in corners:
            page.mouse.click(box["x"] + x, box["y"] + y)
        screenshot(workbench, "polygon")
        assert f"{200 * 200:,} px marked" in workbench.status
        page.keyboard.press("f")
        workbench.teach("square")
        known(workbench, "square")
        workbench.leave()
    with Store.open(tmp_path / "empty", read_only=True) as store:
        (row,) = [row for row in store.instances() if row.origin == "truth"]
        (stored,) = store.labelled(instance_ids=[row.instance_id]).values()
    assert stored.mask.shape == (height, width)
    assert (stored.mask.crop.shape, stored.mask.area) == ((200, 200), 40_000)


def test_the_wheel_enlarges_and_space_moves_the_picture(workbench):
    page, scale = workbench.page, workbench.page.locator(".wb-scale")
    whole = scale.inner_text()
    page.locator(".wb-canvas").hover()
    page.mouse.wheel(0, -600)
    expect(scale).not_to_have_text(whole)
    before = page.locator(".wb-canvas").screenshot()
    page.locator(".wb-canvas").focus()
    page.keyboard.down(" ")
    workbench.drag([(160, 120), (100, 100)])
    page.keyboard.up(" ")
    assert page.locator(".wb-canvas").screenshot() != before
    assert "selected" not in workbench.status
    page.keyboard.press("0")
    expect(scale).to_have_text(whole)


def a_shape(seed):
    """A mask with holes, islands and pixels at the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2)
    return noise > 0.0


def run(page, code, mask, *more):
    """The result of a line of the page's own code on the pixels of a mask: an (H, W) mask if it gives none itself."""
    script = """async ([code, pixels, width, height, more]) => {
        const runs = await import("/workbench/runs.js"), raster = await import("/workbench/raster.js");
        const mask = Uint8Array.from(pixels);
        const line = new Function("runs", "raster", "mask", "width", "height", "more", `return ${code}`);
        const result = line(runs, raster, mask, width, height, more);
        return result === undefined ? [...mask] : ArrayBuffer.isView(result) ? [...result] : result; }"""
    flat = [int(value) for value in mask.ravel()]
    result = page.evaluate(script, [code, flat, mask.shape[1], mask.shape[0], json.loads(json.dumps(more))])
    return np.array(result).reshape(mask.shape).astype(bool) if isinstance(result, list) else result


def smoothed(dense, radius):
    """What most pixels of a square are, as far as it lies in the picture."""
    square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=int)
    inside, all_there = (ndimage.convolve(of.astype(int), square, mode="constant") for of in (dense, dense | True))
    return 2 * inside > all_there


def test_the_page_does_to_masks_what_it_says(workbench):
    page = workbench.page
    for seed in range(3):
        dense = a_shape(seed)
        mask = Mask.from_dense(dense)
        sent = run(page, "runs.encodeMask(mask, width)", dense)
        assert (tuple(sent["box"]), sent["counts"].encode()) == (mask.box_xyxy, mask.encode())
        np.testing.assert_array_equal(run(page, "runs.decodeMask(more[0], width, height)", dense, sent), dense)
        np.testing.assert_array_equal(run(page, "runs.restore(mask, runs.runsOf(mask))", dense), dense)
        np.testing.assert_array_equal(
            run(page, "raster.fillHoles(mask, width)", dense), ndimage.binary_fill_holes(np.pad(dense, 1))[1:-1, 1:-1]
        )
        np.testing.assert_array_equal(run(page, "raster.smooth(mask, width, height, 2)", dense), smoothed(dense, 2))


def test_a_cut_keeps_one_side_and_touches_nothing_else(workbench):
    page, dense = workbench.page, np.zeros(SHAPE, dtype=bool)
    dense[10:50, 10:60] = dense[10:20, 70:80] = True
    line = [[30.5, 0.5], [30.5, 59.5]]
    kept = run(page, "void raster.cut(mask, width, height, more[0], true)", dense, line)
    expected = dense.copy()
    expected[10:50, 10:30] = False
    np.testing.assert_array_equal(kept, expected)
    smaller = run(page, "void raster.cut(mask, width, height, more[0], false)", dense, line)
    expected = dense.copy()
    expected[10:50, 31:60] = False  # the line itself goes with the side that stays
    np.testing.assert_array_equal(smaller, expected)
    half = [[30.5, 0.5], [30.5, 30.5]]
    np.testing.assert_array_equal(run(page, "void raster.cut(mask, width, height, more[0], true)", dense, half), dense)
