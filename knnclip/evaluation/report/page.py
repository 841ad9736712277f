"""A folder of results -> one HTML file that needs nothing else: no network, no other file.

It shows whatever of scores, continual and few-shot results the folder holds, so each of them may be made on its own and
the report written again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from knnclip.evaluation.report.tables import COMPARED, SCORES
from knnclip.files import read_json, write_atomically

PAGE = "report.html"
PICTURES, CONTINUAL, SHOTS = "pictures.json", "continual.json", "shots.json"
BARS_PNG, CONFUSION_PNG, CONTINUAL_PNG, SHOTS_PNG = "iou.png", "confusion.png", "continual.png", "shots.png"

MOST_COMPARED = 40
"""A grid may have hundreds of settings; the best are shown, and all are in the CSV."""

Json = Mapping[str, Any]
NO_FORMATS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Picture:
    """A picture of the report."""

    file: str  # within the folder
    kind: str  # worst, best or confusion
    title: str
    caption: str


def write_page(folder: Path) -> Path:
    """Writes the report of a folder and returns its path."""
    scores, continual, shots, pictures = (_read(folder / name) for name in (SCORES, CONTINUAL, SHOTS, PICTURES))
    protocol = (scores or continual or shots or {}).get("protocol", {})
    title = f"knnclip: {protocol.get('data') or protocol.get('val')}"
    parts: list[str] = [f"<h1>{escape(title)}</h1>"]
    if scores is not None:
        parts += [_headline(scores), _cards(scores), *_compared(scores["compared"]), *_classes(folder, scores)]
    if continual is not None:
        parts += _continual(folder, continual)
    if shots is not None:
        parts += _shots(folder, shots)
    if scores is not None and pictures is not None:
        parts += _pictures(folder, pictures)
    for name, found in (("Evaluation", scores), ("Continual", continual), ("Shots", shots)):
        if found is not None:
            parts += [f"<h2>{name}: how it was made</h2>", _facts({**found["protocol"], **found["run"]})]
    template = Template((files("knnclip.evaluation.report") / PAGE).read_text(encoding="utf-8"))
    page = template.substitute(title=escape(title), body="\n".join(parts))
    write_atomically(folder / PAGE, page.encode("utf-8", "replace"))
    return folder / PAGE


def _headline(scores: Json) -> str:
    means = scores["scores"]
    return (
        f"<p class=soft>{scores['images']:,} images, {means['classes_with_truth']} of {len(scores['classes'])} classes "
        f"with ground truth, masks: {escape(str(scores['protocol']['masks']))}. The interval is a 95 % bootstrap over "
        "images. Unknown counts as a miss; the convention that leaves such pixels out stands beside it.</p>"
    )


def _cards(scores: Json) -> str:
    means, seen, panoptic, instances = (
        scores["scores"],
        scores["scores"]["seen"],
        scores["panoptic"],
        scores["instances"],
    )
    interval = means["miou_interval"]
    cards = [
        ("mIoU", means["miou"], _between(interval)),
        ("answered", means["coverage"], "share of the scored pixels"),
        ("mIoU, answered pixels alone", means["miou_answered"], "abstaining is free"),
        ("mIoU, classes with truth", means["miou_truth"], ""),
        ("boundary IoU", means["boundary_iou"], ""),
        ("fwIoU", means["fwiou"], ""),
        ("mACC", means["macc"], ""),
        ("pACC", means["pacc"], ""),
    ]
    if seen is not None:
        cards += [("mIoU, seen classes", seen["seen"], ""), ("mIoU, unseen classes", seen["unseen"], "")]
        cards += [("harmonic mean", seen["harmonic"], "of seen and unseen")]
    if panoptic is not None:
        for kind in ("all", "things", "stuff"):
            row = panoptic[kind]
            cards.append((f"PQ, {kind}", row["pq"], f"SQ {_percent(row['sq'])}, RQ {_percent(row['rq'])}"))
    if instances is not None:
        sizes = " / ".join(_percent(instances[f"ap_{size}"]) for size in ("small", "medium", "large"))
        cards.append(("AP", instances["ap"], f"small / medium / large {sizes}"))
        cards += [("AP50", instances["ap50"], ""), ("AP75", instances["ap75"], "")]
    return (
        "<div class=cards>"
        + "".join(
            f'<div class="card{" main" if i == 0 else ""}"><span>{name}</span><b>{_percent(value)}</b>'
            f"<span>{note}</span></div>"
            for i, (name, value, note) in enumerate(cards)
        )
        + "</div>"
    )


def _compared(compared: Sequence[Json]) -> list[str]:
    if not compared:
        return []
    columns = ("name", "miou", "low", "high", "gain", "gain_low", "gain_high", "miou_answered", "coverage", "pacc")
    heads = ("settings", "mIoU", "from", "to", "gain", "from", "to", "answered pixels alone", "answered", "pACC")
    note = (
        "" if len(compared) <= MOST_COMPARED else f" The best {MOST_COMPARED} of {len(compared)}; {COMPARED} has all."
    )
    return [
        "<h2>Other settings on the same masks</h2>",
        "<p class=soft>The gain is over the settings that were evaluated, on the same draws of images; from and to are "
        f"95 % intervals.{note}</p>",
        _table(heads, ([row[column] for column in columns] for row in compared[:MOST_COMPARED])),
    ]


def _classes(folder: Path, scores: Json) -> list[str]:
    heads = {
        "name": "class", "iou": "IoU", "accuracy": "accuracy", "boundary_iou": "boundary IoU", "pq": "PQ", "sq": "SQ",
        "rq": "RQ", "ap": "AP", "truth_px": "true pixels", "answered_px": "answered pixels", "rows": "stored rows",
    }  # fmt: skip
    columns = [key for key in heads if key in scores["classes"][0]]
    return [
        "<h2>Classes</h2>",
        _table([heads[key] for key in columns], ([row[key] for key in columns] for row in scores["classes"])),
        _charts(folder, BARS_PNG, CONFUSION_PNG),
    ]


def _continual(folder: Path, continual: Json) -> list[str]:
    heads = ("step", "all", "old", "new", "average", "forgetting", "backward transfer", "rows", "store MB", "seconds")
    rows = []
    for number, steps in enumerate(zip(*continual["seeds"], strict=True), start=1):
        scores = ("miou", "old", "new", "average", "forgetting", "backward_transfer")
        stored = _mean(steps, "rows"), _mean(steps, "store_bytes") / 1e6, _mean(steps, "seconds")
        rows.append([number, *(_mean_where_defined(steps, key) for key in scores), *stored])
    return [
        "<h2>Classes arriving in steps</h2>",
        f"<p class=soft>{_learned(continual)} mIoU after each step, the mean of {len(continual['seeds'])} orders. "
        "The memory forgets nothing: what an old class loses is what a new one takes.</p>",
        _table(heads, rows, {"rows": ",.0f", "store MB": ",.1f", "seconds": ",.1f"}),
        _charts(folder, CONTINUAL_PNG),
    ]


def _shots(folder: Path, shots: Json) -> list[str]:
    rows = [
        [found[0]["shots"] or "all", _mean(found, "miou"), _mean(found, "rows")]
        for found in zip(*shots["seeds"], strict=True)
    ]
    return [
        "<h2>Labelled instances of each class</h2>",
        f"<p class=soft>{_learned(shots)} The mean of {len(shots['seeds'])} draws of the instances.</p>",
        _table(("instances", "mIoU", "stored rows"), rows, {"stored rows": ",.0f"}),
        _charts(folder, SHOTS_PNG),
    ]


def _learned(found: Json) -> str:
    """The data sets, which need not be those of the scores above."""
    train = ", ".join(found["protocol"].get("train", ()))
    return escape(f"Learned from {train}, asked on {found['protocol'].get('val')}.")


def _pictures(folder: Path, pictures: Sequence[Json]) -> list[str]:
    kinds = {"worst": "Worst images", "best": "Best images", "confusion": "Evidence for the worst confusions"}
    parts = []
    for kind, head in kinds.items():
        chosen = [picture for picture in pictures if picture["kind"] == kind]
        parts += [f"<h2>{head}</h2>"] if chosen else []
        for picture in chosen:
            caption = escape(picture["title"]) + (f"<br>{escape(picture['caption'])}" if picture["caption"] else "")
            image = "".join(_image(folder / picture["file"], picture["title"]))
            parts.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return parts


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]], formats: Mapping[str, str] = NO_FORMATS) -> str:
    """A table that a click on a head sorts. Fractions are in percent, columns with a format of their own by that."""
    head = "".join(f"<th scope=col><button>{escape(name)}</button></th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(_cell(value, formats.get(name)) for name, value in zip(heads, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: object, form: str | None) -> str:
    if value is None:
        return '<td data-value="">-</td>'
    if isinstance(value, int | float) and form is not None:
        text = format(value, form)
    elif isinstance(value, float):
        text = _percent(value)
    else:
        text = f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td data-value="{escape(str(value))}">{escape(text)}</td>'


def _facts(facts: Json) -> str:
    def told(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {item}" for key, item in value.items())
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    rows = "".join(
        f"<tr><td>{escape(key.replace('_', ' '))}</td><td>{escape(told(value))}</td></tr>"
        for key, value in facts.items()
        if value not in (None, [], {})
    )
    return f"<div class=wide><table class=facts><tbody>{rows}</tbody></table></div>"


def _charts(folder: Path, *names: str) -> str:
    return f"<div class=charts>{''.join(image for name in names for image in _image(folder / name))}</div>"


def _image(file: Path, title: str = "") -> list[str]:
    if not file.is_file():
        return []
    kind = "png" if file.suffix == ".png" else "jpeg"
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    return [f'<img alt="{escape(title or file.stem)}" src="data:image/{kind};base64,{content}">']


def _mean(found: Sequence[Json], key: str) -> float:
    return float(sum(item[key] for item in found)) / len(found)


def _mean_where_defined(found: Sequence[Json], key: str) -> float | None:
    there = [item for item in found if item[key] is not None]
    return _mean(there, key) if there else None


def _between(interval: Json) -> str:
    if interval["low"] is None:
        return "one image has no interval"
    return f"{_percent(interval['low'])} to {_percent(interval['high'])}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{round(100 * value, 1) + 0.0:.1f}"  # + 0.0: no minus before a zero


def _read(file: Path) -> Any:  # noqa: ANN401 - JSON has no type
    return read_json(file) if file.is_file() else None
