"""DINOv2 and DINOv3 at their full architecture (ViT-S) with weights by a formula, beside their authors' own code.

``python -m tests.encoders.dino FOLDER`` writes ``dino.npz``: what the checkouts ``FOLDER/dinov2`` and ``FOLDER/dinov3``
(github.com/facebookresearch) say of ``picture``, at a few cells of two stages, final norm included.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import timm
import torch

GOLDEN = Path(__file__).with_name("dino.npz")
STAGES = (5, 11)
CELLS = 7
"""Every so many cells of a map, in both directions, are kept."""

SIZES = {
    "vit_small_patch14_dinov2": (518, 518),  # where no position is interpolated, which timm does with antialiasing
    "vit_small_patch14_reg4_dinov2": (224, 336),
    "vit_small_patch16_dinov3": (224, 320),
}
"""Height and width of the picture for each network, by timm's name."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, with which both networks' authors normalise."""


def weights(name: str) -> dict[str, torch.Tensor]:
    """A network's state in timm's layout, each parameter from a seed of its own."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in timm.create_model(name, num_classes=0).state_dict().items()}
    return {key: torch.from_numpy(_values(key, tuple(shape))) for key, shape in shapes.items()}


def _values(key: str, shape: tuple[int, ...]) -> np.ndarray:
    # Norms and scales of layers in the order of 1, so that every layer counts; the rest small.
    spread = 1.0 if "gamma" in key or ("norm" in key and key.endswith("weight")) else 0.05
    found = np.random.default_rng(zlib.crc32(key.encode())).random(shape, dtype=np.float32)
    return (2 * found - 1) * np.float32(spread)


def picture(name: str) -> np.ndarray:
    """``(H, W, 3) uint8``"""
    return np.random.default_rng(7).integers(0, 256, (*SIZES[name], 3)).astype(np.uint8)


def original(name: str, folder: Path) -> list[np.ndarray]:
    """``(C, h, w)`` of each stage, from the authors' ``get_intermediate_layers`` with its own defaults."""
    kind = "dinov3" if "dinov3" in name else "dinov2"
    sys.path.insert(0, str(folder / kind))
    try:
        if kind == "dinov3":
            from dinov3.hub.backbones import dinov3_vits16 as make
        elif "reg4" in name:
            from dinov2.hub.backbones import dinov2_vits14_reg as make
        else:
            from dinov2.hub.backbones import dinov2_vits14 as make
    finally:
        sys.path.remove(str(folder / kind))
    network = make(pretrained=False).eval()
    network.load_state_dict(_as_published(weights(name), network.state_dict()))
    normal = (picture(name) / 255 - np.array(MEAN)) / np.array(STD)
    batch = torch.from_numpy(normal.transpose(2, 0, 1).astype(np.float32))[None]
    with torch.inference_mode():
        layers = network.get_intermediate_layers(batch, n=list(STAGES), reshape=True)
    return [layer[0].numpy() for layer in layers]


def _as_published(timms: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Timm's layout in the authors': what timm leaves away (mask token, biases of zero) is nought or their own."""
    registers = "storage_tokens" if "storage_tokens" in own else "register_tokens"
    names = {"reg_token": registers, "gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
    state = {key: value if "rope" in key else torch.zeros_like(value) for key, value in own.items()}
    for key, value in timms.items():
        for timm_name, name in names.items():
            key = key.replace(timm_name, name)
        state[key] = value
    if "register_tokens" in state:  # timm adds the class token's position to the token
        state["pos_embed"] = torch.cat([torch.zeros_like(state["cls_token"]), state["pos_embed"]], dim=1)
    return state


def kept(maps: list[np.ndarray]) -> np.ndarray:
    """``(stages, C, n)`` of a few cells."""
    return np.stack([plane[:, ::CELLS, ::CELLS].reshape(len(plane), -1)[:, -6:] for plane in maps])


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **{name: kept(original(name, Path(sys.argv[1]))) for name in SIZES})
