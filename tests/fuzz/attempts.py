"""One attempt each: something valid is made, spoiled and used. It ends as it should, or in a ``KnnclipError``."""

from __future__ import annotations

import json
import pickle
import random
import string
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from knnclip.datasets import open_dataset
from knnclip.datasets.archive import extract_zip
from knnclip.errors import KnnclipError
from tests.fuzz import sets
from tests.fuzz.mutations import mutate

Attempt = Callable[[Path, random.Random], str]


def reader(root: Path, rng: random.Random) -> str:
    """A data set of any format, one or two of its files spoiled, opened and read whole."""
    kind = rng.choice(list(sets.SETS))
    name = sets.SETS[kind](root)
    done = [mutate(rng.choice(files_in(root)), rng) for _ in range(rng.choice((1, 1, 1, 2))) if files_in(root)]
    read(root, rng.choice(("auto", name)))
    return f"{kind}, {' and '.join(done)}"


def archive(root: Path, rng: random.Random) -> str:
    """A zip of a data set, spoiled as bytes or by its names, unpacked and read."""
    import zipfile

    sets.SETS[rng.choice(list(sets.SETS))](root / "set")
    file = root / "set.zip"
    sets.archive(file, root / "set")
    if rng.random() < 0.3:
        names = ("", "a/", "a:b", "x/c:d", "..", "a/../../b", "/x", "a\\..\\..\\b", "n" * 300, "\xff", "a/. /b", "a")
        with zipfile.ZipFile(file, "a") as opened:
            for name in rng.sample(names, 2):
                opened.writestr(_entry(name), b"x")
        done = "names"
    else:
        done = mutate(file, rng)
    with suppress(KnnclipError):
        read(extract_zip(file, root / "out", max_bytes=2**24), "auto")
    outside = [path for path in root.rglob("*") if not path.is_relative_to(root / "out")]
    assert all(path.is_relative_to(root / "set") or path in (file, root / "set") for path in outside), outside
    return f"zip, {done}"


def score(root: Path, rng: random.Random) -> str:
    """Result files against truth files, one of them spoiled."""
    from knnclip.datasets.index_masks import read_classes
    from knnclip.metrics.score_files import score_instance_files, score_panoptic_files, score_semantic_files

    sets.results(root)
    files = [file for file in files_in(root) if file.suffix in (".json", ".txt") or rng.random() < 0.3]
    done = mutate(rng.choice(files), rng)
    expect(lambda: score_instance_files(root / "detections.json", root / "coco" / "instances.json"))
    truth, answer = root / "panoptic" / "panoptic_val", root / "answer" / "panoptic_val"
    expect(
        lambda: score_panoptic_files(answer.with_suffix(".json"), answer, truth.with_suffix(".json"), truth).compute()
    )
    expect(
        lambda: score_semantic_files(
            root / "predicted",
            root / "true",
            {index: label.name for index, label in read_classes(root / "classes.txt").items()},
        ).compute()
    )
    return f"score, {done}"


