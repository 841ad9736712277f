"""FC-CLIP on a golden set, stage by stage: what this implementation computes, and how far it is from the original.

python scripts/trace_fcclip.py GOLDEN_DIR OUT_DIR [--check]

GOLDEN_DIR has info.json, model.safetensors and the images; OUT_DIR gets NAME.safetensors with the tensors of every
stage and info.json with the panoptic segments. With --check each tensor is compared with GOLDEN_DIR's: relative L2
error below 1e-4 for floats, fewer than 0.1 % of elements different for integers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file, save_file

from knnclip.images import read_image
from knnclip.networks.fcclip import results
from knnclip.networks.fcclip.classification import TEMPLATES, ensemble, logits, seen_in_training
from knnclip.networks.fcclip.naming import TRAINING, to_own
from knnclip.networks.fcclip.network import FcClipNetwork, Layout
from knnclip.networks.fcclip.pixels import padded
from knnclip.parts.weights import load_weights

FLOAT_LIMIT, INTEGER_LIMIT, AREA_LIMIT = 1e-4, 1e-3, 2e-3


class Golden:
    """A golden folder and the network that is built from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info: dict[str, Any] = json.loads((folder / "info.json").read_text())
        weights = load_file(folder / "model.safetensors")
        with tempfile.TemporaryDirectory() as configs:
            name = self.info["P"]["name"]
            (Path(configs) / f"{name}.json").write_text(json.dumps(self.info["clip_config"]))
            open_clip.add_model_config(configs)
            clip = open_clip.create_model(name, load_weights=False, pretrained_image=False)
            self.tokenize = open_clip.get_tokenizer(name)
        layout = Layout.of({key: tensor.shape for key, tensor in weights.items()})
        self.network = FcClipNetwork(clip, name, layout)
        load_weights(self.network, to_own(weights), source=str(folder / "model.safetensors"), unused=TRAINING)
        self.classes = [tuple(names.split(",")) for names in self.info["test_classes"]]
        self.trained = [tuple(names.split(",")) for names in self.info["train_classes"]]

    def text_rows(self) -> torch.Tensor:
        """One row a synonym, void last."""
        rows = []
        for names in self.classes:
            for name in names:
                tokens = self.tokenize([template.format(name) for template in TEMPLATES])
                mean = self.network.clip.encode_text(tokens, normalize=True).mean(dim=0)
                rows.append(mean / mean.norm())
        void = self.network.void_embedding.weight
        return torch.cat([torch.stack(rows), void / void.norm(dim=-1, keepdim=True)])

    def trace(self, image: dict[str, Any]) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
        """The tensors of every stage for one image, and its panoptic segments."""
        info, network = self.info, self.network
        pixels = read_image(self.folder / f"{image['name']}.png")
        batch = padded(pixels, info["pixel_mean"], info["pixel_std"])
        forward, rows = network(batch), self.text_rows()
        synonyms = [len(names) for names in self.classes]
        found: dict[str, torch.Tensor] = {"padded_input": batch, "mask_features": forward.mask_features}
        found |= {f"features.{name}": getattr(forward.features, name) for name in forward.features.__dataclass_fields__}
        found |= {f"multi_scale.{i}": level for i, level in enumerate(forward.multi_scale)}
        for i, masks in enumerate(forward.masks):
            embedded = network.class_embeddings(forward, i)
            inside = logits(embedded, rows, synonyms, network.class_head.logit_scale)
            found |= {f"decoder.{i}.pred_masks": masks, f"decoder.{i}.pred_logits": inside[None]}
        pooled, valid = network.clip_embeddings(forward.features.clip_vis_dense[0], forward.masks[-1][0])
        outside = logits(pooled, rows, synonyms, network.clip.logit_scale)
        seen = seen_in_training(self.classes, self.trained)
        valid_only = valid if info["ensemble_on_valid_mask"] else None
        probabilities = ensemble(inside, outside, seen, info["alpha"], info["beta"], valid_only)
        scores = (probabilities + 1e-8).log()
        found |= {
            "text_classifier_with_void": rows,
            "pooled_clip_embedding": pooled[None],
            "out_vocab_logits": outside[None],
            "final_mask_cls": scores,
        }
        full = results.mask_logits(forward.masks[-1][0], batch.shape[-2:], pixels.shape[:2], image["output_size"])
        probabilities = scores.softmax(dim=1)
        semantic = results.semantic(probabilities, full)
        ids, segments = results.panoptic(
            probabilities, full, info["thing_classes"], info["object_mask_threshold"], info["overlap_threshold"]
        )
        best = results.instances(probabilities, full, info["thing_classes"], info["topk"])
        found |= {
            "sem_seg_argmax": semantic.argmax(dim=0).to(torch.uint8),
            "sem_seg_stride4": semantic[:, ::4, ::4],
            "panoptic_seg": ids.to(torch.uint8),
            "instances.scores": best.scores,
            "instances.classes": best.categories,
            "instances.mask_areas": best.masks.flatten(1).sum(dim=1),
        }
        told = [{"id": s.segment_id, "isthing": s.is_thing, "category_id": s.category} for s in segments]
        return {name: tensor.contiguous() for name, tensor in found.items()}, told


def error_of(name: str, found: torch.Tensor, wanted: torch.Tensor) -> tuple[float, float]:
    """How far a tensor is from the golden one, and how far it may be."""
    if wanted.is_floating_point():
        return float((wanted - found).norm() / wanted.norm().clamp_min(1e-12)), FLOAT_LIMIT
    if name == "instances.mask_areas":
        return float(((wanted - found).abs() / wanted.clamp_min(1000)).max()) if wanted.numel() else 0.0, AREA_LIMIT
    return float((wanted.long() != found.long()).float().mean()), INTEGER_LIMIT


def main(folder: Path, out: Path, check: bool) -> bool:
    """Traces every image; whether all that was compared is near enough."""
    golden, fine = Golden(folder), True
    out.mkdir(parents=True, exist_ok=True)
    told = []
    with torch.inference_mode():
        for image in golden.info["images"]:
            found, segments = golden.trace(image)
            save_file(found, out / f"{image['name']}.safetensors")
            told.append({"name": image["name"], "segments_info": segments})
            print(f"{image['name']}: {len(found)} tensors, {len(segments)} segments", flush=True)
            if check:
                fine &= segments == image["segments_info"]
                for name, wanted in load_file(folder / f"{image['name']}.safetensors").items():
                    if name not in found or found[name].shape != wanted.shape:
                        fine = False
                        print(f"  OFF {name}: missing or of another shape")
                        continue
                    error, limit = error_of(name, found[name], wanted)
                    fine &= error < limit
                    print(f"  {'ok ' if error < limit else 'OFF'} {name} {error:.2e}")
    (out / "info.json").write_text(json.dumps({"images": told}, indent=1))
    return fine


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("golden", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    sys.exit(0 if main(given.golden, given.out, given.check) else 1)
