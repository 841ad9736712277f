"""What is installed, where networks run, how much room there is, and what caches hold."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from knnclip.parts.caches import cache_folder
from knnclip.parts.device import pick_device

PACKAGES = (
    "knnclip",
    "torch",
    "torchvision",
    "faiss-gpu",
    "faiss-cpu",
    "open_clip_torch",
    "timm",
    "transformers",
    "huggingface_hub",
    "gradio",
    "opencv-python-headless",
    "opencv-python",
    "onnxruntime",
    "detectron2",
)
"""What answers can depend on; of those that exist in two builds, and of those on request, what is installed is told."""


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of Python and of each package that is installed."""
    yield "python", platform.python_version()
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def device(name: str) -> str:
    """Where networks run, and its memory; ``UsageError`` if there is no such device."""
    import torch

    where = pick_device(name)
    if where.type == "cuda":
        free, total = torch.cuda.mem_get_info(where)
        return f"{torch.cuda.get_device_name(where)}, {_gigabytes(free)} of {_gigabytes(total)} free"
    memory = f"{torch.get_num_threads()} threads, {_gigabytes(_memory())} of memory"
    return memory if where.type == "cpu" else f"{where.type}, {memory}"


def disk() -> str:
    """Room where weights go."""
    folder = hub_folder()
    while not folder.exists():
        folder = folder.parent
    return f"{_gigabytes(shutil.disk_usage(folder).free)} free at {folder}"


def caches() -> Iterator[tuple[Path, str]]:
    """The folders that keep weights and vectors of texts, with what each holds."""
    for folder in (hub_folder(), cache_folder()):
        yield folder, _gigabytes(_size(folder)) if folder.is_dir() else "empty"


def hub_folder() -> Path:
    """Where the hub's client keeps models."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


def _size(folder: Path) -> int:
    """Bytes of the files in it; a link counts for nothing, what it leads to is counted where it lies."""
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files if not file.is_symlink())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
