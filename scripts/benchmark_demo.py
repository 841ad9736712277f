"""How the web demo feels, and whether it loses anything: in one browser, on a folder, then with many clients at once.

python scripts/benchmark_demo.py [--seconds 60] [--clients 20] [--rows 10000] [--pictures FOLDER]

Needs Chromium for the first two parts; the second works on 80 pictures of FOLDER and is left out without it. The last
part ends with an error if any request failed, or if the store does not hold exactly what was acknowledged.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from gradio_client import Client, handle_file
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo.sample import make_sample
from knnclip.images import IMAGE_SUFFIXES
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import LabelledInstance
from tests.demo.server import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TEACHINGS = 30
FOLDER = 80
"""Pictures of a folder: some minutes of a person's work."""

FOLDER_TEACHINGS = 3
"""Each is followed by relabelling them all."""

SETTLED = "document.querySelector('.wb-stop').hidden"
"""Whether the background has nothing to do, as the page shows it."""

WAIT_MS = 600_000
"""For anything on the page: a slow machine is to be measured, too."""


def fill(store: Path, rows: int) -> None:
    """Adds slightly moved copies of what the store holds until it has so many rows."""
    rng = np.random.default_rng(0)
    with Segmenter.open(store) as segmenter:
        known = list(
            segmenter.store.labelled(instance_ids=[row.instance_id for row in segmenter.store.instances()]).values()
        )
        moved = []
        for i in range(rows - len(known)):
            row = known[i % len(known)]
            vector = row.embedding + rng.normal(0, 0.01, row.embedding.shape).astype(np.float32)
            moved.append(LabelledInstance(vector / np.linalg.norm(vector), row.class_name, row.image, row.mask))
        segmenter.store.add(moved, segmenter.store.begin_source("ingest", "copies"))


