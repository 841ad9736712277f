"""FC-CLIP in its three roles: mask generator, zero-shot classifier and encoder, with one forward pass an image.

``segment`` is none of the roles but FC-CLIP's own inference, which its published figures were measured with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from knnclip.errors import WeightsError
from knnclip.files import read_text
from knnclip.images import reduced_size
from knnclip.networks.fcclip.card import FcClipSettings
from knnclip.networks.fcclip.checkpoint import load_network
from knnclip.networks.fcclip.classification import TEMPLATES, ensemble, logits, seen_in_training
from knnclip.networks.fcclip.pixels import padded, resized
from knnclip.networks.fcclip.results import mask_logits, semantic_map
from knnclip.networks.names import distractors
from knnclip.networks.recent import Recent
from knnclip.networks.texts import TextVectors
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.pooling import mask_weights
from knnclip.parts.proposals import best_proposals, enlarged_mask
from knnclip.parts.weights import weights_digest
from knnclip.progress import Progress
from knnclip.structures import Fingerprint, Float32, Image, Int32, Mask, Proposals, image_shapes_agree, unit_rows
from knnclip.vocabulary import Vocabulary, read_wordings

WORKING_PX = 1024
"""Masks are made at most so many pixels long on the longer side; the network's own are a quarter of its input, so that
more would enlarge blur."""

QUERIES_AT_ONCE = 25
"""Soft masks that are enlarged at a time: 25 take 105 MB at 1024 x 1024, a tenth of all 250; fewer make more and
smaller calls."""


LEAST = 1e-8
"""Added to probabilities whose logarithms are the final scores, as in the original, so that none is infinite."""


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What one forward pass says of an image."""

    masks: torch.Tensor  # (Q, H/4, W/4) logits
    classes: torch.Tensor  # (Q, E) the trained head's class embeddings
    dense: torch.Tensor  # (C, H/32, W/32) CLIP's features
    padded: tuple[int, int]  # (H, W) of the input
    unpadded: tuple[int, int]  # of the image in it


