"""A small labelled data set drawn by the package: street scenes to try knnclip on, the same bytes for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError
from knnclip.files import write_atomically
from knnclip.images import write_png
from knnclip.structures import Image
from knnclip.vocabulary import Color

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH_PX, HEIGHT_PX = 320, 240
"""Small enough that all of it is ingested in seconds, large enough that a cone has a shape."""

SPLITS = {"train": 24, "val": 8}
"""Pictures of each split; every class is in several of them."""

CLASSES: tuple[tuple[str, Color, str], ...] = (
    ("sky", (110, 170, 220), "stuff"),
    ("grass", (90, 160, 70), "stuff"),
    ("road", (90, 90, 100), "stuff"),
    ("house", (190, 120, 90), "thing"),
    ("tree", (40, 100, 50), "thing"),
    ("car", (200, 40, 60), "thing"),
    ("traffic cone", (240, 130, 20), "thing"),
)
"""Name, colour and kind; a class's index is its place."""

INDEX = {name: index for index, (name, _, _) in enumerate(CLASSES)}

Point = tuple[float, float]


@dataclass
class Scene:
    """A picture in the making and its labels, drawn from back to front."""

    rng: np.random.Generator
    pixels: NDArray[np.float64] = field(default_factory=lambda: np.zeros((HEIGHT_PX, WIDTH_PX, 3)))
    labels: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.uint8))

    def fill(self, class_name: str, color: NDArray[np.float64], polygon: list[Point], grain: float) -> None:
        """Paints a polygon in a colour with texture, and labels it."""
        self._paint(class_name, color, grain, lambda draw: draw.polygon(polygon, fill=1))

    def disc(self, class_name: str, color: NDArray[np.float64], center: Point, radius: float, grain: float) -> None:
        """Paints a disc in a colour with texture, and labels it."""
        x, y = center
        self._paint(
            class_name,
            color,
            grain,
            lambda draw: draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1),
        )

    def _paint(
        self, class_name: str, color: NDArray[np.float64], grain: float, shape: Callable[[ImageDraw], object]
    ) -> None:
        from PIL import Image as Pil
        from PIL import ImageDraw as Draw

        stencil = Pil.new("1", (WIDTH_PX, HEIGHT_PX))
        shape(Draw.Draw(stencil))
        inside = np.asarray(stencil)
        self.pixels[inside] = color + self.rng.normal(0, grain, (np.count_nonzero(inside), 1))
        self.labels[inside] = INDEX[class_name]


def write_sample_data(directory: str | Path, *, seed: int = 0) -> None:
    """Draws the splits ``train`` and ``val`` as folders of images and index masks, with ``classes.txt`` above them.

    ``seed``: another one draws other scenes; the same gives the same bytes. Files of an earlier run are drawn anew.
    Raises ``DatasetError`` if the folder holds something else, ``OutputError`` if a file cannot be written.
    """
    root = Path(directory)
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root} is a file; choose a folder for the sample data")
    if root.is_dir() and any(root.iterdir()) and not (root / "classes.txt").is_file():
        raise DatasetError(f"{root} is not empty; choose another folder for the sample data")
    lines = [f"{i} {name} {r} {g} {b} {kind}" for i, (name, (r, g, b), kind) in enumerate(CLASSES)]
    write_atomically(root / "classes.txt", ("\n".join(lines) + "\n").encode())
    number = 0
    for split, count in SPLITS.items():
        for i in range(count):
            image, labels = draw_scene(np.random.default_rng([seed, number]))
            write_png(root / split / "images" / f"{split}_{i:03d}.png", image)
            write_png(root / split / "labels" / f"{split}_{i:03d}.png", labels)
            number += 1


def draw_scene(rng: np.random.Generator) -> tuple[Image, NDArray[np.uint8]]:
    """A street under one of many skies: ``(H, W, 3) uint8`` and the ``(H, W) uint8`` class indices."""
    scene = Scene(rng)
    horizon = float(rng.uniform(0.40, 0.52)) * HEIGHT_PX
    _ground(scene, horizon)
    for x in rng.permutation(np.linspace(30, WIDTH_PX - 30, 5))[: rng.integers(2, 5)]:
        draw = _house if rng.random() < 0.45 else _tree
        draw(scene, float(x + rng.normal(0, 10)), horizon + float(rng.uniform(2, 14)))
    road = horizon + 0.30 * (HEIGHT_PX - horizon)
    places = np.sort(rng.uniform(road + 18, HEIGHT_PX - 12, rng.integers(2, 5)))
    for y in places:  # the nearer ones cover the farther ones
        place = _car if rng.random() < 0.55 else _cone
        place(scene, float(rng.uniform(45, WIDTH_PX - 45)), float(y), (float(y) - horizon) / (HEIGHT_PX - horizon))
    _cone(scene, float(rng.uniform(30, WIDTH_PX - 30)), HEIGHT_PX - float(rng.uniform(6, 30)), 0.9)
    light = rng.uniform(0.7, 1.1) * (1 + rng.normal(0, 0.04, 3))
    noisy = scene.pixels * light + rng.normal(0, 3, scene.pixels.shape)
    return noisy.clip(0, 255).round().astype(np.uint8), scene.labels


