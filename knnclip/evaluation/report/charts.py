"""Scores as pictures: bars of the IoU of each class, and the confusion matrix."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from knnclip.evaluation.report.formats import percent
from knnclip.metrics.semantic import SemanticConfusion, SemanticScores
from knnclip.structures import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_LABEL = 24
"""Letters of a class name; longer ones would leave the chart itself less than half of the width."""

MAX_CLASSES = 40
"""A chart shows so many classes at most, those with the most pixels in the truth; the table has the others. More, and
the labels are too small to be read on a screen."""

BLUE, GREY, GREEN, ORANGE = "#0072b2", "#bbbbbb", "#009e73", "#e69f00"
"""Of Okabe and Ito's palette, whose colours are told apart with any kind of colour vision, and grey for what was."""

SMALLEST_SHARE = 0.005
"""Smaller shares of a class's pixels round to 0 %, and are left out of the confusion matrix."""

DARK_SHARE = 0.5
"""From here on the cell is dark, and its number white."""


def iou_bars(scores: SemanticScores, before: SemanticScores | None = None) -> Image:
    """``(H, W, 3) uint8``: the IoU of each class, beside that of an earlier run over the same classes."""
    from matplotlib.figure import Figure

    shown = _largest([row.truth_px for row in scores.classes])
    count = len(shown)
    figure = Figure(figsize=(7, 1.2 + 0.32 * count), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(count)
    height = 0.8 if before is None else 0.4
    if before is not None:
        earlier = [100 * before.classes[c].iou for c in shown]
        axes.barh(places - 0.2, earlier, height, color=GREY, label=f"before, mIoU {percent(before.miou)}%")
    now = [100 * scores.classes[c].iou for c in shown]
    bars = axes.barh(places + (0.2 if before else 0), now, height, color=BLUE, label=f"mIoU {percent(scores.miou)}%")
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_yticks(places, [_label(scores.classes[c].name) for c in shown])
    axes.invert_yaxis()
    axes.set_xlim(0, 109)
    axes.set_xlabel("IoU, %" + _part(count, len(scores.classes)))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _drawn(figure)


def confusion_picture(confusion: SemanticConfusion) -> Image:
    """``(H, W, 3) uint8``: for each true class (row) the share of its pixels that got each answer (column)."""
    from matplotlib.figure import Figure

    matrix = confusion.matrix
    truth = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, truth, out=np.zeros(matrix.shape), where=truth > 0)
    shown = _largest(truth[:, 0].tolist())
    shares = shares[np.ix_(shown, [*shown, len(matrix)])]
    rows, columns = shares.shape
    figure = Figure(figsize=(2.2 + 0.42 * columns, 1.8 + 0.42 * rows), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_label(confusion.class_names[c]) for c in shown]
    axes.set_xticks(np.arange(columns), [*names, "unknown"], rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(rows), names)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.set_title("% of the pixels of each class" + _part(rows, len(matrix)), fontsize=10)
    for row, column in np.argwhere(shares >= SMALLEST_SHARE):
        share = shares[row, column]
        color = "white" if share > DARK_SHARE else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
    return _drawn(figure)


def continual_curve(seeds: Sequence[Sequence[tuple[float, float, float]]]) -> Image:
    """``(H, W, 3) uint8``: mIoU on all, old and new classes after each step, the mean of the seeds and their spread.

    Each seed has one (all, old, new) a step, fractions in [0, 1], NaN where undefined.
    """
    from matplotlib.figure import Figure

    values = 100 * np.array(seeds, dtype=np.float64)
    steps = np.arange(1, values.shape[1] + 1)
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    lines = (("all classes", BLUE, "o"), ("old", GREEN, "s"), ("new", ORANGE, "^"))
    for kind, (name, color, marker) in enumerate(lines):
        there = ~np.isnan(values[:, :, kind]).all(axis=0)
        mean, spread = values[:, there, kind].mean(axis=0), values[:, there, kind].std(axis=0)
        axes.plot(steps[there], mean, color=color, marker=marker, label=name)
        axes.fill_between(steps[there], mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    axes.set_xticks(steps)
    axes.set_xlabel("steps in which classes arrived")
    axes.set_ylabel("mIoU, %")
    axes.set_ylim(0, 100)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _drawn(figure)


def shots_curve(seeds: Sequence[Sequence[tuple[str, float]]]) -> Image:
    """``(H, W, 3) uint8``: mIoU against the labelled instances of each class, the mean of the seeds and their spread.

    Each seed has the same numbers of instances, as text, each with a fraction in [0, 1].
    """
    from matplotlib.figure import Figure

    values = 100 * np.array([[miou for _, miou in points] for points in seeds])
    places = np.arange(values.shape[1])
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    mean, spread = values.mean(axis=0), values.std(axis=0)
    axes.plot(places, mean, color=BLUE, marker="o")
    axes.fill_between(places, mean - spread, mean + spread, color=BLUE, alpha=0.15, linewidth=0)
    for place, value in zip(places.tolist(), mean.tolist(), strict=True):
        axes.annotate(f"{value:.1f}", (place, value), textcoords="offset points", xytext=(0, 8), ha="center")
    axes.set_xticks(places, [name for name, _ in seeds[0]])
    axes.set_xlabel("labelled instances of each class")
    axes.set_ylabel("mIoU, %")
    axes.set_ylim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
    return _drawn(figure)


def _largest(pixels: Sequence[int]) -> list[int]:
    """Which classes are shown, in their order."""
    return sorted(np.argsort(-np.array(pixels), kind="stable")[:MAX_CLASSES].tolist())


def _part(shown: int, of: int) -> str:
    return "" if shown == of else f" (the {shown} of {of} classes with the most pixels)"


def _label(name: str) -> str:
    """One short line, and none of it mathematics to Matplotlib."""
    line = " ".join(name.split())
    short = line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"
    return short.replace("$", r"\$")


def _drawn(figure: Figure) -> Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks is drawn as boxes
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