def journal(root: Path, rng: random.Random) -> str:
    """A journal of two images, edited by hand, read as an evaluation does."""
    import numpy as np

    from knnclip.evaluation.journal import Journal, check_protocol, records, refusals
    from knnclip.evaluation.record import ImageRecord, instance_annotation
    from knnclip.evaluation.totals import SetClasses, Totals
    from knnclip.metrics.panoptic import SegmentCounts
    from knnclip.metrics.semantic import PixelCounts
    from knnclip.structures import Mask

    protocol = {"data": "there", "masks": "own"}
    mask = Mask.from_dense(sets.halves(0, 1))
    item = ImageRecord(
        "a",
        PixelCounts(np.array([[5, 1, 0], [0, 7, 2]]), np.array([[1, 1, 1], [2, 3, 4]])),
        SegmentCounts(np.array([0.9, 0]), np.array([[1, 0, 0], [0, 1, 1]])),
        instances=(instance_annotation(mask, 0, iscrowd=0),),
        detections=(instance_annotation(mask, 0, score=0.5),),
        compared={"base": np.array([[0, 0, 5]])},
    )
    with Journal(root, protocol) as opened:
        opened.add("a", "1", item, [("x", None, "y")])
        opened.add("b", "1", None, [("b", "line 1", "damaged")])
    file = root / "images.jsonl"
    lines = file.read_text().splitlines()
    if rng.random() < 0.7:
        number = rng.randrange(len(lines))
        part = root / "line.json"
        part.write_text(lines[number])
        done = mutate(part, rng)
        lines[number] = part.read_bytes().decode("utf-8", "surrogateescape").replace("\n", " ") if part.exists() else ""
        file.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    else:
        done = mutate(file, rng)

    def run() -> None:
        with Journal(root, protocol):
            pass
        check_protocol(root, protocol)
        refusals(root)
        totals = Totals(SetClasses(("cat", "sky"), (True, False)))
        for record in records(root, 2):
            totals.add(record)
        if totals.images:
            totals.compute()

    expect(run)
    return f"journal, {done}"


def report(root: Path, rng: random.Random) -> str:
    """The files of results of a report, edited by hand, made into a page."""
    from knnclip.evaluation.report.page import write_page

    head = {"protocol": {"data": "there", "masks": "own", "val": "v", "train": ["t"]}, "run": {"command": "x"}}
    figures = dict.fromkeys(
        ("miou", "coverage", "miou_answered", "miou_truth", "boundary_iou", "fwiou", "macc", "pacc"), 0.5
    )
    scores = {
        **head, "images": 3, "panoptic": None, "instances": None, "compared": [],
        "scores": {**figures, "classes_with_truth": 2, "miou_interval": {"low": 0.1, "high": 0.2}, "seen": None},
        "classes": [{"name": "cat", "iou": 0.5, "accuracy": 0.5, "boundary_iou": None, "truth_px": 3}],
    }  # fmt: skip
    shots = {**head, "seeds": [[{"shots": 1, "miou": 0.5, "instances": 4}]]}
    sets.put(root / "scores.json", scores)
    sets.put(root / "shots.json", shots)
    sets.put(root / "pictures.json", [{"file": "a.jpg", "kind": "worst", "title": "a", "caption": ""}])
    done = mutate(rng.choice(files_in(root)), rng)
    expect(lambda: write_page(root))
    return f"report, {done}"


def weights(root: Path, rng: random.Random) -> str:
    """A file of weights, its header or its bytes spoiled."""
    import torch
    from safetensors.torch import save_file

    from knnclip.parts.weights import read_weights

    tensors = {"layer.weight": torch.zeros(3, 4), "layer.bias": torch.zeros(3)}
    if rng.random() < 0.7:
        file = root / "w.safetensors"
        save_file(tensors, file)
        content = file.read_bytes()
        size = int.from_bytes(content[:8], "little")
        if rng.random() < 0.7:
            header = root / "header.json"
            header.write_bytes(content[8 : 8 + size])
            done = mutate(header, rng)
            spoiled = header.read_bytes() if header.exists() else b""
            length = rng.choice((len(spoiled), len(spoiled), size, 2**63, 0))
            file.write_bytes(length.to_bytes(8, "little") + spoiled + content[8 + size :])
        else:
            done = mutate(file, rng)
    elif rng.random() < 0.4:
        file = root / "w.pth"
        torch.save(tensors, file)
        done = mutate(file, rng)
    else:
        file = root / "w.pkl"
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        file.write_bytes(pickle.dumps({"model": arrays, "__author__": "zoo"}, rng.choice((0, 2, 4, 5))))
        done = mutate(file, rng)
    expect(lambda: read_weights(file))
    return f"weights, {done}"


