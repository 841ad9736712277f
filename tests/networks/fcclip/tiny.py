"""Tiny checkpoints of FC-CLIP with random weights, under the official names."""

import json

import open_clip
import torch

from knnclip.networks.fcclip.naming import to_official
from knnclip.networks.fcclip.network import FcClipNetwork, Layout

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISION = {
    "convnext": {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp", "image_size": 64},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
}
LAYOUT = Layout(
    hidden=32, heads=2, queries=9, encoder_layers=1, encoder_ffn=64, decoder_layers=2, decoder_ffn=32, embed=24
)


def write(folder, backbone):
    """The checkpoint as training writes it, and the name under which open_clip knows its CLIP."""
    name = f"tiny-fcclip-{backbone}"
    (folder / f"{name}.json").write_text(
        json.dumps({"embed_dim": LAYOUT.embed, "vision_cfg": VISION[backbone], "text_cfg": TEXT})
    )
    open_clip.add_model_config(folder / f"{name}.json")
    torch.manual_seed(0)
    network = FcClipNetwork(open_clip.create_model(name, pretrained_image=False), name, LAYOUT)
    for key, parameter in network.named_parameters():
        if "mask_embedder" in key:  # as much as it takes for queries to have masks of their own
            parameter.data.normal_(0, 1.0 if "weight" in key else 0.0)
        elif "logit_scale" not in key:
            parameter.data.normal_(0, 1.5 if "queries" in key else 0.2)
    # Features without a common part, so that masks are some of the picture and not all or nothing.
    with torch.inference_mode():
        common = network(torch.randn(1, 3, 96, 128)).mask_features.mean(dim=(0, 2, 3))
    network.pixel_decoder.mask_projection.bias.data -= common
    official = {key: tensor.clone() for key, tensor in to_official(network.state_dict()).items()}
    training = {"criterion.empty_weight": torch.ones(5)}
    torch.save({"model": official | training, "iteration": 7}, folder / f"{name}.pth")
    return folder / f"{name}.pth", name
