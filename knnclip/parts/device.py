"""Where networks run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from knnclip.errors import UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cuda", "mps", "cpu")


def pick_device(name: str = "auto") -> torch.device:
    """The device of a name, with ``auto`` the best that is there; ``UsageError`` if it is unknown or not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device in ("cuda", "mps", "cpu") if there[device]))
    kind = name.partition(":")[0]
    if kind not in there:
        raise UsageError(f"device {name!r} is not one of {', '.join(DEVICES)}")
    if not there[kind]:
        raise UsageError(f"device {name!r} is not on this machine; use --device auto or cpu")
    return torch.device(name)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Half precision where it pays: bfloat16 on CUDA; on the CPU networks run as they are."""
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
