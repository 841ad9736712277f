"""Any panoptic, semantic or instance network of detectron2, by its config and weights.

Its masks are what it segments: panoptic segments, instances, and the connected pieces of its semantic map. P_base is
that of ``LabelMaps``: from the semantic scores where it has them, else from the scores of the segments at each pixel.
detectron2 is not a dependency: it is imported when this part is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from knnclip.errors import UsageError, WeightsError
from knnclip.images import reduce_image
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.pooling import Layout
from knnclip.parts.proposals import ProposalLimits, best_proposals, enlarged_mask
from knnclip.parts.roles import MaskGenerator, ZeroShotClassifier
from knnclip.parts.settings import HubModel
from knnclip.parts.weights import Need, load_weights, read_weights
from knnclip.structures import Bool, Float32, Image, Mask, Proposals

INSTALL = (
    "pip install 'git+https://github.com/facebookresearch/detectron2.git' (it compiles; torch must be there first)"
)
WORKING_PX = 1333
"""Longer side of the copy on which masks are made: the longest input of detectron2's own configs. Larger costs memory
for every mask, smaller loses thin objects."""


@dataclass(frozen=True)
class Detectron2Settings(ProposalLimits):
    """The options of ``detectron2:CONFIG,...``."""

    model: Annotated[HubModel, "a config file (.yaml), or the name of one in detectron2's model zoo"]
    weights: Annotated[Path, "a PyTorch or safetensors file (pickles of the model zoo are not read)"]
    setup: Annotated[str, "`MODULE:FUNCTION` that adds a project's own keys to the config, as Mask2Former needs"] = ""


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
        config = _config(settings, str(self.device))
        transforms, modeling = _library("data.transforms"), _library("modeling")
        self.network = modeling.build_model(config).eval().requires_grad_(False)
        load_weights(self.network, read_weights(settings.weights), source=str(settings.weights))
        self._bgr = config.INPUT.FORMAT == "BGR"
        self._resize = transforms.ResizeShortestEdge(
            [config.INPUT.MIN_SIZE_TEST, config.INPUT.MIN_SIZE_TEST], config.INPUT.MAX_SIZE_TEST
        )
        known = _library("data").MetadataCatalog.get(config.DATASETS.TEST[0])
        self._things = list(known.get("thing_classes", []))
        self._stuff = list(known.get("stuff_classes", []))
        self.labels = [
            tuple(part.strip() for part in name.split(",")) for name in dict.fromkeys([*self._stuff, *self._things])
        ]
        self._answer = Recent(self._forward)

    def generate(self, image: Image) -> Proposals:
        """What the network segments, by falling score."""
        answer = self._answer(image)
        return best_proposals((int(image.shape[0]), int(image.shape[1])), answer.masks, answer.scores, self.settings)

    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``."""
        return self._answer(image).probabilities

    def _forward(self, image: Image) -> Answer:
        import torch

        working = reduce_image(image, WORKING_PX)
        shape = (int(working.shape[0]), int(working.shape[1]))
        source = working[:, :, ::-1] if self._bgr else working
        resized = self._resize.get_transform(source).apply_image(np.ascontiguousarray(source))
        tensor = torch.as_tensor(resized.astype(np.float32).transpose(2, 0, 1), device=self.device)
        with torch.inference_mode(), autocast(self.device):
            outputs = self.network([{"image": tensor, "height": shape[0], "width": shape[1]}])[0]
        masks, scores = [], []
        maps = np.zeros((len(self.labels), *shape), dtype=np.float32)
        for dense, label, score in self._segments(outputs):
            if dense.any():
                masks.append(enlarged_mask(dense, (int(image.shape[0]), int(image.shape[1]))))
                scores.append(score)
                maps[label][dense] = np.maximum(maps[label][dense], score)
        if "sem_seg" in outputs:
            maps = _semantic(outputs["sem_seg"].float())
        return Answer(
            tuple(masks),
            np.array(scores, dtype=np.float32),
            (maps / np.maximum(maps.sum(axis=0, keepdims=True), 1)).astype(np.float32),
        )

    def _segments(self, outputs: Any) -> Iterator[tuple[Bool, int, float]]:  # noqa: ANN401 - a dictionary of theirs
        """Each mask with its label and score, whatever kinds of result the network has."""
        column = {names: i for i, names in enumerate(self.labels)}

        def label(names: list[str], number: int) -> int:
            return column[tuple(part.strip() for part in names[number].split(","))]

        if "panoptic_seg" in outputs:
            ids, segments = outputs["panoptic_seg"]
            ids = ids.cpu().numpy()
            for segment in segments:
                names = self._things if segment["isthing"] else self._stuff
                yield ids == segment["id"], label(names, segment["category_id"]), float(segment.get("score", 1.0))
        if "instances" in outputs:
            found = outputs["instances"].to("cpu")
            for dense, score, number in zip(found.pred_masks, found.scores, found.pred_classes, strict=True):
                yield dense.numpy() > 0.5, label(self._things, int(number)), float(score)
        if "sem_seg" in outputs and "panoptic_seg" not in outputs:
            from skimage.measure import label as connected

            maps = _semantic(outputs["sem_seg"].float())
            pieces = connected(maps.argmax(axis=0), background=-1, connectivity=2)
            for piece in range(1, int(pieces.max()) + 1):
                dense = pieces == piece
                best = int(maps[:, dense].mean(axis=1).argmax())
                yield dense, best, float(maps[best][dense].mean())


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


def _semantic(scores: Any) -> Float32:  # noqa: ANN401 - a tensor
    """``(L, H, W)``: the scores where they are probabilities already (up to rounding), else their softmax."""
    probable = float(scores.min()) >= 0 and float(scores.max()) <= 1 + 1e-4
    maps: Float32 = (scores if probable else scores.softmax(dim=0)).cpu().numpy()
    return maps


def _config(settings: Detectron2Settings, device: str) -> Any:  # noqa: ANN401 - detectron2's own
    config = _library("config").get_cfg()
    if settings.setup:
        module, _, function = settings.setup.partition(":")
        try:
            getattr(import_module(module), function)(config)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"detectron2: setup {settings.setup!r} cannot be called ({error}); write MODULE:FUNCTION"
            ) from error
    file = settings.model
    if not Path(file).is_file():
        try:
            file = _library("model_zoo").get_config_file(settings.model)
        except RuntimeError as error:
            raise WeightsError(
                f"detectron2: {settings.model} is no file and not in the model zoo; check its path"
            ) from error
    config.merge_from_file(file)
    config.MODEL.DEVICE, config.MODEL.WEIGHTS = device, ""
    return config


def _library(part: str) -> Any:  # noqa: ANN401
    try:
        return import_module(f"detectron2.{part}")
    except ImportError as error:
        raise UsageError(f"the part 'detectron2' needs detectron2, which is not here ({error}); {INSTALL}") from error