def _color(rng: np.random.Generator, base: Color, spread: float = 12) -> NDArray[np.float64]:
    color: NDArray[np.float64] = np.array(base, dtype=np.float64) + rng.normal(0, spread, 3)
    return color


def _ground(scene: Scene, horizon: float) -> None:
    rng, w, h = scene.rng, WIDTH_PX, HEIGHT_PX
    scene.fill("sky", _color(rng, (135, 185, 235), 15), [(0, 0), (w, 0), (w, h), (0, h)], 1.5)
    rows = np.linspace(30, 0, h)[:, None, None]  # paler towards the horizon
    scene.pixels += np.where(np.arange(h)[:, None, None] < horizon, 30 - rows, 0)
    scene.fill("grass", _color(rng, (95, 155, 75)), [(0, horizon), (w, horizon), (w, h), (0, h)], 11)
    middle, top = rng.uniform(0.35, 0.65) * w, horizon + 0.30 * (h - horizon)
    tilt = float(rng.normal(0, 6))
    scene.fill("road", _color(rng, (105, 105, 112), 8), [(0, top + tilt), (w, top - tilt), (w, h), (0, h)], 5)
    for x in np.arange(-20, w, 60) + middle % 60:
        y = top + 0.52 * (h - top)
        scene.fill("road", np.array([225.0, 225, 215]), [(x, y), (x + 26, y), (x + 30, y + 5), (x + 2, y + 5)], 3)


def _house(scene: Scene, x: float, base: float) -> None:
    rng = scene.rng
    w, h = float(rng.uniform(34, 52)), float(rng.uniform(36, 56))
    wall = _color(rng, ((205, 170, 130), (190, 120, 95), (215, 205, 190))[rng.integers(3)])
    left, right, top = x - w / 2, x + w / 2, base - h
    scene.fill("house", wall, [(left, top), (right, top), (right, base), (left, base)], 4)
    roof = _color(rng, (130, 60, 50))
    scene.fill("house", roof, [(left - 5, top), (x, top - 0.45 * h), (right + 5, top)], 6)
    for wx in (x - w / 4, x + w / 4):
        for wy in (top + 0.2 * h, top + 0.6 * h):
            scene.fill(
                "house", np.array([70.0, 85, 105]), [(wx - 4, wy), (wx + 4, wy), (wx + 4, wy + 8), (wx - 4, wy + 8)], 2
            )


def _tree(scene: Scene, x: float, base: float) -> None:
    rng, size = scene.rng, float(scene.rng.uniform(15, 25))
    scene.fill(
        "tree",
        _color(rng, (95, 70, 45), 6),
        [(x - 3, base), (x - 2, base - 2 * size), (x + 2, base - 2 * size), (x + 3, base)],
        5,
    )
    leaves = _color(rng, (45, 105, 50), 9)
    for _ in range(9):
        center = (x + float(rng.normal(0, 0.45 * size)), base - 2 * size + float(rng.normal(0, 0.35 * size)))
        scene.disc("tree", leaves + rng.normal(0, 7), center, 0.55 * size, 16)


def _car(scene: Scene, x: float, base: float, near: float) -> None:
    rng, s = scene.rng, 26 + 34 * near
    paint = _color(rng, ((195, 45, 50), (45, 80, 170), (225, 225, 230), (40, 45, 50), (215, 180, 50))[rng.integers(5)])
    body = [
        (-1.0, 0.0),
        (-1.0, -0.34),
        (-0.62, -0.40),
        (-0.36, -0.74),
        (0.36, -0.74),
        (0.64, -0.40),
        (1.0, -0.32),
        (1.0, 0.0),
    ]
    glass = [(-0.52, -0.42), (-0.31, -0.66), (0.31, -0.66), (0.52, -0.42)]
    scene.fill("car", paint, [(x + s * px, base + s * py) for px, py in body], 3)
    scene.fill("car", np.array([150.0, 175, 190]), [(x + s * px, base + s * py) for px, py in glass], 3)
    for wheel in (-0.58, 0.58):
        scene.disc("car", np.array([35.0, 35, 38]), (x + s * wheel, base), 0.20 * s, 3)
        scene.disc("car", np.array([150.0, 150, 155]), (x + s * wheel, base), 0.09 * s, 3)


def _cone(scene: Scene, x: float, base: float, near: float) -> None:
    rng, s = scene.rng, 18 + 26 * near
    orange = _color(rng, (240, 115, 25), 8)

    def band(low: float, high: float) -> list[Point]:
        half_low, half_high = 0.34 * (1 - low) + 0.03, 0.34 * (1 - high) + 0.03
        return [
            (x - s * half_low, base - s * low),
            (x + s * half_low, base - s * low),
            (x + s * half_high, base - s * high),
            (x - s * half_high, base - s * high),
        ]

    scene.fill(
        "traffic cone",
        orange * 0.8,
        [(x - 0.45 * s, base), (x + 0.45 * s, base), (x + 0.4 * s, base - 0.1 * s), (x - 0.4 * s, base - 0.1 * s)],
        4,
    )
    scene.fill("traffic cone", orange, band(0.1, 1.0), 4)
    scene.fill("traffic cone", np.array([240.0, 240, 238]), band(0.38, 0.58), 3)
