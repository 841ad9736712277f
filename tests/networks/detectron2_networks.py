"""Networks that detectron2 itself builds, and what its visualiser draws of their answers."""

import pickle
import re

import numpy as np
import torch
import yaml

from tests.networks.samples import some_masks, vocabulary

LOUDER = ("cls_score", "mask_head.predictor", "sem_seg_head.predictor.weight", "class_embed.weight", "query_")
"""Last layers, which start so small that every class would be as probable as any other."""


def config_file(folder, base, **changes):
    """A config on top of another one."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({"_BASE_": str(base), **changes}))
    return file


def random_network(file, *setup):
    """A network of a config, built by detectron2 itself, whose features stay of ordinary size."""
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    config = get_cfg()
    for add in setup:
        add(config)
    config.merge_from_file(str(file))
    config.MODEL.DEVICE, config.MODEL.WEIGHTS = "cpu", ""
    torch.manual_seed(0)
    network = build_model(config).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if any(part in name for part in LOUDER):
                tensor.mul_(10)
            if name.endswith("conv3.norm.weight"):
                tensor.mul_(0.2)  # of residual blocks, which would double the features 16 times
    return network


def write_zoo(file, network, **more):
    """Weights as the zoo's files have them."""
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo", **more}))
    return file


def picture():
    """``(144, 192, 3)``: coloured blocks."""
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (9, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def drawn(picture, outputs, dataset):
    """Names and masks that detectron2's visualiser draws for what a network answers."""
    from detectron2.data import MetadataCatalog
    from detectron2.utils.visualizer import Visualizer

    found = []

    class Recorder(Visualizer):
        def draw_binary_mask(self, mask, color=None, *, text=None, **_):
            found.append((text, np.asarray(mask, bool).tobytes()))

        def overlay_instances(self, *, masks=None, labels=None, **_):
            dense = [mask.mask if hasattr(mask, "mask") else mask for mask in masks]
            names = [re.sub(r" \d+%$", "", label) for label in labels]
            found.extend((name, np.asarray(mask, bool).tobytes()) for name, mask in zip(names, dense, strict=True))

    recorder = Recorder(picture, MetadataCatalog.get(dataset))
    if "panoptic_seg" in outputs:
        recorder.draw_panoptic_seg(outputs["panoptic_seg"][0].cpu(), outputs["panoptic_seg"][1])
    if "instances" in outputs:
        recorder.draw_instance_predictions(outputs["instances"].to("cpu"))
    return sorted(item for item in found if any(item[1]))


def named(part, outputs):
    """Names and masks that the part finds in it."""
    found = [(", ".join(part.labels[each.label]), each.dense.tobytes()) for each in part.segments(outputs)]
    return sorted(item for item in found if any(item[1]))


def whole_picture(part, picture, *names):
    """P_base of the picture as one mask for some names."""
    mask = some_masks(*picture.shape[:2])[-1]
    return part.classify(part.describe(picture, [mask]), vocabulary(*names))[0]
