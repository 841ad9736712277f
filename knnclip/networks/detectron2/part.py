"""The part ``detectron2``: a network's masks, and P_base from its own labels.

Its masks are what it segments: panoptic segments, instances, and the connected pieces of its semantic map where it has
no panoptic segments. P_base is that of ``LabelMaps``, from the same forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from knnclip.detectron2_catalog import detectron2_module
from knnclip.errors import UsageError
from knnclip.images import reduce_image
from knnclip.networks.detectron2.config import ASKER, catalog_classes, read_config
from knnclip.networks.detectron2.results import (
    BY_ARCHITECTURE,
    Labels,
    Segment,
    SemanticScores,
    label_maps,
    segments,
    semantic_pieces,
    semantic_probabilities,
)
from knnclip.networks.label_lists import LabelList, labels_of
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.proposals import ProposalLimits, best_proposals, enlarged_mask
from knnclip.parts.roles import MaskGenerator, ZeroShotClassifier
from knnclip.parts.settings import HubModel
from knnclip.parts.weights import Need, load_weights, read_weights
from knnclip.structures import Float32, Image, Layout, Mask, Proposals

if TYPE_CHECKING:
    import torch

WORKING_PX = 1333
"""Longer side of the copy on which masks are made: the longest input of detectron2's own configs. Larger costs memory
for every mask, smaller loses thin objects."""

NO_PARAMETERS = ("pixel_mean", "pixel_std", "proposal_generator.anchor_generator.cell_anchors")
"""What files of the zoo hold beside parameters: networks take these from their config."""


@dataclass(frozen=True)
class Detectron2Settings(ProposalLimits):
    """The options of ``detectron2:CONFIG,...``."""

    model: Annotated[HubModel, "a config file (.yaml), or the name of one in detectron2's model zoo"]
    weights: Annotated[Path, "a .pkl of the model zoo, a PyTorch or a safetensors file"]
    labels: Annotated[LabelList, "names in place of those of the config, as for `universal`"] = ""
    setup: Annotated[
        str, "`MODULE:FUNCTION` that adds a project's own keys to the config, as Mask2Former needs, several joined by /"
    ] = ""
    semantic: Annotated[
        str,
        "what the semantic maps of a meta-architecture that is not known here are: `logits`, or `sums` over queries",
    ] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [kind.value for kind in SemanticScores]
        if self.semantic and self.semantic not in known:
            raise UsageError(f"semantic is {' or '.join(known)}, found {self.semantic!r}; leave it out where unsure")


@dataclass(frozen=True, eq=False)
class Answer:
    """What one forward pass gives."""

    masks: tuple[Mask, ...]
    scores: Float32
    probabilities: Float32  # (L, h, w)


class Detectron2Segmenter(LabelMaps):
    """The generator and the classifier ``detectron2``. Frozen, without gradients."""

    name = "detectron2"
    layout: Layout = "tiles"

    def __init__(self, settings: Detectron2Settings, device: str = "auto") -> None:
        """Builds the network; ``UsageError`` without detectron2, ``WeightsError`` for files that do not fit."""
        self.settings, self.device = settings, pick_device(device)
        config = read_config(settings.model, settings.setup, str(self.device))
        classes = catalog_classes(config)
        self._numbered = Labels.of(classes)
        self.labels = labels_of(f"detectron2: {settings.model}", len(classes.names), settings.labels, classes.names)
        transforms, modeling = detectron2_module("data.transforms", ASKER), detectron2_module("modeling", ASKER)
        self.network = modeling.build_model(config).eval().requires_grad_(False)
        load_weights(self.network, read_weights(settings.weights), source=str(settings.weights), unused=NO_PARAMETERS)
        self._bgr = config.INPUT.FORMAT == "BGR"
        self._resize = transforms.ResizeShortestEdge(
            [config.INPUT.MIN_SIZE_TEST, config.INPUT.MIN_SIZE_TEST], config.INPUT.MAX_SIZE_TEST
        )
        self._answer = Recent(self._forward)

    def generate(self, image: Image) -> Proposals:
        """What the network segments, by falling score."""
        answer = self._answer(image)
        return best_proposals((int(image.shape[0]), int(image.shape[1])), answer.masks, answer.scores, self.settings)

    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``."""
        return self._answer(image).probabilities

    def outputs(self, working: Image) -> dict[str, Any]:
        """What the network answers for an ``(H, W, 3)`` picture, in its size: detectron2's model output format."""
        import torch

        source = working[:, :, ::-1] if self._bgr else working
        resized = self._resize.get_transform(source).apply_image(np.ascontiguousarray(source))
        tensor = torch.as_tensor(resized.astype(np.float32).transpose(2, 0, 1), device=self.device)
        with torch.inference_mode(), autocast(self.device):
            answer: dict[str, Any] = self.network(
                [{"image": tensor, "height": working.shape[0], "width": working.shape[1]}]
            )[0]
        return answer

    def segments(self, outputs: dict[str, Any]) -> list[Segment]:
        """The panoptic segments and the instances among ``outputs``, labelled as detectron2's visualiser does."""
        return list(segments(outputs, self._semantic(outputs), self._numbered))

    def _semantic(self, outputs: dict[str, Any]) -> torch.Tensor | None:
        return semantic_probabilities(outputs["sem_seg"], self._numbered, self._kind) if "sem_seg" in outputs else None

    def _forward(self, image: Image) -> Answer:
        working = reduce_image(image, WORKING_PX)
        shape, working_shape = (image.shape[0], image.shape[1]), (working.shape[0], working.shape[1])
        outputs = self.outputs(working)
        semantic = self._semantic(outputs)
        found = list(segments(outputs, semantic, self._numbered))
        maps = label_maps(found, semantic, self._numbered, working_shape)
        if semantic is not None and "panoptic_seg" not in outputs:
            smallest_px = self.settings.min_area * working.size / image.size
            found += semantic_pieces(semantic, self._numbered, smallest_px)
        masks, scores = [], []
        for segment in found:
            if segment.dense.any():
                masks.append(enlarged_mask(segment.dense, shape))
                scores.append(segment.score)
        return Answer(tuple(masks), np.array(scores, dtype=np.float32), maps)

    @property
    def _kind(self) -> SemanticScores:
        """What the network's semantic head gives: by its meta-architecture or one that it is built on."""
        bases = [base.__name__ for base in type(self.network).__mro__]
        known = next((BY_ARCHITECTURE[name] for name in bases if name in BY_ARCHITECTURE), None)
        if known is None and not self.settings.semantic:
            raise UsageError(
                f"detectron2: what the semantic maps of {bases[0]} are is not known here; say semantic=logits where it "
                "learned by the cross entropy of each pixel, semantic=sums where by that of each query"
            )
        return known or SemanticScores(self.settings.semantic)


CARD = Card(
    name="detectron2",
    form="detectron2:CONFIG,weights=FILE",
    summary="any panoptic, semantic or instance network of detectron2, where that is installed",
    roles={
        MaskGenerator: "any panoptic, semantic or instance network of detectron2, where that is installed",
        ZeroShotClassifier: "the network's own labels, by name and synonym",
    },
    licence="Apache-2.0 (code); the model zoo's weights CC BY-SA 3.0",
    settings=Detectron2Settings,
    make=Detectron2Segmenter,
    needs=lambda settings: [Need.of_file(settings.weights)],
)