def onnx(root: Path, rng: random.Random) -> str:
    """A network that may have another rank, a fixed size or two inputs, or spoiled bytes."""
    import numpy as np

    from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings

    model = root / "x.onnx"
    done = _network(model, rng)
    if rng.random() < 0.5:
        done = f"{done}, {mutate(model, rng)}"
    (root / "labels.txt").write_text(rng.choice(("a\nb\nc\n", "a\nb\n", "", ",\n,\n\n,", "\n")))
    image = np.zeros((rng.choice((1, 7, 24)), rng.choice((1, 9, 32)), 3), np.uint8)
    expect(lambda: OnnxSegmenter(OnnxSettings(model, str(root / "labels.txt")), "cpu").generate(image))
    return f"onnx, {done}"


def name(root: Path, rng: random.Random) -> str:
    """Any text as the name of a class, by way of a list of classes, of YOLO's names and of a JSON."""
    from knnclip.errors import UsageError
    from knnclip.vocabulary import check_name, default_color

    alphabet = string.printable + "\0\x1b\u202e\ud800\udfff\ufeff\u2028é😀"
    text = "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 3, 20, 2000))))
    with suppress(UsageError):
        default_color(check_name(text))
    root.mkdir(exist_ok=True)
    (root / "classes.txt").write_bytes(f"0 {text}\n1 sky\n".encode("utf-8", "surrogatepass"))
    sets.picture(root / "images" / "a.png")
    sets.picture(root / "labels" / "a.png", sets.halves(0, 1))
    read(root, "masks")
    (root / "data.yaml").write_bytes(f"names: [{text}, sky]\n".encode("utf-8", "surrogatepass"))
    expect(lambda: open_dataset(root, "yolo"))
    sets.coco(root / "coco")
    content = json.loads((root / "coco" / "instances.json").read_text())
    content["categories"][0]["name"] = text
    sets.put(root / "coco" / "instances.json", content)
    read(root / "coco", "coco")
    return f"name {text[:20]!r}"


ATTEMPTS: dict[str, Attempt] = {
    "readers": reader, "archives": archive, "score": score, "journals": journal, "reports": report,
    "weights": weights, "onnx": onnx, "class names": name,
}  # fmt: skip


def files_in(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def expect(run: Callable[[], object]) -> None:
    """Runs it; a ``KnnclipError`` on one line is as it should be, anything else is not."""
    with suppress(KnnclipError):
        run()


def read(root: Path, data_format: str) -> None:
    """Opens a data set and reads all of it; a sample may fail, the others are read."""
    try:
        dataset = open_dataset(root, data_format)
    except KnnclipError:
        return
    for sample in dataset.samples:
        try:
            labelled = dataset.load(sample)
        except KnnclipError:
            continue
        assert labelled.label_map.shape == labelled.image.shape[:2]
        assert labelled.label_map.max() < len(dataset.classes)
        assert all(item.mask.shape == labelled.label_map.shape for item in labelled.instances)


def _entry(name: str):
    import zipfile

    entry = zipfile.ZipInfo("x")
    entry.filename = name
    return entry


def _network(file: Path, rng: random.Random) -> str:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    kind = rng.choice(("good", "fixed", "rank", "two", "channels", "flat", "nan", "integer", "batch"))
    sides = [24, 32] if kind == "fixed" else ["h", "w"]
    shape = {"rank": [3, *sides], "channels": [1, 4, *sides], "batch": [2, 3, *sides]}.get(kind, [1, 3, *sides])
    dtype = TensorProto.INT64 if kind == "integer" else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", dtype, shape)]
    if kind == "two":
        inputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
    scale = np.array(np.nan if kind == "nan" else 2, dtype=np.int64 if kind == "integer" else np.float32)
    nodes = [helper.make_node("Mul", ["x", "scale"], ["logits" if kind != "flat" else "inner"])]
    if kind == "flat":
        nodes.append(helper.make_node("Flatten", ["inner"], ["logits"]))
    outputs = [helper.make_tensor_value_info("logits", dtype, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(scale, "scale")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return kind
