"""Bad input gives a message in the page; the server goes on, and the store is untouched."""

import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from knnclip.output.rendering import anchor
from knnclip.structures import Mask

pytestmark = pytest.mark.xdist_group("browser")

EVIL = "<img src=x onerror=alert(1)>"


def pdf(path):
    path.write_bytes(b"%PDF-1.7\n" + bytes(1000))


def huge(path):
    Image.new("1", (12_000, 12_000)).save(path, "PNG")


def cut_off(path):
    Image.effect_noise((300, 200), 60).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("make", "message"),
    [(pdf, "not an image"), (huge, "144.0 megapixels|144,000,000|12000"), (cut_off, "damaged")],
    ids=["pdf", "huge", "cut off"],
)
def test_a_bad_picture_is_a_message(workbench, tmp_path, make, message):
    before = workbench.legend
    make(tmp_path / "holiday.jpg")
    workbench.open_file(tmp_path / "holiday.jpg")
    expect(workbench.page.locator(".wb-status.wb-error")).to_contain_text("holiday.jpg")
    assert any(part in workbench.status for part in message.split("|")), workbench.status
    assert str(tmp_path) not in workbench.status
    assert "gradio" not in workbench.status
    assert workbench.legend == before, "the picture under work is still there"
    workbench.open_example(1)


def test_a_picture_of_one_pixel_works(workbench, tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    workbench.open_file(tmp_path / "dot.png")
    assert workbench.status == "opened dot.png"


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/1.png", bytes(50 * 2**20))


def climbing(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.png", b"x")


def unknown(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", b"nothing to see")


def broken(path):
    path.write_bytes(b"PK no zip at all")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb, "far more than its size"),
        (climbing, "outside its folder"),
        (unknown, "no data set that is known"),
        (broken, "cannot be unpacked"),
    ],
)
def test_a_bad_zip_is_a_message(workbench, tmp_path, make, message):
    make(tmp_path / "set.zip")
    workbench.tab("Ingest")
    page = workbench.page
    panel = page.get_by_role("tabpanel").filter(has=page.locator("#ingest-chosen"))
    panel.locator("input[type=file]").set_input_files(tmp_path / "set.zip")
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_contain_text(message)
    expect(toast).to_contain_text("set.zip")
    assert "knnclip-demo" not in toast.inner_text(), "the page does not tell where the server keeps things"


def test_a_name_is_text_everywhere(workbench, sample_data):
    page = workbench.page
    labels = np.asarray(Image.open(sample_data / "val" / "labels" / "val_000.png"))
    sky = anchor(Mask.from_dense(labels == 0))
    workbench.click(sky)
    workbench.teach(EVIL)
    assert workbench.status.startswith(f"taught {EVIL}: ")
    assert EVIL in workbench.legend
    workbench.click(sky)
    expect(page.locator(".wb-scores")).to_contain_text(EVIL)
    expect(page.locator(".wb-evidence")).to_contain_text(EVIL)
    workbench.tab("Vocabulary")
    page.locator("#classes button.thumbnail-item").filter(has_text=EVIL).click()
    expect(page.locator("#class-title")).to_contain_text(EVIL)
    page.get_by_role("button", name="Forget this class").click()
    expect(page.locator("#question")).to_contain_text(EVIL)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_label("New name").fill("sky")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text(EVIL)
    page.get_by_label("New name").fill(f"{EVIL}2")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#classes-note")).to_contain_text(f"{EVIL} is now called {EVIL}2")
    assert page.locator("img[src='x']").count() == 0


def test_a_file_name_is_text_everywhere(workbench, sample_data, tmp_path):
    name = "<img src=x onerror=alert(1)>.png"
    (tmp_path / name).write_bytes((sample_data / "val" / "images" / "val_000.png").read_bytes())
    workbench.open_file(tmp_path / name)
    assert workbench.status.startswith("opened ")
    assert workbench.page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "app.log", 5, None])
def test_no_path_from_the_browser_is_opened(workbench, sample_data, path):
    def tamper(route):
        sent = json.loads(route.request.post_data)
        if "path" in (sent.get("event_data") or {}):
            sent["event_data"]["path"] = path
        route.continue_(post_data=json.dumps(sent))

    before = workbench.legend
    workbench.page.route("**/queue/join*", tamper)
    workbench.page.set_input_files(".wb-file", sample_data / "val" / "images" / "val_001.png")
    refusal = re.compile("not uploaded to this server|is not in the cache folder")
    expect(workbench.page.locator("[data-testid=toast-body], .wb-error").first).to_contain_text(refusal)
    assert workbench.legend == before
