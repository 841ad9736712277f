"""A folder in a real browser: opened, gone through by keys, and there again after the server was killed."""

import os
import shutil

import pytest
from playwright.sync_api import expect

from demo.sample import make_sample
from tests.demo.server import ask, served, started

pytestmark = pytest.mark.xdist_group("browser")

PICTURES = 5


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A store and pictures, to be copied."""
    return make_sample(tmp_path_factory.mktemp("sample"), "builtin", {})


@pytest.fixture
def place(tmp_path, sample):
    """A folder for an app: the store of the sample, and pictures of it, one of them none."""
    shutil.copytree(sample.store, tmp_path / "store")
    (tmp_path / "mine").mkdir()
    for path in sample.examples[:PICTURES]:
        shutil.copy(path, tmp_path / "mine")
    (tmp_path / "mine" / "broken.png").write_bytes(b"no picture")
    return tmp_path


def options(place):
    return ("--store", place / "store", "--data", place / "mine")


def open_folder(workbench, name="mine"):
    page = workbench.page
    page.locator(".wb-folder").click()
    page.locator(".wb-opener").wait_for()
    page.select_option(".wb-folders", name)
    page.locator(".wb-on-server button").click()
    expect(page.locator(".wb-status")).to_contain_text(f"opened {name}")
    workbench.wait_until_idle()


def press(workbench, key):
    """A key on the picture, and the name of what is under work after it."""
    workbench.page.locator(".wb-canvas").focus()
    workbench.page.keyboard.press(key)
    workbench.page.wait_for_timeout(100)
    workbench.wait_until_idle()
    return chosen(workbench)


def chosen(workbench):
    return workbench.page.locator(".wb-shot[aria-selected=true] span").inner_text()


def count(workbench):
    return workbench.page.locator(".wb-count").inner_text()


def test_a_folder_is_gone_through_by_keys_and_is_there_after_a_kill(place, open_page, screenshot):
    with started(place, *options(place)) as server:
        workbench = open_page(server.address)
        open_folder(workbench)
        page = workbench.page
        expect(page.locator(".wb-shot b.wb-rejected")).to_have_count(1)
        expect(page.locator(".wb-how-far")).to_have_text("")
        assert count(workbench) == f"0 of {PICTURES} checked"
        first = page.locator(".wb-shot img").first
        expect(first).to_be_visible()
        assert first.evaluate("image => image.naturalWidth") > 100
        token = first.get_attribute("src").split("/")[-2]
        assert ask(server.address, "GET", f"/thumbnails/{token}/1")[0] == 200
        assert ask(server.address, "GET", f"/thumbnails/{'A' * len(token)}/1")[0] == 404
        assert ask(server.address, "GET", f"/thumbnails/{token}/10000")[0] == 404
        before = chosen(workbench)
        after = press(workbench, "ArrowRight")
        assert after != before
        assert press(workbench, "ArrowLeft") == before
        assert press(workbench, "Enter") != before
        assert count(workbench) == f"1 of {PICTURES} checked"
        press(workbench, "Control+z")
        assert count(workbench) == f"0 of {PICTURES} checked"
        press(workbench, "Enter")
        last = press(workbench, "n")
        expect(page.locator(".wb-how-far")).to_have_text("")
        screenshot(workbench, "filmstrip")
        page.set_viewport_size({"width": 1280, "height": 800})
        box = page.locator(".wb-canvas").bounding_box()
        assert box["y"] + box["height"] <= 800, "the picture is above the fold"
        workbench.leave()
        server.process.kill()
        server.process.wait()
    (place / "again").mkdir()
    with served(place / "again", *options(place)) as address:
        workbench = open_page(address)
        page = workbench.page
        page.locator(".wb-folder").click()
        page.get_by_role("button", name="Go on with mine").click()
        expect(page.locator(".wb-status")).to_contain_text("opened mine")
        workbench.wait_until_idle()
        assert count(workbench) == f"1 of {PICTURES} checked"
        assert chosen(workbench) == last
        page.reload()
        expect(page.locator(".wb-status")).to_contain_text("opened mine")
        assert chosen(workbench) == last


def test_a_region_is_called_by_a_digit_and_by_delete_is_no_object(place, open_page):
    with served(place, *options(place)) as address:
        workbench = open_page(address)
        open_folder(workbench)
        page = workbench.page
        name = page.locator(".wb-keys [data-key='1'] span").inner_text()
        workbench.click((160, 20))
        page.keyboard.press("1")
        expect(page.locator(".wb-status")).to_contain_text(f"taught {name}")
        workbench.wait_until_idle()
        assert workbench.name_at((160, 20)) == name
        workbench.click((160, 20))
        page.keyboard.press("Delete")
        expect(page.locator(".wb-status")).to_contain_text("not an object")
        workbench.wait_until_idle()
        assert workbench.name_at((160, 20)) == "unknown"
        assert "corrected" in page.locator(".wb-shot[aria-selected=true]").get_attribute("aria-label")
        page.fill(".wb-name", name)
        press(workbench, "Shift+Digit2")
        expect(page.locator(".wb-status")).to_have_text(f"2 is {name} now")


def test_two_on_one_picture_are_told(place, open_page):
    with served(place, *options(place)) as address:
        ann, ben = open_page(address), open_page(address)
        for workbench in (ann, ben):
            open_folder(workbench)
        assert chosen(ann) == chosen(ben)
        expect(ann.page.locator(".wb-effects")).to_contain_text("is at this picture, too")
        press(ben, "Enter")
        expect(ann.page.locator(".wb-count")).to_have_text(f"1 of {PICTURES} checked")
        expect(ann.page.locator(".wb-effects")).not_to_contain_text("is at this picture, too")


def test_files_are_dropped_reviewed_on_a_phone_and_exported(place, open_page, screenshot, tmp_path):
    with served(place, "--private") as address:
        phone = open_page(address, viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
        page = phone.page
        page.locator(".wb-folder").click()
        page.locator(".wb-opener[open]").wait_for()
        page.set_input_files(".wb-many", sorted((place / "mine").iterdir()))
        expect(page.locator(".wb-count")).to_have_text(f"0 of {PICTURES} checked")
        phone.wait_until_idle()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        screenshot(phone, "filmstrip_phone")
        page.locator(".wb-accept").click()
        expect(page.locator(".wb-count")).to_have_text(f"1 of {PICTURES} checked")
        phone.wait_until_idle()
        page.locator(".wb-export").click()
        page.locator(".wb-formats input[value=yolo]").check()
        with page.expect_download() as download:
            page.get_by_role("button", name="Write a zip").click()
        assert download.value.suggested_filename.endswith(".zip")
        download.value.save_as(tmp_path / "export.zip")
        assert shutil.unpack_archive(tmp_path / "export.zip", tmp_path / "export") is None
        assert (tmp_path / "export" / "yolo").is_dir()


def test_of_thousands_of_pictures_only_those_in_sight_are_in_the_page(place, open_page):
    many = place / "many"
    many.mkdir()
    source = next(path for path in sorted((place / "mine").iterdir()) if path.name != "broken.png")
    for number in range(5000):
        os.link(source, many / f"{number}.png")
    with served(place, "--store", place / "store", "--data", many) as address:
        workbench = open_page(address)
        open_folder(workbench, "many")
        page = workbench.page
        assert count(workbench) == "0 of 5000 checked"
        page.locator(".wb-stop").click()
        page.select_option(".wb-order", "path")
        expect(page.locator(".wb-status")).to_contain_text("5,000 pictures are shown")
        strip = page.locator(".wb-strip")
        strip.focus()
        page.keyboard.press("End")
        expect(page.locator(".wb-shot[aria-selected=true] span")).to_have_text("4999.png")
        workbench.wait_until_idle()
        assert page.locator(".wb-shot").count() < 30
        assert page.locator(".wb-shot[aria-selected=true]").get_attribute("aria-posinset") == "5000"
