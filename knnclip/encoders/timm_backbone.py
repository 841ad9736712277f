"""Networks of timm as their encoder needs them: made for inputs of every size, with what is known of their maps."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knnclip.encoders.wheels import SCHEME, wheel_of
from knnclip.errors import UsageError, WeightsError, unknown_name
from knnclip.parts.inputs import LOCAL_PIXELS
from knnclip.parts.weights import load_weights, read_weights
from knnclip.structures import Layout

if TYPE_CHECKING:
    import torch

HEADS = ("classifier", "head", "fc", "conv_head", "bn2", "norm_head", "attn_pool", "fc_norm")
"""Layers behind the features, which a file may have and the encoder leaves away."""

STRIP_CELLS = 3, 30
"""Height and width, in cells of the coarsest map, of the input on which a network is tried. It is as wide as pictures
become by default, so that tables of positions which end before show it, is no square, which windows and fixed positions
may want, and costs a seventh of such a picture. Networks without padding need three cells for one."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network, and where and how its maps lie."""

    network: Any  # timm's networks share no class
    channels: tuple[int, ...]  # of the map of each stage, fine ones first
    multiple: int  # pixels of the input for a cell of the coarsest map
    layout: Layout
    normed: bool  # whether it ends in a norm of each cell, which its maps then pass
    trained_pixels: int  # size of the pictures that it was trained with
    pixels: int  # of the input, unless somebody wants another size
    mean: tuple[float, ...]  # (3,) in 0..1, of the channels of its input
    std: tuple[float, ...]  # (3,)

    def maps(self, batch: torch.Tensor, stages: list[int]) -> list[torch.Tensor]:
        """``(N, 3, H, W)`` -> ``(N, C, h, w)`` of each of ``stages``.

        The final norm of a transformer is applied to every stage that it fits, as in ``get_intermediate_layers`` of
        DINOv2 and DINOv3: without it a few channels with very large values outweigh all others.
        """
        return _maps(self.network, batch, stages, self.normed)


def load_backbone(model: str, weights: Path | None, pad_type: str, device: torch.device) -> Backbone:
    """The network ``model``, a name of timm, ``pip:PACKAGE``, ``hf-hub:ID`` or ``local-dir:FOLDER``, with its weights.

    ``weights`` is a file in their place, ``pad_type`` an option of networks that were trained in TensorFlow. Raises
    ``UsageError`` for an unknown model and for one that takes inputs of a single size, ``WeightsError`` if the weights
    are not here.
    """
    import timm
    import torch

    wheel = wheel_of(model)
    if wheel is None:
        network = _create(model, not weights, pad_type, num_classes=0)
    else:  # what it has learned to name is known, so its classifier stays
        network = _create(wheel.architecture, False, pad_type)
    if weights:
        load_weights(network, read_weights(weights), source=str(weights), unused=HEADS)
    elif wheel is not None:
        load_weights(network, wheel.read(), source=SCHEME + wheel.package)
    network.eval().requires_grad_(False).to(device)
    info = getattr(network, "feature_info", None)
    if not info or not hasattr(network, "forward_intermediates"):
        raise UsageError(f"timm model {model} gives no maps of its stages, which an encoder pools; take another")
    stages = info.get_dicts() if hasattr(info, "get_dicts") else info
    reductions = [int(stage["reduction"]) for stage in stages]
    norm = getattr(network, "norm", torch.nn.Identity())
    # What convolutional networks call their norm is one of batches or groups: a layer like others, no norm of cells.
    normed = not isinstance(norm, (torch.nn.Identity, torch.nn.BatchNorm2d, torch.nn.GroupNorm))
    _try_on_a_strip(network, model, reductions[-1], normed)
    config = timm.data.resolve_model_data_config(network)
    # Where all stages are as coarse as the first, every cell looks at every other.
    as_trained = int(config["input_size"][1] * config["input_size"][2])
    return Backbone(
        network,
        tuple(int(stage["num_chs"]) for stage in stages),
        reductions[-1],
        _layout(network, reductions[-1]),
        normed,
        as_trained,
        as_trained if len(set(reductions)) == 1 else LOCAL_PIXELS,
        tuple(config["mean"]),
        tuple(config["std"]),
    )


def _maps(network: Any, batch: torch.Tensor, stages: list[int], normed: bool) -> list[torch.Tensor]:  # noqa: ANN401
    found: list[torch.Tensor] = network.forward_intermediates(
        batch, indices=stages, norm=normed, intermediates_only=True
    )
    return found


def _create(model: str, pretrained: bool, pad_type: str, **options: Any) -> Any:  # noqa: ANN401
    import timm
    import torch

    if pad_type:
        options["pad_type"] = pad_type
    if ":" not in model and not timm.is_model(architecture := model.partition(".")[0]):
        raise unknown_name("timm model", model, timm.list_models(f"*{architecture[:4]}*") or timm.list_models())
    try:
        with torch.device("meta"):  # only to see of which class it is: a hub's configuration names an architecture
            kinds = type(timm.create_model(model, **options)).__mro__
        takes = {option for kind in kinds if issubclass(kind, torch.nn.Module) for option in signature(kind).parameters}
        if "dynamic_img_size" in takes:
            options["dynamic_img_size"] = True
        return timm.create_model(model, pretrained=pretrained, **options)
    except TypeError as error:
        raise UsageError(f"timm model {model} cannot be made so: {error}; change the option or the model") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"the weights of timm model {model} are not on this disk and cannot be fetched ({_reason(error)}); fetch "
            f"its model.safetensors from {_home(model)} on another machine and name it with weights=FILE, or copy that "
            "machine's Hugging Face cache here (HF_HOME says where it is)"
        ) from error


def _home(model: str) -> str:
    import timm

    config = None if ":" in model else timm.get_pretrained_cfg(model)
    return f"huggingface.co/{config.hf_hub_id}" if config is not None and config.hf_hub_id else model


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _try_on_a_strip(network: Any, model: str, reduction: int, normed: bool) -> None:  # noqa: ANN401
    """``UsageError`` if the network cannot be given inputs of every size."""
    import torch

    height, width = (cells * reduction for cells in STRIP_CELLS)
    probe = torch.zeros(1, 3, height, width, device=next(network.parameters()).device)
    try:
        with torch.inference_mode():
            _maps(network, probe, [0], normed)
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"timm model {model} does not take pictures of every size ({width}x{height} px: {_reason(error)}); take "
            "one that does, such as a ViT, DINOv2, DINOv3, Swin, ConvNeXt, ResNet or MobileNet"
        ) from error


def _layout(network: Any, reduction: int) -> Layout:  # noqa: ANN401
    """Where the cells of a network's maps lie: found by whether one pixel more than a cell gives it another cell.

    ``reduction`` is the stride of its coarsest map in pixels.
    """
    import torch

    probe = torch.zeros(1, 3, reduction + 1, reduction + 1, device=next(network.parameters()).device)
    try:
        with torch.inference_mode():
            maps = network.forward_intermediates(probe, intermediates_only=True)
    except (AssertionError, RuntimeError):  # networks over patches refuse sizes that are not their multiples
        return "tiles"
    return "corners" if maps[-1].shape[-1] == 2 else "tiles"
