"""A real browser before the real app."""

import shutil
from pathlib import Path

import pytest

from tests.browser.workbench import Workbench
from tests.demo.server import served

PATIENCE_MS = 120_000
"""For everything in the browser: a machine that does other things as well takes long, and nobody waits for it where
all is well.
"""

SCREENSHOTS = Path(__file__).parent / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium():
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium` brings the browser that these tests drive")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def private_app(tmp_path_factory, chromium):
    """The app with its sample store; every page has a copy of its own."""
    with served(tmp_path_factory.mktemp("private"), "--private") as address:
        yield address


@pytest.fixture
def open_page(chromium, request):
    """Opens pages, and at the end of the test demands that none had an error or asked another machine for anything."""
    contexts, complaints, pages = [], [], []

    def opened(address, **settings):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        pages.append(workbench := Workbench(page))
        page.set_default_timeout(PATIENCE_MS)

        def complain(text):
            if not workbench.left:
                complaints.append(text)

        page.on("console", lambda message: message.type == "error" and complain(f"console: {message.text}"))
        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        home = address.split("//")[1]
        page.on(
            "request",
            lambda sent: (
                sent.url.startswith(("data:", "blob:"))
                or sent.url.split("/")[2] == home
                or complaints.append(f"request to {sent.url}")
            ),
        )
        page.goto(address)
        page.locator(".wb[aria-busy=false]").wait_for()
        return workbench

    yield opened
    for workbench in pages:
        workbench.left = True
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def workbench(open_page, private_app):
    """A page of its own on the sample store, with the first example open."""
    opened = open_page(private_app)
    opened.wait_for_picture()
    return opened


@pytest.fixture
def screenshot(request):
    """Keeps pictures of what people see, to be looked at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return lambda workbench, name: workbench.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
