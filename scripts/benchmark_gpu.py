"""What each preset takes on the CPU and on a GPU, and whether both give the same, with random weights.

python scripts/benchmark_gpu.py [--device auto] [--presets NAME ...] [--size 640x480] [--passes 2] [--json FILE]

The networks are of the published size. Each preset runs in a process of its own on each device, on one drawn picture: a
pass is masks, vectors and the classifier's description, for as many masks as the built-in generator finds, since a
network with random weights finds few. The first pass, which warms up, is not counted on a GPU; the fastest of the
others is. Seconds of the processor, halved, are what two cores take that do nothing else. Texts are not in it: they are
encoded once a name and kept. Memory is the largest that the process was; of a GPU, what was allocated. On CUDA parts
run under bfloat16 autocast, and are compared with the CPU's float32.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

from knnclip.catalogue import make_parts  # noqa: E402
from knnclip.doctor.finding import HALF, SINGLE, iou, street  # noqa: E402
from knnclip.masks.regions import RegionGenerator, RegionSettings  # noqa: E402
from knnclip.parts.device import pick_device  # noqa: E402
from knnclip.parts.proposals import propose  # noqa: E402
from knnclip.parts.roles import CellEncoder  # noqa: E402
from knnclip.parts.spec import PartSpec  # noqa: E402
from knnclip.presets import PRESETS, Preset  # noqa: E402
from knnclip.structures import Mask  # noqa: E402

ROWS, DIM, QUERIES, NEIGHBOURS = 100_000, 256, 150, 16
"""Of the search: a store of some hundred pictures, one picture's masks, the neighbours that vote."""

COLUMNS = (
    "preset", "s by the clock", "s on two cores", "memory, MB", "s on the GPU", "its memory, MB",
    "IoU of masks", "cosine of vectors", "of descriptions", "agree",
)  # fmt: skip

EVERY_MASK = {"sam": {"min_score": "0", "min_stability": "0", "points": "8"}}
"""Options under which random weights leave masks that can be compared."""


@dataclass(frozen=True)
class Run:
    """A preset on a device."""

    seconds: float  # by the clock
    cpu_s: float  # of all cores together
    memory_mb: float
    gpu_mb: float | None
    masks: list[Mask]  # of the generator, with limits at which random weights have some
    vectors: np.ndarray  # (N, D)
    descriptions: np.ndarray  # (N, E), empty without a classifier


def agreement(reference: Run, other: Run) -> dict[str, float]:
    """Of masks, each against the best of the other's: mean IoU; of vectors and descriptions: the least cosine."""
    best = [max((iou(mask, found) for found in other.masks), default=0.0) for mask in reference.masks]
    return {
        "iou": float(np.mean(best)) if best else 1.0,
        "cosine": _least_cosine(reference.vectors, other.vectors),
        "described": _least_cosine(reference.descriptions, other.descriptions),
    }


def _least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    if not one.size:
        return 1.0
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def run(preset: Preset, device: str, size: tuple[int, int], passes: int) -> Run:
    """Measures in this process."""
    import torch

    where = pick_device(device)
    parts = make_parts(preset, device)
    image = street(size[1], size[0])
    known = list(RegionGenerator(RegionSettings()).generate(image).masks)

    def one_pass() -> tuple[float, float]:
        picture = image.copy()  # parts remember a picture that they have seen
        start, spent = time.perf_counter(), time.process_time()
        proposals = propose(parts.generator, parts.encoder, picture)
        masks = [*proposals.masks, *known][: max(len(proposals.masks), len(known))]
        parts.encoder.encode(picture, masks)
        if isinstance(parts.encoder, CellEncoder):
            parts.encoder.cells(picture)
        if parts.classifier is not None:
            parts.classifier.describe(picture, masks)
        return time.perf_counter() - start, time.process_time() - spent

    taken = [one_pass() for _ in range(passes + (where.type == "cuda"))]
    seconds, cpu_s = (min(each) for each in zip(*(taken[1:] if where.type == "cuda" else taken), strict=True))
    memory_mb = _peak_mb()
    gpu_mb = torch.cuda.max_memory_allocated() / 2**20 if where.type == "cuda" else None
    changed = preset.masks
    for name, value in EVERY_MASK.get(changed.name, {}).items():
        changed = changed.with_option(name, value)
    same = changed == preset.masks
    generator = parts.generator if same else make_parts(replace(preset, masks=changed), device).generator
    classifier = parts.classifier
    described = np.zeros((0, 0)) if classifier is None else classifier.describe(image, known)
    masks, vectors = list(generator.generate(image).masks), parts.encoder.encode(image, known)
    return Run(seconds, cpu_s, memory_mb, gpu_mb, masks, vectors, described)


def search(device: str) -> dict[str, Any]:
    """Milliseconds of an exact search by FAISS, on the CPU and, where this build has one, on the GPU."""
    import faiss

    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(count, DIM)).astype(np.float32) for count in (ROWS, QUERIES))
    for block in (rows, queries):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    flat = faiss.IndexFlatIP(DIM)
    flat.add(rows)
    expected, cpu_ms = _search(flat, queries)
    found: dict[str, Any] = {"cpu_ms": cpu_ms, "gpu_ms": None, "same": None}
    if pick_device(device).type == "cuda" and getattr(faiss, "get_num_gpus", lambda: 0)():
        ids, found["gpu_ms"] = _search(faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, flat), queries)
        found["same"] = float((ids == expected).mean())
    return found


