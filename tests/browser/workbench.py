"""What a person does with the page, as verbs."""

from __future__ import annotations

from playwright.sync_api import Page, expect


class Workbench:
    """One page of the app."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.left = False

    def leave(self):
        """Closes the page. What it was still loading breaks off, which is no fault of the app."""
        self.left = True
        self.page.close()

    def wait_for_picture(self):
        expect(self.page.locator(".wb-legend li").first).to_be_visible()
        self.wait_until_idle()

    def wait_until_idle(self):
        self.page.wait_for_function("document.querySelector('.wb').closest('[aria-busy]')?.ariaBusy !== 'true'")

    def place(self, spot):
        """A spot ``(x, y)`` of the sample pictures, which are 320 x 240, in pixels of the canvas."""
        box = self.page.locator(".wb-canvas").bounding_box()
        scale = min(box["width"] / 320, box["height"] / 240)
        x0, y0 = (box["width"] - 320 * scale) / 2, (box["height"] - 240 * scale) / 2
        return {"x": x0 + (spot[0] + 0.5) * scale, "y": y0 + (spot[1] + 0.5) * scale}

    def click(self, spot, *, add=False):
        self.page.locator(".wb-canvas").click(position=self.place(spot), modifiers=["Shift"] if add else [])
        self.wait_until_idle()

    def drag(self, spots):
        canvas = self.page.locator(".wb-canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        places = [self.place(spot) for spot in spots]
        self.page.mouse.move(box["x"] + places[0]["x"], box["y"] + places[0]["y"])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(box["x"] + place["x"], box["y"] + place["y"], steps=4)
        self.page.mouse.up()
        self.wait_until_idle()

    def name_at(self, spot):
        """What the page says a spot is."""
        self.page.locator(".wb-canvas").hover(position=self.place(spot))
        return self.page.locator(".wb-tip").inner_text().split(" · ")[0]

    def teach(self, name):
        self.page.fill(".wb-name", name)
        self.page.press(".wb-name", "Enter")
        self.wait_until_idle()

    def press(self, text):
        self.page.get_by_role("button", name=text, exact=True).click()
        self.wait_until_idle()

    def tab(self, name):
        tab = self.page.get_by_role("tab", name=name)
        if not tab.is_visible():  # on a narrow screen the last ones are in a menu
            self.page.locator(".overflow-menu > button").click()
            tab = self.page.locator(".overflow-dropdown").get_by_text(name)
        tab.click()

    def tool(self, name):
        self.page.locator(f".wb-tools input[value={name}]").check(force=True)

    def open_example(self, number):
        self.page.locator("#examples button.thumbnail-item").nth(number).click()
        expect(self.page.locator(".wb-status")).to_contain_text(f"opened val_{number:03d}")
        self.wait_until_idle()

    def open_file(self, path):
        self.page.set_input_files(".wb-file", path)
        self.wait_until_idle()

    @property
    def status(self):
        return self.page.locator(".wb-status").inner_text()

    @property
    def legend(self):
        """The classes in the picture, by falling area."""
        return [entry.rsplit(" ", 2)[0] for entry in self.page.locator(".wb-legend li").all_inner_texts()]

    @property
    def completions(self):
        return self.page.locator(".wb-names option").evaluate_all("options => options.map(option => option.value)")
