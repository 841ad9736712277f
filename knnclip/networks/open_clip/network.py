"""Any model of open_clip: an encoder in the space of its texts, and a zero-shot classifier by the names of classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from knnclip.errors import UsageError
from knnclip.networks.hub import is_cached
from knnclip.networks.label_lists import classes_of
from knnclip.networks.names import distractors
from knnclip.networks.open_clip.loading import load, loading, without_weights
from knnclip.networks.open_clip.towers import Tower
from knnclip.networks.recent import Recent
from knnclip.networks.texts import TextVectors, templates
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.inputs import InputFormat, pool_maps
from knnclip.parts.roles import Encoder, ZeroShotClassifier
from knnclip.parts.settings import NamedModel, name_without_folder
from knnclip.parts.weights import Need, network_mb, weights_digest
from knnclip.progress import Progress
from knnclip.structures import Fingerprint, Float32, Image, Mask, image_shapes_agree, unit_rows
from knnclip.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

MODES = ("pool", "crop", "both")


@dataclass(frozen=True)
class OpenClipSettings:
    """The options of ``openclip:MODEL,...``. 32 crops are about as much work at once as one input of 720 x 960."""

    model: Annotated[NamedModel, "a name of open_clip, hf-hub:ID or local-dir:FOLDER"]
    pretrained: Annotated[str, "tag of the model's published weights"] = ""
    weights: Annotated[
        Path | None, "a local file in place of them, trained as those of the tag were (also --weights)"
    ] = None
    mode: Annotated[
        str,
        "`pool` (the image is encoded once and pooled by the masks, in the space of the texts), `crop` (the crop of "
        "each mask is encoded) or `both`",
    ] = "pool"
    pixels: Annotated[
        int | None, "of the input that is pooled (else as a ViT was trained, 691200 for other towers)"
    ] = None
    crops_at_once: Annotated[int, "crops in one batch"] = 32
    templates: Annotated[str, "how a class is asked for: `openai` (80 prompts), `simple` (7) or `name`"] = "openai"
    waffle: Annotated[int, "so many random descriptions in place of the templates, `16`"] = 0
    seed: Annotated[int, "of the random descriptions"] = 0
    others: Annotated[
        tuple[str, ...],
        "names that stand for none of the classes, `background+sky`, or the classes of a published list that the "
        "vocabulary lacks, `coco-panoptic`",
    ] = ("background", "something else")

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode {self.mode!r} is not one of {', '.join(MODES)}")
        if min(self.pixels or 1, self.crops_at_once) < 1 or self.pixels == 0 or self.waffle < 0:
            raise UsageError("pixels and crops_at_once are at least 1, waffle at least 0")


class Pooling:
    """A tower's maps of an image, pooled by its masks."""

    def __init__(self, tower: Tower, form: InputFormat, device: torch.device) -> None:
        """The input has the size that ``form`` says."""
        self.format = form
        self._tower, self._device = tower, device
        self._maps = Recent(self._forward)

    def __call__(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` in the space of the texts, not of unit length."""
        import torch

        shape = (int(image.shape[0]), int(image.shape[1]))
        pooled = pool_maps([self._maps(image)], masks, shape, self.format.layout)[0]
        with torch.inference_mode():
            projected = self._tower.project(torch.from_numpy(pooled.astype(np.float32)).to(self._device))
        found: Float32 = projected.float().cpu().numpy()
        return found

    def _forward(self, image: Image) -> Float32:
        import torch

        batch = torch.from_numpy(self.format.prepare(image))[None].to(self._device)
        with torch.inference_mode(), autocast(self._device):
            found: Float32 = self._tower.maps(batch)[0].float().cpu().numpy()
        return found


class OpenClip:
    """The encoder and the classifier ``openclip``. Frozen, without gradients; one forward pass serves both."""

    name = "openclip"

    def __init__(self, settings: OpenClipSettings, device: str = "auto") -> None:
        """Loads the model; ``UsageError`` for an unknown one, ``WeightsError`` if its weights are not here."""
        from open_clip import get_model_preprocess_cfg
        from open_clip.transform import PreprocessCfg, image_transform_v2
        from PIL import Image as Pil

        self.settings, self.device = settings, pick_device(device)
        self.network: Any = (
            load(settings.model, settings.pretrained, settings.weights).eval().requires_grad_(False).to(self.device)
        )
        config = get_model_preprocess_cfg(self.network)
        self._crop_input: Any = image_transform_v2(PreprocessCfg(**config), is_train=False)
        self._mean = np.round(np.array(config["mean"]) * 255).astype(np.uint8)
        self._pooling: Pooling | None = None
        if settings.mode != "crop":
            tower = Tower(self.network.visual, settings.model)
            pixels = settings.pixels or tower.pixels
            form = InputFormat(pixels, tower.multiple, "tiles", tuple(config["mean"]), tuple(config["std"]))
            self._pooling = Pooling(tower, form, self.device)
        blank = self._crop_input(Pil.fromarray(np.zeros((1, 1, 3), dtype=np.uint8)))
        dim = int(self.network.encode_image(blank[None].to(self.device)).shape[1])
        self._fingerprint = Fingerprint(
            f"openclip/{name_without_folder(settings.model)}",
            weights_digest(self.network),
            " ".join(self._processing(PreprocessCfg(**config))),
            dim * (2 if settings.mode == "both" else 1),
        )
        self._crop_vectors: Recent[dict[Mask, Float32]] = Recent(lambda _: {})
        self._others = classes_of(settings.others)
        self._wording = templates(settings.templates, settings.waffle, settings.seed)

    def _processing(self, crops: object) -> Iterator[str]:
        """What changes vectors beside the weights."""
        from open_clip.transformer import QuickGELU

        yield self.settings.mode
        if self._pooling is not None:
            yield str(self._pooling.format)
        if self.settings.mode != "pool":
            yield str(crops)
        if any(isinstance(layer, QuickGELU) for layer in self.network.modules()):
            yield "QuickGELU"

    @property
    def fingerprint(self) -> Fingerprint:
        """The model, its weights as loaded, the mode and the preprocessing; how texts are worded is not in it."""
        return self._fingerprint

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` unit rows, see ``Encoder.encode``; D is that of the texts, twice that in mode ``both``."""
        image_shapes_agree(image, masks, where=self._fingerprint.encoder)
        if not masks:
            return np.zeros((0, self._fingerprint.dim), dtype=np.float32)
        blocks = []
        if self._pooling is not None:
            blocks.append(unit_rows(self._pooling(image, masks), where=self.name))
        if self.settings.mode != "pool":
            blocks.append(unit_rows(self._crops(image, masks), where=self.name))
        return unit_rows(np.concatenate(blocks, axis=1), where=self.name)

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32``: the same vectors; they lie in the space of the texts."""
        return self.encode(image, masks)

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """The names and synonyms of a vocabulary, and ``others``."""
        self._texts.read([*vocabulary.names(), *self._none_of(vocabulary)], progress)

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base: ``(N, C) float32``: the softmax over the classes and ``others`` of the scaled cosine to their names.

        A class has the best cosine of its name and its synonyms (by max, as in FC-CLIP, arXiv 2308.02487).
        """
        names = [(info.name, *info.synonyms) for info in vocabulary]
        names += [(other,) for other in self._none_of(vocabulary)]
        if not len(vocabulary) or not len(descriptions):
            return np.zeros((len(descriptions), len(vocabulary)), dtype=np.float32)
        texts = np.stack([self._texts(name) for synonyms in names for name in synonyms])
        blocks = descriptions.reshape(len(descriptions), -1, texts.shape[1])  # N, 1 or 2, D: pooled and crop
        cosines = unit_rows(blocks.reshape(-1, texts.shape[1]), where=self.name) @ texts.T
        cosines = cosines.reshape(*blocks.shape[:2], -1).mean(axis=1)
        starts = np.cumsum([0, *(len(synonyms) for synonyms in names[:-1])])
        logits = np.maximum.reduceat(cosines, starts, axis=1) * float(self.network.logit_scale.exp())
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        base: Float32 = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)[:, : len(vocabulary)]
        return base

    def _none_of(self, vocabulary: Vocabulary) -> list[str]:
        """What a mask may be that is no class of the vocabulary: ``others`` by the first name of each."""
        classes = [(info.name, *info.synonyms) for info in vocabulary]
        return [names[0] for names in distractors(classes, self._others)]

    def _crops(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32``: what the network says of each mask's crop; those of an image are made once."""
        known = self._crop_vectors(image)
        new = [mask for mask in dict.fromkeys(masks) if mask not in known]
        for start in range(0, len(new), self.settings.crops_at_once):
            some = new[start : start + self.settings.crops_at_once]
            known.update(zip(some, self._forward_crops(image, some), strict=True))
        return np.stack([known[mask] for mask in masks])

    def _forward_crops(self, image: Image, masks: Sequence[Mask]) -> Float32:
        import torch
        from PIL import Image as Pil

        batch = torch.stack([self._crop_input(Pil.fromarray(masked_crop(image, mask, self._mean))) for mask in masks])
        with torch.inference_mode(), autocast(self.device):
            found: Float32 = self.network.encode_image(batch.to(self.device)).float().cpu().numpy()
        return found

    @cached_property
    def _texts(self) -> TextVectors:
        # Only a classifier reads texts, and some models fetch their tokenizer.
        import open_clip

        with loading(self.settings.model, "tokenizer"):
            tokenize = open_clip.get_tokenizer(self.settings.model)
        return TextVectors.of_clip(self.network, tokenize, self._fingerprint.weights, self._wording)


def masked_crop(image: Image, mask: Mask, fill: Image) -> Image:
    """``(S, S, 3)``: the square around a mask, ``fill`` ``(3,)`` where the mask is not."""
    x0, y0, x1, y1 = mask.box_xyxy
    side = max(x1 - x0, y1 - y0)
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = fill
    top, left = (side - (y1 - y0)) // 2, (side - (x1 - x0)) // 2
    square[top : top + y1 - y0, left : left + x1 - x0][mask.crop] = mask.select(image)
    return square


def needs(settings: OpenClipSettings) -> Sequence[Need]:
    """The file that holds the weights, and whether it is on this disk."""
    import open_clip
    import torch

    if settings.weights:
        return [Need.of_file(settings.weights)]
    schema, _, place = settings.model.rpartition(":")
    if schema:
        return [Need(place, is_cached(place, "open_clip_model.safetensors"), None)]
    with torch.device("meta"):
        network = without_weights(settings.model, "meta")
    home = str(open_clip.get_pretrained_cfg(settings.model, settings.pretrained).get("hf_hub", "")).strip("/")
    here = bool(home) and is_cached(home, "open_clip_model.safetensors")
    return [Need(home or f"{settings.model} {settings.pretrained}", here, network_mb(network))]


CARD = Card(
    name="openclip",
    form="openclip:MODEL",
    summary="any model of open_clip, as encoder and as zero-shot classifier in one forward pass",
    roles={
        Encoder: "any model of open_clip, by its name and `pretrained=TAG` or `weights=FILE`, or as `hf-hub:NAME` and "
        "`local-dir:FOLDER`",
        ZeroShotClassifier: "CLIP's zero-shot classes for the names and synonyms of the store's vocabulary, a name "
        "typed just now included",
    },
    licence="MIT (code); each model's weights have their own",
    settings=OpenClipSettings,
    make=OpenClip,
    needs=needs,
)
