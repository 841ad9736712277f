"""Any semantic segmenter as an ONNX file: a mask generator and a classifier over its own labels.

Its masks are the connected pieces of its prediction. P_base of a mask is the mean of its softmax over the mask; what it
gives to its background label, or to labels that the vocabulary has not, is "none of these".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.errors import UsageError, WeightsError
from knnclip.pooling import mask_weights
from knnclip.structures import Float32, Image, Int32, Mask, Proposals, image_shapes_agree, masks_from_labels


@dataclass(frozen=True)
class OnnxSettings:
    """The options of ``onnx:FILE,...``."""

    model: str  # a file with one image input (1, 3, H, W), H and W free, and logits (1, C, H', W') as its first output
    labels: str  # a text file: the name of each of the C classes, one a line
    mean: tuple[float, ...] = (0.5,)  # of the input's channels in 0..1
    std: tuple[float, ...] = (0.5,)
    multiple: int = 1  # the input's sides are multiples of this,
    extra: int = 0  # and so many pixels more
    background: str = "background"  # the label that means none of the others
    min_area: int = 64  # in pixels of the image: smaller pieces are no proposals
    max_masks: int = 200  # the best that are kept


class OnnxSegmenter:
    """The generator and the classifier ``onnx``. Frozen; it keeps the answer for the last image alone."""

    def __init__(self, settings: OnnxSettings, device: str = "auto") -> None:
        """Opens the file; ``WeightsError`` if it is missing, damaged or has another number of classes than labels."""
        self.settings = settings
        self._session = _session(settings.model, device)
        self.labels = _labels(settings.labels)
        self._last: tuple[Image, Float32] | None = None
        classes = self._session.get_outputs()[0].shape[1]
        if isinstance(classes, int) and classes != len(self.labels):
            raise WeightsError(
                f"{settings.model} has {classes} classes, {settings.labels} names {len(self.labels)}; "
                "use the labels that it was made with"
            )

    @property
    def name(self) -> str:
        """``onnx``."""
        return "onnx"

    def generate(self, image: Image) -> Proposals:
        """The connected pieces of the prediction, by falling mean probability of their class."""
        probabilities = self.probabilities(image)
        shape = (int(image.shape[0]), int(image.shape[1]))
        masks = [mask for mask in _pieces(probabilities, shape) if mask.area >= self.settings.min_area]
        scores = self._pooled(image, masks).max(axis=1, initial=0)
        best = np.argsort(-scores, kind="stable")[: self.settings.max_masks]
        return Proposals(shape, tuple(masks[i] for i in best.tolist()), scores[best].astype(np.float32))

    def classify(self, image: Image, masks: Sequence[Mask], class_names: Sequence[str]) -> Float32:
        """P_base: ``(N, C) float32``, see ``ZeroShotClassifier``; 0 for names that are not among the labels."""
        image_shapes_agree(image, masks, where="onnx")
        pooled = self._pooled(image, masks)
        column = {label: i for i, label in enumerate(self.labels) if label != self.settings.background}
        base = np.zeros((len(masks), len(class_names)), dtype=np.float32)
        for c, name in enumerate(class_names):
            if name in column:
                base[:, c] = pooled[:, column[name]]
        return base

    def probabilities(self, image: Image) -> Float32:
        """``(C, h, w) float32``: the softmax over the labels, cells from corner pixel to corner pixel of the image."""
        import cv2

        last = self._last  # other threads may put theirs in its place
        if last is None or last[0] is not image:
            size = [
                max(1, round((side - self.settings.extra) / self.settings.multiple)) * self.settings.multiple
                + self.settings.extra
                for side in image.shape[:2]
            ]
            scaled = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
            normal = (scaled / 255 - np.array(self.settings.mean)) / np.array(self.settings.std)
            batch = np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)
            logits = self._session.run(None, {self._session.get_inputs()[0].name: batch})[0][0]
            powers = np.exp(logits - logits.max(axis=0, keepdims=True))
            last = self._last = image, (powers / powers.sum(axis=0, keepdims=True)).astype(np.float32)
        return last[1]

    def _pooled(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, labels)``: the mean softmax over each mask."""
        probabilities = self.probabilities(image)
        shape, grid = (int(image.shape[0]), int(image.shape[1])), probabilities.shape[1:]
        weights = mask_weights(masks, shape, (int(grid[0]), int(grid[1])), "corners")
        return np.asarray(weights @ probabilities.reshape(len(probabilities), -1).T).astype(np.float32)


def _pieces(probabilities: Float32, shape: tuple[int, int]) -> tuple[Mask, ...]:
    import cv2
    from skimage.measure import label

    winner = probabilities.argmax(axis=0).astype(np.uint8 if len(probabilities) <= 256 else np.uint16)
    full: Int32 = cv2.resize(winner, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    return masks_from_labels(label(full, background=-1, connectivity=2))


def _session(model: str, device: str) -> Any:  # noqa: ANN401 - the library is there only on request
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError("the part 'onnx' needs onnxruntime; pip install 'knnclip[onnx]'") from error
    if not Path(model).is_file():
        raise WeightsError(f"{model} does not exist or is not a file; check the path of the network")
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(
            model, providers=[name for name in wanted if name in onnxruntime.get_available_providers()]
        )
    except Exception as error:  # the runtime's errors share no class
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{model} cannot be opened as an ONNX network ({reason}); replace the file") from error


def _labels(path: str) -> tuple[str, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} cannot be read as a list of labels ({error}); one name a line, in UTF-8") from error
    return tuple(line.strip() for line in lines if line.strip())
