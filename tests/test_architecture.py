"""Who may know whom, and what every module promises."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "knnclip"
MODULES = sorted(PACKAGE.rglob("*.py"))

WORDS = {
    "errors",
    "structures",
    "images",
    "vocabulary",
    "registry",
    "atoms",
    "parallel",
    "parts",
    "weights",
    "device",
    "pooling",
    "dense",
    "selection",
}
BOXES = {
    "masks", "encoders", "classifiers", "store", "datasets", "retrieval", "fusion", "assembly", "explanation",
    "evaluation", "rendering",
}  # fmt: skip
MAY_KNOW = {
    **dict.fromkeys(WORDS | BOXES, WORDS),
    "presets": WORDS | BOXES,
    "colors": WORDS,
    "networks": WORDS,
    "masks": WORDS | {"networks"},
    "encoders": WORDS | {"networks"},
    "needs": WORDS | {"masks", "encoders", "networks", "presets"},
    "classifiers": WORDS | {"networks"},
    "explanation": WORDS | {"assembly"},
    "cached": WORDS | {"masks", "encoders", "classifiers"},
    "segmenter": WORDS | BOXES | {"presets", "cached"},
    "history": WORDS | BOXES | {"segmenter"},
    "ingest": WORDS | BOXES | {"presets", "segmenter"},
    "cases": WORDS | BOXES | {"presets", "segmenter"},
    "evaluate": WORDS | BOXES | {"presets", "segmenter", "cases"},
    "comparison": WORDS | BOXES | {"presets"},
    "illustrate": WORDS | BOXES | {"segmenter", "cases", "evaluate", "colors"},
    "runs": WORDS | BOXES | {"segmenter", "cases", "comparison", "evaluate", "illustrate"},
    "material": WORDS | BOXES | {"presets", "segmenter", "cases", "ingest"},
    "continual": WORDS | {"presets", "segmenter", "material"},
    "shots": WORDS | {"presets", "segmenter", "material"},
    "writing": WORDS | BOXES | {"colors", "presets", "segmenter"},
}
DEMO = sorted((PACKAGE.parent / "demo").glob("*.py"))
DEMO_MAY_KNOW = WORDS | {
    "segmenter",
    "store",
    "datasets",
    "evaluation",
    "history",
    "ingest",
    "evaluate",
    "rendering",
    "colors",
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


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


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
    part = part_of(path)
    if part in ("cli", "__init__"):
        return
    assert part in MAY_KNOW, f"{part} has no place in the design; give it one here"
    known = {name.split(".")[1] for name in imports(path, top_level_only=False) if name.startswith("knnclip.")}
    assert known <= MAY_KNOW[part] | {part}


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
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = knnclip.nothing_of_that_name
