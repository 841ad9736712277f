"""Who may know whom, and what every module promises."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "knnclip"
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = ("errors", "rle", "structures", "vocabulary", "fields", "images", "files", "progress", "parallel", "lazy",
          "detectron2_catalog", "presented")  # fmt: skip
OUTWARD = {"presented": {"output"}}
"""What an answer hands itself to when it is asked to show or save itself, the one way from the ground up."""

ROOMS = {
    # Each room with those that it may know beside the ground. Later ones may know earlier ones, never the other way.
    "parts": (),
    "networks": ("parts",),
    "masks": ("parts", "networks"),
    "encoders": ("parts", "networks"),
    "store": (),
    "decision": ("parts",),
    "datasets": (),
    "metrics": ("datasets",),
    "presets": ("parts", "decision"),
    "catalogue": ("parts", "networks", "masks", "encoders", "presets"),
    "fetching": ("parts", "catalogue", "presets"),
    "doctor": ("parts", "networks", "masks", "encoders", "presets", "catalogue", "datasets"),
    "analysis": ("parts", "decision"),
    "opinions": ("parts", "presets", "store", "decision"),
    "segmenter": ("parts", "masks", "catalogue", "presets", "store", "decision", "analysis", "opinions"),
    "history": ("store", "analysis", "segmenter"),
    "ingest": ("datasets", "analysis", "segmenter"),
    "projects": ("datasets", "analysis", "segmenter", "store", "ingest"),
    "output": ("datasets", "segmenter"),
    "evaluation": (
        "parts", "decision", "datasets", "metrics", "presets", "catalogue", "analysis", "segmenter", "store", "ingest",
        "output",
    ),
    "evaluation.report": ("datasets", "metrics", "segmenter", "store", "output", "evaluation"),
    "evaluation.runs": ("datasets", "segmenter", "evaluation", "evaluation.report", "metrics"),
}  # fmt: skip
DEMO = sorted((PACKAGE.parent / "demo").glob("*.py"))
DEMO_MAY_KNOW = {
    *GROUND,
    "cli",  # the options that both take
    "analysis",
    "segmenter",
    "store",
    "datasets",
    "metrics",
    "evaluation",
    "history",
    "ingest",
    "projects",
    "output",
}
HEAVY = {
    "torch",
    "timm",
    "huggingface_hub",
    "safetensors",
    "onnxruntime",
    "open_clip",
    "transformers",
    "faiss",
    "gradio",
    "cv2",
    "skimage",
    "scipy",
    "pycocotools",
    "rich",
    "matplotlib",
}


RUNS = "evaluation.runs"
"""The room that knows both evaluation and its report: whole runs, and the package's public names."""


def room_of(module):
    """The room of a module by its name within the package, as ``evaluation.report.page``."""
    if module in ("evaluation", "evaluation.__init__", RUNS):
        return RUNS
    return "evaluation.report" if module.startswith("evaluation.report") else module.split(".")[0]


def imports(path, *, top_level_only):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_knows_only_what_it_may(path):
    room = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    if room in ("cli", "__init__"):
        return
    found = (name.removeprefix("knnclip.") for name in imports(path, top_level_only=False) if "knnclip." in name)
    known = {room_of(name) for name in found}
    if room in GROUND:
        assert known <= {*GROUND, *OUTWARD.get(room, ())}
        return
    assert room in ROOMS, f"{room} has no place in the design; give it one here and in docs/architecture.md"
    assert known <= {*GROUND, *ROOMS[room], room}


def test_the_rooms_have_an_order():
    order = list(ROOMS)
    for room, known in ROOMS.items():
        assert all(order.index(other) < order.index(room) for other in known), room


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if "fcclip" in path.parts:
        return  # it is a network in PyTorch through and through, and imported only when it is asked for
    assert not {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.name)
def test_the_demo_is_a_skin(path):
    known = {name.split(".")[1] for name in imports(path, top_level_only=False) if name.startswith("knnclip.")}
    # A scribble's type is all that it knows of the masks.
    assert known - {"masks"} <= DEMO_MAY_KNOW
    assert not {name.split(".")[0] for name in imports(path, top_level_only=False)} & (HEAVY - {"gradio"})
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400


def test_help_imports_nothing_heavy():
    code = "import sys, knnclip.cli; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY, "numpy"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_there():
    import knnclip

    for name in knnclip.__all__:
        assert getattr(knnclip, name).__name__ == name
    assert knnclip.__version__ == version("knnclip")
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = knnclip.nothing_of_that_name
