"""Published FC-CLIP checkpoints: which network they are of, into it, and into the safetensors format."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import open_clip
import torch

from knnclip.errors import WeightsError
from knnclip.networks.fcclip.naming import TRAINING, to_official, to_own
from knnclip.networks.fcclip.network import FcClipNetwork, Layout
from knnclip.parts.weights import check_fits, read_weights

CLIP = "backbone.clip_model."
STEMS = (CLIP + "visual.trunk.stem.0.weight", CLIP + "visual.conv1.weight")
BACKBONES: Mapping[tuple[int, int, int], str] = MappingProxyType(
    {
        (0, 192, 768): "convnext_large_d_320",
        (0, 128, 640): "convnext_base_w_320",
        (0, 384, 1024): "convnext_xxlarge",
        (1, 32, 1024): "RN50",
        (1, 32, 512): "RN101",
        (1, 40, 640): "RN50x4",
        (1, 48, 768): "RN50x16",
        (1, 64, 1024): "RN50x64",
    }
)
"""open_clip's models by the kind of their stem (of ``STEMS``), its channels, and the size of the text space."""


def read_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by their official names, those of training left away; see ``read_weights``."""
    return {name: tensor for name, tensor in read_weights(path).items() if not name.startswith(TRAINING)}


def load_network(path: str | Path, clip: str = "") -> FcClipNetwork:
    """The network of a checkpoint, in float32 on the CPU.

    ``clip`` names open_clip's model where the shapes do not tell it. ``WeightsError`` lists what is missing, left over
    or of another shape, under the official names.
    """
    weights = read_checkpoint(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    network = make_network(shapes, clip, source=str(path))
    network.load_state_dict(to_own(weights))
    return network


def make_network(shapes: Mapping[str, tuple[int, ...]], clip: str = "", *, source: str) -> FcClipNetwork:
    """The network with parameters of these shapes under their official names; its weights are random."""
    model = clip or _backbone(shapes, source)
    try:
        layout = Layout.of(shapes)
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(
            f"{source} is no checkpoint of FC-CLIP: its decoders are missing ({error}); expected parameters like "
            "sem_seg_head.predictor.query_feat.weight"
        ) from error
    network = FcClipNetwork(_clip_model(model), model, layout)
    check_fits(
        {name: tuple(tensor.shape) for name, tensor in to_official(network.state_dict()).items()}, shapes, source
    )
    return network


def convert(path: str | Path, out: str | Path, clip: str = "") -> int:
    """Writes a checkpoint as safetensors under the same names, after it was seen to fit; how many tensors it has."""
    from safetensors.torch import save

    from knnclip.files import write_atomically

    weights = read_checkpoint(path)
    with torch.device("meta"):
        make_network({name: tuple(tensor.shape) for name, tensor in weights.items()}, clip, source=str(path))
    write_atomically(Path(out), save({name: tensor.contiguous() for name, tensor in weights.items()}))
    return len(weights)


def _backbone(shapes: Mapping[str, tuple[int, ...]], source: str) -> str:
    embed = shapes.get("void_embedding.weight", (0, 0))[1]
    for kind, stem in enumerate(STEMS):
        if stem in shapes and (kind, shapes[stem][0], embed) in BACKBONES:
            return BACKBONES[kind, shapes[stem][0], embed]
    raise WeightsError(
        f"{source} has none of the known CLIP backbones ({', '.join(BACKBONES.values())}); is it a checkpoint of "
        "FC-CLIP? If so, name open_clip's model with clip=NAME"
    )


def _clip_model(name: str) -> Any:  # noqa: ANN401 - open_clip's models share no class
    """open_clip's model with random weights.

    FC-CLIP's ResNets are OpenAI's, whose text towers were trained with QuickGELU: open_clip builds them so for their
    published weights, but a model by its bare name with plain GELU.
    """
    vision = (open_clip.get_model_config(name) or {}).get("vision_cfg", {})
    is_resnet = isinstance(vision.get("layers"), list)  # blocks of each stage; a transformer has a number
    # It warns that the weights are random; they come from the checkpoint.
    logging.disable(logging.WARNING)
    try:
        return open_clip.create_model(
            name,
            load_weights=False,
            pretrained_image=False,
            pretrained_text=False,
            force_quick_gelu=is_resnet,
            device=str(torch.get_default_device()),
        )
    finally:
        logging.disable(logging.NOTSET)
