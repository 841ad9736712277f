"""Small valid data sets, result files and archives, one writer a kind; mutations of them are what is tried."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil

H, W = 24, 32
CATEGORIES = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}]
RUNS = "S3i0Td0"
"""COCO's text of the runs 99, 25, 644: as many pixels as the image has."""

SQUARE = [2, 2, 14, 2, 14, 14, 2, 14]


def picture(path: Path, pixels: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(np.full((H, W, 3), 90, np.uint8) if pixels is None else pixels).save(path)


def halves(left: int, right: int) -> np.ndarray:
    labels = np.full((H, W), left, np.uint8)
    labels[:, W // 2 :] = right
    return labels


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def masks(root: Path) -> str:
    picture(root / "images" / "a.png")
    picture(root / "labels" / "a.png", halves(0, 1))
    put(root / "classes.txt", "0 cat 200 10 10 thing\n1 sky 0 0 255\n255 void\n")
    return "masks"


def coco(root: Path) -> str:
    picture(root / "images" / "a.png")
    picture(root / "images" / "b.png")
    runs = {"size": [H, W], "counts": [H * 4, H * 8, H * (W - 12)]}
    text = {"size": [H, W], "counts": RUNS}
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0, "area": 144},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": runs, "iscrowd": 1, "area": 192},
        {"id": 3, "image_id": 2, "category_id": 1, "segmentation": text, "iscrowd": 0, "area": 12},
    ]
    images = [{"id": i, "file_name": f"{name}.png", "height": H, "width": W} for i, name in ((1, "a"), (2, "b"))]
    put(root / "instances.json", {"images": images, "annotations": annotations, "categories": CATEGORIES})
    return "coco"


def lvis(root: Path) -> str:
    picture(root / "val2017" / "a.png")
    categories = [{"id": 7, "name": "cap_(hat)", "synonyms": ["cap_(hat)", "lid"], "frequency": "c"}]
    content = {
        "images": [{"id": 1, "coco_url": "http://x/val2017/a.png", "height": H, "width": W}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": [SQUARE]}],
        "categories": categories,
    }
    put(root / "lvis_v1_val.json", content)
    return "lvis"


def panoptic(root: Path) -> str:
    picture(root / "images" / "a.jpg")
    ids = np.stack([halves(1, 2), np.zeros((H, W), np.uint8), np.zeros((H, W), np.uint8)], axis=-1)
    picture(root / "panoptic_val" / "a.png", ids)
    segments = [{"id": 1, "category_id": 1, "iscrowd": 0, "area": 1}, {"id": 2, "category_id": 2, "iscrowd": 0}]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
        "categories": CATEGORIES,
    }
    put(root / "panoptic_val.json", content)
    return "coco-panoptic"


def yolo(root: Path) -> str:
    picture(root / "images" / "a.png")
    put(root / "labels" / "a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n1 0.2 0.2 0.9 0.2 0.9 0.9 0.2 0.9\n")
    put(root / "data.yaml", "names:\n  0: cat\n  1: sky\n")
    return "yolo"


def labelme(root: Path) -> str:
    picture(root / "a.png")
    file = io.BytesIO()
    Pil.fromarray(np.ones((6, 8), np.uint8)).save(file, "PNG")
    mask = base64.b64encode(file.getvalue()).decode()
    shapes = [
        {"label": "cat", "points": [[2, 2], [14, 2], [14, 14]], "group_id": 1, "shape_type": "polygon"},
        {"label": "cat", "points": [[2, 2], [14, 14]], "group_id": None, "shape_type": "rectangle"},
        {"label": "ball", "points": [[9, 9], [14, 9]], "group_id": None, "shape_type": "circle"},
        {"label": "sky", "points": [[3, 4], [11, 10]], "group_id": 2, "shape_type": "mask", "mask": mask},
    ]
    put(root / "a.json", {"imagePath": "a.png", "imageHeight": H, "imageWidth": W, "shapes": shapes})
    return "labelme"


def cvat(root: Path) -> str:
    picture(root / "images" / "a.png")
    put(
        root / "annotations.xml",
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><image id="0" name="a.png" width="{W}" height="{H}">
<polygon label="cat" points="2.0,2.0;14.0,2.0;14.0,14.0" z_order="1" group_id="3"/>
<box label="sky" xtl="0" ytl="0" xbr="20" ybr="10" z_order="0"/>
<ellipse label="ball" cx="9" cy="9" rx="4" ry="3" z_order="2"/>
<mask label="cat" rle="2, 3, 5, 38" left="4" top="5" width="8" height="6" z_order="3"/>
</image></annotations>""",
    )
    return "cvat"


def mapillary(root: Path) -> str:
    picture(root / "training" / "images" / "a.jpg")
    picture(root / "training" / "v2.0" / "labels" / "a.png", halves(0, 1))
    labels = [
        {"name": f"x--{name}", "readable": name, "evaluate": True, "instances": True, "color": [9, 8, i]}
        for i, name in enumerate(("Bird", "Sky", "Void"))
    ]
    put(root / "config_v2.0.json", {"labels": labels})
    return "mapillary"


def matlab(root: Path) -> str:
    from scipy.io import savemat

    picture(root / "JPEGImages" / "a.jpg")
    (root / "trainval").mkdir(parents=True)
    savemat(root / "trainval" / "a.mat", {"LabelMap": halves(1, 2).astype(np.uint16)})
    return "context-459"


def voc(root: Path) -> str:
    picture(root / "JPEGImages" / "a.jpg")
    picture(root / "SegmentationClass" / "a.png", halves(1, 2))
    picture(root / "SegmentationObject" / "a.png", halves(1, 2))
    return "voc"


SETS = {
    write.__name__: write for write in (masks, coco, lvis, panoptic, yolo, labelme, cvat, mapillary, matlab, voc)
}  # fmt: skip


def results(root: Path) -> None:
    """The truth of ``coco`` and ``panoptic`` with results for them."""
    coco(root / "coco")
    detections = [
        {"image_id": 1, "category_id": 1, "segmentation": {"size": [H, W], "counts": RUNS}, "score": 0.5},
        {"image_id": 1, "category_id": 2, "segmentation": [SQUARE], "score": 0.4},
        {
            "image_id": 2,
            "category_id": 1,
            "segmentation": {"size": [H, W], "counts": [H * W - 9, 9]},
            "score": 1,
        },
    ]
    put(root / "detections.json", detections)
    panoptic(root / "panoptic")
    panoptic(root / "answer")
    for folder in ("true", "predicted"):
        picture(root / folder / "a.png", halves(0, 1))
    put(root / "classes.txt", "0 cat\n1 sky\n")


def archive(file: Path, root: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root).as_posix())