class FcClip:
    """The generator, classifier and encoder ``fcclip``. Frozen, without gradients."""

    name = "fcclip"

    def __init__(self, settings: FcClipSettings, device: str = "auto") -> None:
        """Loads the checkpoint; ``WeightsError`` if it is missing, damaged or of another network."""
        if not Path(settings.model).is_file():
            raise WeightsError(
                f"fcclip: {settings.model} does not exist; get fcclip_cocopan.pth, which FC-CLIP's own page "
                "(github.com/bytedance/fc-clip) links to, and name its place as fcclip:FILE (--masks, --classifier)"
            )
        self.settings, self.device = settings, pick_device(device)
        self.network = load_network(settings.model, settings.clip).to(self.device)
        self.trained = _trained(settings.trained)
        self._fingerprint = Fingerprint(
            f"fcclip/{self.network.model}",
            weights_digest(self.network.clip.visual),
            f"mask-pooled CLIP, {settings.short_px}-{settings.long_px} px",
            self.network.layout.embed,
        )
        self._features = Recent(self._forward)

    @property
    def fingerprint(self) -> Fingerprint:
        """The backbone, its weights as loaded and the size of the input: the decoders have no part in the vectors."""
        return self._fingerprint

    def generate(self, image: Image) -> Proposals:
        """The masks of the queries; scores are the probability of not being void times the mean mask probability."""
        features = self._features(image)
        shape = (int(image.shape[0]), int(image.shape[1]))
        rows, synonyms = self._rows(self.trained)
        void = logits(features.classes, rows, synonyms, self.network.class_head.logit_scale).softmax(dim=1)[:, -1]
        masks, scores = [], []
        for soft, nothing in zip(self._soft_masks(features, shape), void, strict=True):
            inside = soft > 0.5
            if inside.any():
                masks.append(enlarged_mask(inside.cpu().numpy(), shape))
                scores.append(float((1 - nothing) * soft[inside].mean()))
        return best_proposals(shape, masks, np.array(scores, dtype=np.float32), self.settings)

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """The names and synonyms of a vocabulary, and those of the training."""
        self._texts.read([*(name for names in self.trained for name in names), *vocabulary.names()], progress)

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, E) float32`` unit rows, see ``Encoder.encode``: CLIP's features pooled by the masks."""
        image_shapes_agree(image, masks, where=self.name)
        if not masks:
            return np.zeros((0, self._fingerprint.dim), dtype=np.float32)
        return unit_rows(self._clip_embeddings(self._features(image), masks).cpu().numpy(), where=self.name)

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, 2 E) float32``: the trained class embedding of the query whose mask overlaps most, and CLIP's own."""
        image_shapes_agree(image, masks, where=self.name)
        if not masks:
            return np.zeros((0, 2 * self._fingerprint.dim), dtype=np.float32)
        features = self._features(image)
        trained = features.classes[self._nearest_queries(features, masks)]
        described: Float32 = torch.cat([trained, self._clip_embeddings(features, masks)], dim=1).cpu().numpy()
        return described

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base: ``(N, C) float32``, see ``ZeroShotClassifier``.

        What is missing is what the trained head calls void, and what is rather one of the training's classes that the
        vocabulary does not have.
        """
        if not len(vocabulary) or not len(descriptions):
            return np.zeros((len(descriptions), len(vocabulary)), dtype=np.float32)
        names: list[Sequence[str]] = list(_names(vocabulary))
        if self.settings.distractors:
            names += distractors(names, self.trained)
        rows, synonyms = self._rows(names)
        inside, outside = torch.from_numpy(descriptions).to(self.device).chunk(2, dim=1)
        with torch.inference_mode():
            probabilities = ensemble(
                logits(inside, rows, synonyms, self.network.class_head.logit_scale),
                logits(outside, rows, synonyms, self.network.clip.logit_scale),
                seen_in_training(names, self.trained).to(self.device),
                self.settings.alpha,
                self.settings.beta,
            )
        base: Float32 = probabilities[:, : len(vocabulary)].float().cpu().numpy()
        return base

    def segment(self, image: Image, vocabulary: Vocabulary, *, resize_scores: bool) -> tuple[Int32, Float32]:
        """FC-CLIP's own semantic inference: ``(H, W)`` columns of the vocabulary, and their scores in [0, 1].

        As in its evaluation: in full precision, the masks of all queries as they are, no distractors, and every pixel
        goes to a class. ``resize_scores`` brings the scores of the input to the image's size, as the original does for
        sets of which it computes semantic results alone; otherwise that is done with the masks.
        """
        names = _names(vocabulary)
        features = self._forward(image, exact=True)
        with torch.inference_mode():
            rows, synonyms = self._rows(names)
            pooled, valid = self.network.clip_embeddings(features.dense, features.masks)
            probabilities = ensemble(
                logits(features.classes, rows, synonyms, self.network.class_head.logit_scale),
                logits(pooled, rows, synonyms, self.network.clip.logit_scale),
                seen_in_training(names, self.trained).to(self.device),
                self.settings.alpha,
                self.settings.beta,
                valid if self.network.trunk.on_valid_mask else None,
            )
            columns, scores = semantic_map(
                (probabilities + LEAST).log().softmax(dim=1),
                features.masks,
                features.padded,
                features.unpadded,
                (int(image.shape[0]), int(image.shape[1])),
                resize_scores=resize_scores,
            )
        return columns.int().cpu().numpy(), scores.clamp(max=1).cpu().numpy()

    def _forward(self, image: Image, *, exact: bool = False) -> ImageFeatures:
        """``exact``: in full precision on every device."""
        small = resized(image, self.settings.short_px, self.settings.long_px)
        batch = padded(small).to(self.device)
        with torch.inference_mode(), nullcontext() if exact else autocast(self.device):
            forward = self.network(batch)
            classes = self.network.class_embeddings(forward)
        height, width = (int(side) for side in batch.shape[-2:])
        return ImageFeatures(
            forward.masks[-1][0].float(),
            classes.float(),
            forward.features.clip_vis_dense[0].float(),
            (height, width),
            (int(small.shape[0]), int(small.shape[1])),
        )

    def _soft_masks(self, features: ImageFeatures, shape: tuple[int, int]) -> Iterator[torch.Tensor]:
        """Each query's mask probability at the working size, a few at a time."""
        size = reduced_size(shape, WORKING_PX)
        for start in range(0, len(features.masks), QUERIES_AT_ONCE):
            some = features.masks[start : start + QUERIES_AT_ONCE]
            yield from mask_logits(some, features.padded, features.unpadded, size).sigmoid()

    def _nearest_queries(self, features: ImageFeatures, masks: Sequence[Mask]) -> torch.Tensor:
        """``(N,)``: the query whose mask has the largest IoU with each mask, at the resolution of the queries."""
        share = self._cells(features, masks, tuple(features.masks.shape[1:]))
        area = torch.tensor([mask.area for mask in masks], dtype=share.dtype, device=share.device)
        cell = masks[0].shape[0] * masks[0].shape[1] / (features.unpadded[0] * features.unpadded[1] / 16)
        inside = (features.masks > 0).flatten(1).to(share.dtype)
        common = share @ inside.T * (area / cell)[:, None]
        return (common / ((area / cell)[:, None] + inside.sum(dim=1)[None] - common)).argmax(dim=1)

    def _clip_embeddings(self, features: ImageFeatures, masks: Sequence[Mask]) -> torch.Tensor:
        """``(N, E)``: CLIP's features pooled by masks of the image, however small."""
        grid = (int(features.dense.shape[1]), int(features.dense.shape[2]))
        weights = self._cells(features, masks, grid)
        with torch.inference_mode():
            return self.network.trunk.embed(features.dense, weights.reshape(-1, *grid))

    def _cells(self, features: ImageFeatures, masks: Sequence[Mask], grid: tuple[int, ...]) -> torch.Tensor:
        """``(N, h * w)``: the share of each cell of the padded input in each mask; rows sum to 1."""
        height, width = masks[0].shape
        canvas = (
            round(height * features.padded[0] / features.unpadded[0]),
            round(width * features.padded[1] / features.unpadded[1]),
        )
        placed = [Mask(mask.box_xyxy, mask.crop, canvas) for mask in masks]
        weights = mask_weights(placed, canvas, (int(grid[0]), int(grid[1])))
        return torch.from_numpy(weights.toarray().astype(np.float32)).to(self.device)

    def _rows(self, classes: Sequence[Sequence[str]]) -> tuple[torch.Tensor, list[int]]:
        """One unit row a synonym, void last, and how many synonyms each class has."""
        texts = np.stack([self._texts(name) for names in classes for name in names])
        void = torch.nn.functional.normalize(self.network.void_embedding.weight, dim=-1)
        return torch.cat([torch.from_numpy(texts).to(self.device), void]), [len(names) for names in classes]

    @cached_property
    def _texts(self) -> TextVectors:
        import open_clip

        clip: Any = self.network.clip
        # The activation is in the vectors, but not in the weights.
        digest = f"{weights_digest(clip)} {type(clip.transformer.resblocks[0].mlp.gelu).__name__}"
        return TextVectors.of_clip(clip, open_clip.get_tokenizer(self.network.model), digest, TEMPLATES)


def _names(vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    return [(info.name, *info.synonyms) for info in vocabulary]


def _trained(path: Path | None) -> list[tuple[str, ...]]:
    """The training's classes by the names that they were trained with; see ``read_wordings`` for the file."""
    own = files("knnclip") / "datasets" / "wordings" / "fcclip" / "coco-panoptic.txt"
    return list(read_wordings(read_text(path) if path else own.read_text(encoding="utf-8")).values())