def in_the_browser(folder: Path, table: Table) -> None:
    """First paint after the address is printed, and from Enter to the relabelled picture on the screen."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        print("no Chromium here: the browser is not measured")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, served(folder, "--store", "store") as address:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto(address)
        page.locator(".wb-canvas").wait_for()
        table.add_row("first paint after the address is printed", f"{time.perf_counter() - start:.2f} s", "")
        page.set_input_files(".wb-file", folder / "picture.png")
        page.wait_for_selector(".wb-legend li")
        taken = [taught_ms(page, i) for i in range(TEACHINGS)]
        browser.close()
    table.add_row("teach -> relabelled picture on the screen", *quantiles_ms(taken))


def taught_ms(page: Page, number: int) -> float:
    """Teaches a region of the picture under work: from the key to the first frame after the canvas was drawn anew."""
    page.locator(".wb-canvas").focus()
    for _ in range(1 + number % 5):
        page.keyboard.press(".")
    page.keyboard.press("Enter")
    page.wait_for_selector(".wb-panel:not([hidden])")
    page.fill(".wb-name", f"class {number % 7}")
    taken: float = page.evaluate(
        """async () => {
            const status = document.querySelector(".wb-status"), start = performance.now();
            status.textContent = "";
            const done = new Promise(resolve => new MutationObserver(() =>
                status.textContent.startsWith("taught") && requestAnimationFrame(() => resolve())
            ).observe(status, { childList: true, characterData: true, subtree: true }));
            document.querySelector(".wb-teach").requestSubmit();
            await done;
            return performance.now() - start;
        }"""
    )
    return taken


def on_a_folder(folder: Path, pictures: Path, table: Table) -> None:
    """From opening a folder to its filmstrip, to the first and all answers; then from a teaching to what it does."""
    chosen = folder / "pictures"
    chosen.mkdir()
    for path in sorted(path for path in pictures.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)[:FOLDER]:
        shutil.copy(path, chosen)
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        return
    from playwright.sync_api import sync_playwright

    (folder / "on-a-folder").mkdir()
    shutil.copytree(folder / "store", folder / "folder-store")
    options = ("--store", str(folder / "folder-store"), "--data", str(chosen))
    with sync_playwright() as playwright, served(folder / "on-a-folder", *options) as address:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(WAIT_MS)
        page.goto(address)
        page.locator(".wb[aria-busy=false]").wait_for()
        page.locator(".wb-folder").click()
        page.locator(".wb-opener[open]").wait_for()

        def since(begun: float) -> tuple[str, str]:
            return f"{time.perf_counter() - begun:.2f} s", ""

        begun = time.perf_counter()
        page.locator(".wb-on-server button").click()
        page.wait_for_function("document.querySelector('.wb-shot img')?.naturalWidth > 0")
        table.add_row("folder open -> filmstrip with thumbnails", *since(begun))
        page.wait_for_function("document.querySelector('.wb-status').textContent.includes('opened')")
        left = page.locator(".wb-how-far").inner_text()
        table.add_row(f"folder open -> first picture answered ({left or 'all are'})", *since(begun))
        page.wait_for_function(SETTLED)
        table.add_row("folder open -> all pictures answered", *since(begun))
        taken = []
        for number in range(FOLDER_TEACHINGS):
            taken.append(taught_ms(page, number))
            begun = time.perf_counter()
            page.wait_for_function("document.querySelector('.wb-stop').hidden === false")
            page.wait_for_function(SETTLED)
            table.add_row(f"teaching {number + 1} -> all pictures relabelled", *since(begun))
        browser.close()
    table.add_row("teach in a folder -> relabelled picture on the screen", *quantiles_ms(taken))


class Visitor(threading.Thread):
    """One client that segments and teaches until the time is over."""

    def __init__(self, address: str, pictures: list[Path], until: float, seed: int) -> None:
        super().__init__()
        self.address, self.pictures, self.until = address, pictures, until
        self.random = random.Random(seed)
        self.segmenting: list[float] = []
        self.teaching: list[float] = []
        self.sources: list[int] = []
        self.errors: list[str] = []

    def run(self) -> None:
        """Segments a picture, teaches it a few regions, takes another."""
        try:
            client = Client(self.address, verbose=False)
            while time.monotonic() < self.until:
                start = time.perf_counter()
                picture = client.predict(handle_file(str(self.random.choice(self.pictures))), api_name="/segment")
                self.segmenting.append(1000 * (time.perf_counter() - start))
                for _ in range(3):
                    segment = self.random.choice(picture["segments"])["segment_id"]
                    start = time.perf_counter()
                    picture = client.predict(f"class {self.random.randrange(50)}", [segment], api_name="/teach")
                    self.teaching.append(1000 * (time.perf_counter() - start))
                    self.sources.append(picture["source_id"])
        except Exception as error:  # counted and printed: the benchmark is about these
            self.errors.append(str(error))


def many_clients(folder: Path, clients: int, seconds: int, table: Table) -> list[str]:
    """Runs the visitors and returns what went wrong."""
    store = folder / "store"
    with Store.open(store, read_only=True) as opened:
        before = {source.source_id for source in opened.sources()}
    with served(folder, "--store", "store") as address:
        until = time.monotonic() + seconds
        visitors = [Visitor(address, [folder / "picture.png"], until, seed) for seed in range(clients)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
    segmenting = [ms for visitor in visitors for ms in visitor.segmenting]
    teaching = [ms for visitor in visitors for ms in visitor.teaching]
    table.add_row(f"segment, {clients} clients, {len(segmenting)} times", *quantiles_ms(segmenting))
    table.add_row(f"teach, {clients} clients, {len(teaching)} times", *quantiles_ms(teaching))
    problems = [error for visitor in visitors for error in visitor.errors]
    acknowledged = {source for visitor in visitors for source in visitor.sources}
    with Store.open(store, read_only=True) as opened:
        stored = {source.source_id for source in opened.sources() if source.instances} - before
        problems += opened.verify()
    table.add_row("acknowledged / stored teachings", f"{len(acknowledged)} / {len(stored)}", "")
    if acknowledged != stored:
        problems.append(f"lost: {sorted(acknowledged - stored)}; never acknowledged: {sorted(stored - acknowledged)}")
    return problems


def quantiles_ms(taken: list[float]) -> tuple[str, str]:
    """The median and the 95th percentile, to be read."""
    p50, p95 = np.percentile(taken, [50, 95])
    return f"{p50:.0f} ms", f"{p95:.0f} ms"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    table = Table("what", "p50", "p95")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sample = make_sample(folder, "builtin", {})  # the page is measured, not a network
        shutil.copy(sample.examples[0], folder / "picture.png")
        fill(sample.store, options.rows)
        in_the_browser(folder, table)
        if options.pictures is not None:
            on_a_folder(folder, options.pictures, table)
        problems = many_clients(folder, options.clients, options.seconds, table)
    Console().print(table)
    if problems:
        sys.exit("\n".join(["the demo failed:", *problems]))


if __name__ == "__main__":
    main()