def _search(index: Any, queries: np.ndarray) -> tuple[np.ndarray, float]:  # noqa: ANN401 - of faiss
    index.search(queries, NEIGHBOURS)
    start = time.perf_counter()
    _, ids = index.search(queries, NEIGHBOURS)
    return ids, 1000 * (time.perf_counter() - start)


def _peak_mb() -> float:
    """Of this process; Linux."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def _one(folder: Path, device: str, size: tuple[int, int], passes: int) -> None:
    """The child's part: the preset in ``folder`` on a device, its result beside it."""
    specs = json.loads((folder / "preset.json").read_text())
    preset = replace(PRESETS[specs["name"]], **_read(specs))
    result = run(preset, device, size, passes)
    counts = [mask.encode() for mask in result.masks]
    np.savez(
        folder / f"{device.partition(':')[0]}.npz",
        figures=np.array([result.seconds, result.cpu_s, result.memory_mb, result.gpu_mb or -1]),
        boxes=np.array([mask.box_xyxy for mask in result.masks], dtype=np.int64).reshape(-1, 4),
        counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
        ends=np.cumsum([len(each) for each in counts], dtype=np.int64),
        shape=np.array(size[::-1]),
        vectors=result.vectors,
        descriptions=result.descriptions,
    )


def _read(specs: dict[str, Any]) -> dict[str, Any]:
    from knnclip.parts.spec import EncoderSpec

    one = {name: PartSpec.from_json(specs[name]) for name in ("masks", "promptable")}
    classifier = specs["classifier"] and PartSpec.from_json(specs["classifier"])
    return one | {"encoder": EncoderSpec.from_json(specs["encoder"]), "classifier": classifier}


def _written(preset: Preset) -> str:
    specs: dict[str, Any] = {name: getattr(preset, name).to_json() for name in ("masks", "promptable", "encoder")}
    classifier = preset.classifier and preset.classifier.to_json()
    return json.dumps({"name": preset.name, **specs, "classifier": classifier})


def _in_a_process(folder: Path, device: str, size: str, passes: int) -> Run:
    command = [
        sys.executable,
        __file__,
        "--one",
        str(folder),
        "--device",
        device,
        "--size",
        size,
        "--passes",
        str(passes),
    ]
    environment = os.environ | {"KNNCLIP_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    kept = np.load(folder / f"{device.partition(':')[0]}.npz")
    seconds, cpu_s, memory_mb, gpu_mb = kept["figures"].tolist()
    counts, starts = kept["counts"].tobytes(), [0, *kept["ends"].tolist()]
    shape = (int(kept["shape"][0]), int(kept["shape"][1]))
    masks = [
        Mask.decode(counts[start:end], tuple(box), shape)
        for box, start, end in zip(kept["boxes"].tolist(), starts, starts[1:], strict=False)
    ]
    return Run(seconds, cpu_s, memory_mb, None if gpu_mb < 0 else gpu_mb, masks, kept["vectors"], kept["descriptions"])


def main(presets: list[str], device: str, size: str, passes: int, out: Path | None) -> int:
    """Prints the table; 1 if a GPU does not give what the CPU gives."""
    import torch

    from scripts.random_weights import stand_in

    where = pick_device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
    print(f"CPU with {torch.get_num_threads()} threads" + ("" if where.type == "cpu" else f" and {name}") + f", {size}")
    near, rows = (HALF if where.type == "cuda" else SINGLE), []
    print(_row(COLUMNS))
    print(_row(["---"] * len(COLUMNS)), flush=True)
    for each in presets:
        with tempfile.TemporaryDirectory() as kept:
            folder = Path(kept)
            (folder / "preset.json").write_text(_written(stand_in(PRESETS[each], folder)))
            cpu = _in_a_process(folder, "cpu", size, passes)
            row: dict[str, Any] = {"preset": each, "s": cpu.seconds, "cpu_s": cpu.cpu_s / 2, "memory_mb": cpu.memory_mb}
            if where.type != "cpu":
                other = _in_a_process(folder, where.type, size, passes)
                row |= {"gpu_s": other.seconds, "gpu_mb": other.gpu_mb} | agreement(cpu, other)
                row["agree"] = row["iou"] >= near.iou and min(row["cosine"], row["described"]) >= near.cosine
        rows.append(row)
        print(_line(row), flush=True)
    found = search(device)
    gpu = "not measured on a GPU"
    if found["gpu_ms"] is not None:
        gpu = f"{found['gpu_ms']:.1f} ms on the GPU, {found['same']:.2%} the same"
    print(f"FAISS, {QUERIES} queries in {ROWS:,} of {DIM}-d: {found['cpu_ms']:.1f} ms on the CPU, {gpu}")
    if out:
        out.write_text(json.dumps({"device": name, "size": size, "presets": rows, "search": found}, indent=1))
    return int(not all(row.get("agree", True) for row in rows))


def _line(row: dict[str, Any]) -> str:
    cells = [f"`{row['preset']}`", f"{row['s']:.1f}", f"{row['cpu_s']:.1f}", f"{row['memory_mb']:.0f}"]
    if "gpu_s" not in row:
        return _row([*cells, *["not measured"] * (len(COLUMNS) - len(cells))])
    memory = "not told" if row["gpu_mb"] is None else f"{row['gpu_mb']:.0f}"
    likeness = (f"{row[name]:.5f}" for name in ("iou", "cosine", "described"))
    return _row([*cells, f"{row['gpu_s']:.2f}", memory, *likeness, "yes" if row["agree"] else "NO"])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        width, _, height = given.size.partition("x")
        _one(given.one, given.device, (int(width), int(height)), given.passes)
    else:
        sys.exit(main(given.presets, given.device, given.size, given.passes, given.json))
