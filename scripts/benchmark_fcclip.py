"""FC-CLIP at full size with random weights: seconds of each stage for one image, and the peak of memory.

python scripts/benchmark_fcclip.py [--backbone convnext_large_d_320] [--device cpu] [--size 640x480]

On CUDA it is measured in bfloat16 beside float32. The first pass is not counted.
"""

from __future__ import annotations

import argparse
import logging
import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import open_clip
import torch

from knnclip.networks.fcclip.network import FcClipNetwork, Layout
from knnclip.networks.fcclip.pixels import padded, resized
from knnclip.parts.device import autocast, pick_device

PUBLISHED = Layout(
    hidden=256, heads=8, queries=250, encoder_layers=6, encoder_ffn=1024, decoder_layers=9, decoder_ffn=2048, embed=768
)
PASSES = 3


def peak_mb() -> float:
    """Of this process; Linux."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def timed(network: FcClipNetwork, batch: torch.Tensor, half: bool) -> dict[str, float]:
    """Seconds of each stage, the mean of ``PASSES``."""
    seconds: dict[str, float] = defaultdict(float)
    device = batch.device

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for number in range(PASSES + 1):
        with torch.inference_mode(), autocast(device) if half else torch.autocast(device.type, enabled=False):
            marks = [now()]
            features = network.trunk.features(batch)
            marks.append(now())
            with torch.autocast(device.type, enabled=False):
                pixels = network.pixel_decoder([level.float() for level in features.pyramid], return_dict=True)
            marks.append(now())
            network.query_decoder(list(pixels.multi_scale_features), pixels.mask_features)
            marks.append(now())
            forward = network(batch)
            start = now()
            network.class_embeddings(forward)
            network.clip_embeddings(forward.features.clip_vis_dense[0], forward.masks[-1][0])
            classes = now() - start
        if number:
            for stage, start, stop in zip(("trunk", "pixel decoder", "query decoder"), marks, marks[1:], strict=False):
                seconds[stage] += (stop - start) / PASSES
            seconds["class embeddings"] += classes / PASSES
    return seconds


def main(backbone: str, device: torch.device, size: tuple[int, int]) -> None:
    """Prints the table."""
    logging.disable(logging.WARNING)
    clip = open_clip.create_model(backbone, load_weights=False, pretrained_image=False)
    embed = int(clip.text_projection.shape[1])
    network = FcClipNetwork(clip, backbone, Layout(**{**vars(PUBLISHED), "embed": embed})).to(device)
    loaded = peak_mb()
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    batch = padded(resized(image)).to(device)
    print(f"{backbone}, image {size[0]}x{size[1]}, input {batch.shape[-1]}x{batch.shape[-2]}, {device}")
    for half in (False, True) if device.type == "cuda" else (False,):
        seconds = timed(network, batch, half)
        total = sum(seconds.values())
        print(f"  {'bfloat16' if half else 'float32'}: {total:.2f} s an image")
        for stage, spent in seconds.items():
            print(f"    {stage:17} {spent:6.2f} s  {spent / total:4.0%}")
    if device.type == "cuda":
        print(f"  peak of GPU memory {torch.cuda.max_memory_allocated() / 2**20:.0f} MB")
    print(f"  peak of memory {peak_mb():.0f} MB, {loaded:.0f} MB of it with the weights loaded", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="convnext_large_d_320")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", default="640x480")
    given = parser.parse_args()
    width, _, height = given.size.partition("x")
    main(given.backbone, pick_device(given.device), (int(width), int(height)))
