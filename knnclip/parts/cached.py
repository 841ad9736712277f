"""Parts that keep what they made of a picture: the same picture asked again costs a file, not a forward pass.

A result is a function of the part, the pixels and the masks, so its file is named by the hash of these and of knnclip's
version; what no longer belongs to anything may be deleted at any time. A mask generator or classifier is known by its
text, so a file of weights that changed under the same name needs another folder.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.files import write_atomically
from knnclip.images import pixel_digest
from knnclip.parts.roles import (
    CellEncoder,
    Encoder,
    GuidedGenerator,
    MaskGenerator,
    ReadsNames,
    SuggestsNames,
    ZeroShotClassifier,
)
from knnclip.progress import Progress
from knnclip.structures import Cells, Fingerprint, Float32, Image, Layout, Mask, Proposals, Suggestion
from knnclip.vocabulary import Vocabulary

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class CachedGenerator:
    """A mask generator whose proposals are kept."""

    generator: MaskGenerator
    part: str
    folder: Path

    @property
    def name(self) -> str:
        """The generator's."""
        return self.generator.name

    def generate(self, image: Image) -> Proposals:
        """As the generator's."""
        return self._kept(image, lambda: self.generator.generate(image))

    def _kept(self, image: Image, propose: Callable[[], Proposals], *key: str) -> Proposals:
        def make() -> Arrays:
            proposals = propose()
            counts = [mask.encode() for mask in proposals.masks]
            return {
                "boxes": np.array([mask.box_xyxy for mask in proposals.masks], dtype=np.int32).reshape(-1, 4),
                "counts": np.frombuffer(b"".join(counts), dtype=np.uint8),
                "lengths": np.array([len(part) for part in counts], dtype=np.int64),
                "scores": proposals.scores,
            }

        kept = _kept(self.folder, make, "masks", self.part, pixel_digest(image), *key)
        shape = (int(image.shape[0]), int(image.shape[1]))
        ends = np.cumsum(kept["lengths"]).tolist()
        counts = kept["counts"].tobytes()
        masks = tuple(
            Mask.decode(counts[end - length : end], (x0, y0, x1, y1), shape)
            for (x0, y0, x1, y1), length, end in zip(
                kept["boxes"].tolist(), kept["lengths"].tolist(), ends, strict=True
            )
        )
        return Proposals(shape, masks, np.asarray(kept["scores"], dtype=np.float32))

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """As the generator's, if it reads names."""
        if isinstance(self.generator, ReadsNames):
            self.generator.read_names(vocabulary, progress)


@dataclass(frozen=True)
class CachedGuidedGenerator(CachedGenerator):
    """A generator whose proposals are kept for what it was guided by."""

    generator: GuidedGenerator

    def generate_by(self, image: Image, cells: Cells) -> Proposals:
        """As the generator's."""
        digest = hashlib.sha256(cells.layout.encode() + cells.embeddings.tobytes()).hexdigest()
        return self._kept(image, lambda: self.generator.generate_by(image, cells), digest)


def cached_generator(generator: MaskGenerator, part: str, folder: Path) -> MaskGenerator:
    """A generator that keeps what the other one makes; ``part`` is its text."""
    if isinstance(generator, GuidedGenerator):
        return CachedGuidedGenerator(generator, part, folder)
    return CachedGenerator(generator, part, folder)


@dataclass(frozen=True)
class CachedEncoder:
    """An encoder whose embeddings are kept."""

    encoder: Encoder
    folder: Path

    @property
    def fingerprint(self) -> Fingerprint:
        """The encoder's."""
        return self.encoder.fingerprint

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """As the encoder's."""
        key = str(self.encoder.fingerprint), pixel_digest(image), masks_digest(masks)
        kept = _kept(self.folder, lambda: {"rows": self.encoder.encode(image, masks)}, "encoder", *key)
        return np.asarray(kept["rows"], dtype=np.float32)

    def suggest(self, image: Image, mask: Mask) -> list[Suggestion]:
        """As the encoder's, if it suggests names; nothing of it is kept."""
        return self.encoder.suggest(image, mask) if isinstance(self.encoder, SuggestsNames) else []


@dataclass(frozen=True)
class CachedCellEncoder(CachedEncoder):
    """An encoder whose embeddings and cells are kept."""

    encoder: CellEncoder

    def cells(self, image: Image) -> Cells:
        """As the encoder's."""

        def make() -> Arrays:
            found = self.encoder.cells(image)
            return {"embeddings": found.embeddings, "layout": np.array(found.layout)}

        kept = _kept(self.folder, make, "cells", str(self.encoder.fingerprint), pixel_digest(image))
        layout: Layout = "corners" if str(kept["layout"]) == "corners" else "tiles"
        return Cells(np.asarray(kept["embeddings"], dtype=np.float16), layout)


def cached_encoder(encoder: Encoder, folder: Path) -> Encoder:
    """An encoder that keeps what the other one makes."""
    return CachedCellEncoder(encoder, folder) if isinstance(encoder, CellEncoder) else CachedEncoder(encoder, folder)


@dataclass(frozen=True)
class CachedClassifier:
    """A classifier whose descriptions are kept; names are asked anew."""

    classifier: ZeroShotClassifier
    part: str
    folder: Path

    @property
    def name(self) -> str:
        """The classifier's."""
        return self.classifier.name

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """As the classifier's."""
        key = self.part, pixel_digest(image), masks_digest(masks)
        kept = _kept(self.folder, lambda: {"rows": self.classifier.describe(image, masks)}, "classifier", *key)
        return np.asarray(kept["rows"], dtype=np.float32)

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """As the classifier's, if it reads names."""
        if isinstance(self.classifier, ReadsNames):
            self.classifier.read_names(vocabulary, progress)

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """As the classifier's."""
        return self.classifier.classify(descriptions, vocabulary)


def masks_digest(masks: Sequence[Mask]) -> str:
    """The hash of masks, their order included."""
    digest = hashlib.sha256()
    for mask in masks:
        digest.update(repr((mask.box_xyxy, mask.shape)).encode())
        digest.update(np.packbits(mask.crop).tobytes())
    return digest.hexdigest()


def _kept(folder: Path, make: Callable[[], Arrays], *key: str) -> Arrays:
    name = hashlib.sha256("\n".join([version("knnclip"), *key]).encode()).hexdigest()
    file = folder / key[0] / name[:2] / f"{name[2:]}.npz"
    try:
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # not there, or damaged: it is made again
        made = make()
    content = io.BytesIO()
    by_name: dict[str, Any] = dict(made)  # NumPy types its own options and the arrays as one
    np.savez(content, **by_name)
    write_atomically(file, content.getvalue())
    return made
