"""Any semantic segmenter as an ONNX file: a mask generator and a classifier over its own labels.

Its masks are the connected pieces of its prediction, its P_base is that of ``LabelMaps``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from knnclip.errors import UsageError, WeightsError
from knnclip.networks.label_lists import LabelList, labels_of
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.proposals import ProposalLimits, best_proposals
from knnclip.parts.roles import MaskGenerator, ZeroShotClassifier
from knnclip.parts.weights import Need
from knnclip.structures import Float32, Image, Int32, Layout, Mask, Proposals, masks_from_labels


@dataclass(frozen=True)
class OnnxSettings(ProposalLimits):
    """The options of ``onnx:FILE,...``."""

    # One image input (1, 3, H, W), H and W free, and logits (1, C, H', W') as the first output.
    model: Annotated[Path, "the network's file"]
    labels: Annotated[
        LabelList,
        "a text file with the names of its classes, one class a line, synonyms after commas, or a published list, "
        "`voc-21`",
    ]
    mean: Annotated[tuple[float, ...], "of the input's channels in 0..1, one for all or three"] = (0.5,)
    std: Annotated[tuple[float, ...], "as `mean`"] = (0.5,)
    multiple: Annotated[int, "the input's sides are multiples of this"] = 1
    extra: Annotated[int, "and so many pixels more"] = 0
    background: Annotated[str, "the label that means none of the others"] = "background"


class OnnxSegmenter(LabelMaps):
    """The generator and the classifier ``onnx``. Frozen."""

    name = "onnx"
    layout: Layout = "corners"

    def __init__(self, settings: OnnxSettings, device: str = "auto") -> None:
        """Opens the file; ``WeightsError`` if it is missing, damaged, has other inputs and outputs than ``model`` says,
        or another number of classes than labels.
        """
        self.settings = settings
        self._session = _session(settings.model, device)
        self._input = _checked_input(self._session, settings.model)
        declared = self._session.get_outputs()[0].shape[1:2]
        count = next((classes for classes in declared if isinstance(classes, int)), None)
        names = labels_of(str(settings.model), count, settings.labels)
        self.labels = [() if settings.background in synonyms else synonyms for synonyms in names]
        self._softmax = Recent(self._forward)

    def generate(self, image: Image) -> Proposals:
        """The connected pieces of the prediction, by falling mean probability of their class."""
        shape = (int(image.shape[0]), int(image.shape[1]))
        pieces = _pieces(self.probabilities(image), shape)
        masks = [mask for mask in pieces if mask.area >= self.settings.min_area]
        return best_proposals(shape, masks, self.describe(image, masks).max(axis=1, initial=0), self.settings)

    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``: the softmax over the labels, cells from corner pixel to corner pixel of the image."""
        return self._softmax(image)

    def _forward(self, image: Image) -> Float32:
        import cv2

        size = [
            max(1, round((side - self.settings.extra) / self.settings.multiple)) * self.settings.multiple
            + self.settings.extra
            for side in image.shape[:2]
        ]
        scaled = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        normal = (scaled / 255 - np.array(self.settings.mean)) / np.array(self.settings.std)
        batch = np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)
        logits = self._logits(batch)
        powers = np.exp(logits - logits.max(axis=0, keepdims=True))
        softmax: Float32 = (powers / powers.sum(axis=0, keepdims=True)).astype(np.float32)
        return softmax

    def _logits(self, batch: Float32) -> Float32:
        """``(L, h, w)``; ``WeightsError`` if the network fails, or gives anything else."""
        try:
            found = np.asarray(self._session.run(None, {self._input: batch})[0])
        except Exception as error:  # the runtime's errors share no class
            raise WeightsError(
                f"{self.settings.model} cannot be run on {batch.shape[3]}x{batch.shape[2]} px ({_first_line(error)}); "
                "set `multiple` and `extra` to the sides that it takes"
            ) from error
        if found.ndim != 4 or found.shape[0] != 1 or found.size == 0 or found.dtype.kind != "f":
            raise WeightsError(
                f"{self.settings.model} gives {found.dtype} of shape {found.shape}, expected logits (1, C, H, W)"
            )
        if found.shape[1] != len(self.labels):
            raise WeightsError(
                f"{self.settings.model} gives {found.shape[1]} classes, {self.settings.labels} names "
                f"{len(self.labels)}; use the labels that it was made with"
            )
        if not np.isfinite(found).all():
            raise WeightsError(f"{self.settings.model} gives logits that are not finite; are its weights damaged?")
        logits: Float32 = found[0]
        return logits


def _checked_input(session: Any, model: Path) -> str:  # noqa: ANN401 - as ``_session``
    """The name of the network's input; ``WeightsError`` unless it is one image of any size, and logits come out."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    expected = "expected one float input (1, 3, H, W) with H and W free, and logits (1, C, H, W)"
    if len(inputs) != 1 or not outputs:
        raise WeightsError(f"{model} has {len(inputs)} inputs and {len(outputs)} outputs; {expected}")
    try:
        name, kind = str(inputs[0].name), str(inputs[0].type)
        taken, given = list(inputs[0].shape), list(outputs[0].shape)
    except UnicodeDecodeError as error:  # the runtime decodes names of inputs and of their sides only when asked
        raise WeightsError(f"{model} names its input or output in bytes that are no UTF-8; replace the file") from error
    fits = len(taken) == 4 and len(given) in (0, 4) and kind == "tensor(float)"
    if not fits or (isinstance(taken[0], int) and taken[0] != 1) or (isinstance(taken[1], int) and taken[1] != 3):
        raise WeightsError(f"{model} takes {kind} {taken} and gives {given}; {expected}")
    if any(isinstance(side, int) for side in taken[2:]):
        raise WeightsError(f"{model} takes images of {taken[3]}x{taken[2]} px alone; export it with H and W free")
    return name


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _pieces(probabilities: Float32, shape: tuple[int, int]) -> tuple[Mask, ...]:
    import cv2
    from skimage.measure import label

    winner = probabilities.argmax(axis=0).astype(np.uint8 if len(probabilities) <= 256 else np.uint16)
    full: Int32 = cv2.resize(winner, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    return masks_from_labels(label(full, background=-1, connectivity=2))


CARD = Card(
    name="onnx",
    form="onnx:FILE,labels=NAMES.txt",
    summary="any semantic segmenter as an ONNX file",
    roles={
        MaskGenerator: "any semantic segmenter (`pip install 'knnclip[onnx]'`)",
        ZeroShotClassifier: "the network's own labels, by name and synonym; labels that mean the same stand on one "
        "line, with commas",
    },
    licence="MIT (ONNX Runtime); the network has its own",
    settings=OnnxSettings,
    make=OnnxSegmenter,
    needs=lambda settings: [Need.of_file(settings.model)],
)


def _session(model: Path, device: str) -> Any:  # noqa: ANN401 - the library is there only on request
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError("the part 'onnx' needs onnxruntime; pip install 'knnclip[onnx]'") from error
    if not Path(model).is_file():
        raise WeightsError(f"{model} does not exist or is not a file; check the path of the network")
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(
            str(model), providers=[name for name in wanted if name in onnxruntime.get_available_providers()]
        )
    except Exception as error:  # the runtime's errors share no class
        raise WeightsError(
            f"{model} cannot be opened as an ONNX network ({_first_line(error)}); replace the file"
        ) from error
