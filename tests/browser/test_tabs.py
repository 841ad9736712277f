"""The other tabs in a real browser: vocabulary, ingest, evaluate."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.demo.server import served

pytestmark = pytest.mark.xdist_group("browser")


def choose_class(page, name):
    page.locator("#classes button.thumbnail-item").filter(has_text=re.compile(rf"^\s*{name} ·")).click()
    expect(page.locator("#class-title")).to_contain_text(f"{name}:")


def expect_classes(page, names):
    """Waits until these classes are listed, in this order."""
    captions = [re.compile(rf"^\s*{re.escape(name)} · [\d,]+\s*$") for name in names]
    expect(page.locator("#classes button.thumbnail-item")).to_have_text(captions)


def classes_listed(page):
    expect(page.locator("#classes button.thumbnail-item").first).to_be_visible()
    texts = page.locator("#classes button.thumbnail-item").all_inner_texts()
    return [text.strip().rsplit(" · ", 1)[0] for text in texts]


def pick_folder(page, tab, name):
    panel = page.get_by_role("tabpanel").filter(has=page.locator(f"#{tab}-chosen"))
    panel.get_by_label("or a folder on the server").click()
    page.get_by_role("option", name=name).click()
    expect(page.locator(f"#{tab}-chosen")).to_contain_text("Format masks")
    return panel


def test_classes_are_listed_sorted_and_filtered(workbench, screenshot):
    page = workbench.page
    workbench.tab("Vocabulary")
    expect_classes(page, ["car", "grass", "house", "road", "sky", "tree"])
    page.get_by_label("Sort by").click()
    page.get_by_role("option", name="most instances").click()
    expect(page.locator("#classes button.thumbnail-item").first).to_contain_text("road")
    screenshot(workbench, "vocabulary")
    page.get_by_label("Filter by name").fill("R")
    expect(page.locator("#classes-note")).to_have_text("4 classes.")
    page.get_by_label("Filter by name").fill("nothing like it")
    expect(page.locator("#classes-note")).to_have_text("0 classes.")


def test_instances_are_shown_page_by_page(workbench, screenshot):
    page = workbench.page
    workbench.tab("Vocabulary")
    choose_class(page, "tree")
    expect(page.locator("#class-title")).to_contain_text("1 to 24 are shown")
    expect(page.locator("#instances button.thumbnail-item")).to_have_count(24)
    page.get_by_role("button", name="More instances").click()
    expect(page.locator("#class-title")).to_contain_text("25 to 48 are shown")
    page.get_by_role("button", name="Earlier instances").click()
    expect(page.locator("#class-title")).to_contain_text("1 to 24 are shown")
    screenshot(workbench, "vocabulary_class")


def test_rename_merge_and_forget(workbench, screenshot):
    page = workbench.page
    workbench.tab("Vocabulary")
    choose_class(page, "tree")
    page.get_by_label("New name").fill("plant")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#class-title")).to_contain_text("plant: ")
    expect(page.locator("#class-title")).to_contain_text("also called tree")
    expect_classes(page, ["car", "grass", "house", "plant", "road", "sky"])
    page.get_by_label("Make it part of").click()
    page.get_by_role("option", name="grass").click()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("part of grass? Nobody can take them apart")).to_be_visible()
    expect_classes(page, ["car", "grass", "house", "plant", "road", "sky"])
    page.locator("#confirm-merge").click()
    expect(page.locator("#classes-note")).to_contain_text("instances of plant now belong to grass")
    expect_classes(page, ["car", "grass", "house", "road", "sky"])
    expect(page.locator("#class-title")).to_contain_text("grass:")
    count = re.search(r"([\d,]+) instances", page.locator("#class-title").inner_text())[1]
    page.get_by_role("button", name="Forget this class").click()
    expect(page.locator("#question")).to_contain_text(f"Forget grass, all {count} instances")
    screenshot(workbench, "forget")
    shades = [
        page.get_by_role("button", name=name).evaluate("button => getComputedStyle(button).backgroundColor")
        for name in ("Forget it for good", "Keep it")
    ]
    assert shades[0] != shades[1], "what cannot be undone looks dangerous"
    tile = page.locator("#classes button.thumbnail-item").first
    picture, caption = tile.locator("img").bounding_box(), tile.locator(".caption-label").bounding_box()
    assert caption["y"] >= picture["y"] + picture["height"] - 1, "a caption covers no picture"
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#question")).to_be_hidden()
    expect_classes(page, ["car", "grass", "house", "road", "sky"])
    page.get_by_role("button", name="Forget this class").click()
    page.locator("#confirm-forget").click()
    expect(page.locator("#classes-note")).to_contain_text(f"Forgot grass: {count} instances are gone.")
    expect_classes(page, ["car", "house", "road", "sky"])
    workbench.tab("Teach")
    expect(page.locator(".wb-legend")).not_to_contain_text("grass")
    expect(page.locator(".wb-legend")).not_to_contain_text("tree")


def test_a_wrong_name_is_a_message(workbench):
    page = workbench.page
    workbench.tab("Vocabulary")
    choose_class(page, "tree")
    page.get_by_label("New name").fill("grass")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("exists already; use merge")


def test_a_source_is_seen_and_forgotten_in_the_page(workbench, screenshot):
    page = workbench.page
    workbench.tab("Vocabulary")
    page.get_by_text("What was added").click()
    page.locator("#source input").click()
    page.get_by_role("option").first.click()
    page.get_by_role("button", name="Forget what this added").click()
    expect(page.get_by_text("This cannot be undone.").last).to_be_visible()
    screenshot(workbench, "sources")
    page.locator("#confirm-source").click()
    expect(page.locator("#confirm-source")).to_be_hidden()
    page.locator("#source input").click()
    expect(page.get_by_role("option")).to_have_count(0)


def test_export_and_import_give_the_same_answers(workbench, open_page, tmp_path):
    page = workbench.page
    workbench.tab("Vocabulary")
    page.get_by_role("button", name="Export the store as one file").click()
    with page.expect_download() as download:
        page.locator("#exported a").first.click()
    file = tmp_path / "moved.knnclip"
    download.value.save_as(file)
    with served(tmp_path, "--store", "empty") as address:
        other = open_page(address)
        other.tab("Vocabulary")
        expect(other.page.locator("#classes-note")).to_have_text("0 classes.")
        with other.page.expect_file_chooser() as chooser:
            other.page.get_by_role("button", name="Import a store file").click()
        chooser.value.set_files(file)
        expect(other.page.locator("#classes-note")).to_contain_text("Imported")
        expect_classes(other.page, classes_listed(page))
        other.tab("Teach")
        workbench.tab("Teach")
        picture = next((tmp_path.parent).glob("private*/index_store/demo/data/val/images/val_002.png"), None)
        for one in (other, workbench):
            one.open_file(picture)
        assert other.page.locator(".wb-legend").inner_text() == workbench.page.locator(".wb-legend").inner_text()
        assert len(other.legend) > 3
        other.leave()


def test_ingest_a_folder_and_see_what_it_changed(workbench, screenshot):
    page = workbench.page
    workbench.tab("Evaluate")
    expect(page.locator("#evaluate-chosen")).to_contain_text("classes.txt with a line each")
    panel = pick_folder(page, "evaluate", "data/val")
    panel.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("#evaluate-result")).to_contain_text("mIoU")
    before = page.locator("#evaluate-result").inner_text()
    workbench.tab("Ingest")
    panel = pick_folder(page, "ingest", "data/train")
    expect(page.locator("#ingest-chosen")).to_contain_text("24 images, 7 classes")
    panel.get_by_label("Only these classes").click()
    page.get_by_role("option", name="traffic cone").click()
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="Ingest", exact=True).click()
    expect(page.locator("#ingest-result")).to_contain_text("instances of 24 images")
    screenshot(workbench, "ingest")
    workbench.tab("Evaluate")
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("#evaluate-result")).to_contain_text("before: ")
    after = page.locator("#evaluate-result").inner_text()
    score = re.compile(r"mIoU ([\d.]+)%")
    assert float(score.search(after)[1]) > float(score.search(before)[1]) + 5
    assert score.search(before)[1] in after
    expect(page.locator("#evaluate-table")).to_contain_text("traffic cone")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    screenshot(workbench, "evaluate")


def test_ingest_of_a_zip_can_be_stopped_and_goes_on(workbench, sample_data, tmp_path):
    page = workbench.page
    root = shutil.copytree(sample_data / "train", tmp_path / "set")
    shutil.copy(sample_data / "classes.txt", root)
    for folder in ("images", "labels"):  # so many that it is still at work when somebody has found the button
        for file in sorted((root / folder).iterdir()):
            for number in range(3):
                shutil.copy(file, file.with_stem(f"{file.stem}_{number}"))
    (root / "images" / "train_001.png").write_bytes(b"not a picture")
    file = shutil.make_archive(tmp_path / "set", "zip", root)
    workbench.tab("Ingest")
    panel = page.get_by_role("tabpanel").filter(has=page.locator("#ingest-chosen"))
    panel.locator("input[type=file]").set_input_files(file)
    expect(page.locator("#ingest-chosen")).to_contain_text("Format masks, 96 images")
    panel.get_by_role("button", name="Ingest", exact=True).click()
    page.locator(".progress-text, .progress-level").first.wait_for()
    panel.get_by_role("button", name="Stop").click()
    expect(page.locator("#ingest-result")).to_contain_text("Stopped with")
    panel.get_by_role("button", name="Ingest", exact=True).click()
    expect(page.locator("#ingest-result")).to_contain_text("had been stored before")
    expect(panel).to_contain_text("train_001.png")  # the table of the rejected


@pytest.mark.parametrize("width", [1280, 390], ids=["wide", "phone"])
def test_an_error_covers_neither_the_tabs_nor_what_they_show(open_page, private_app, screenshot, width):
    workbench = open_page(private_app, viewport={"width": width, "height": 900})
    workbench.wait_for_picture()
    workbench.tab("Ingest")
    page = workbench.page
    panel = page.get_by_role("tabpanel").filter(has=page.locator("#ingest-chosen"))
    for _ in range(3):
        panel.get_by_role("button", name="Ingest", exact=True).click()
        expect(page.get_by_test_id("toast-body")).to_contain_text("no data set is chosen")
    screenshot(workbench, f"error_{width}")
    expect(page.get_by_text("Error", exact=True)).to_have_count(1)  # the box alone; an earlier one fades
    box = page.locator(".toast-wrap").bounding_box()
    shown = [page.get_by_role("tablist").first, *panel.get_by_role("button").all()]
    edges = [place["y"] + place["height"] for place in (item.bounding_box() for item in shown) if place]
    assert box["y"] > max(edges)
