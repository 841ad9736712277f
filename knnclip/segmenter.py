"""The whole path: image -> masks -> embeddings -> neighbours -> posterior -> fusion -> assembly -> answer.

This is the only module that knows all the boxes; read it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from knnclip.assembly import assemble
from knnclip.atoms import Atoms, partition
from knnclip.classifiers import ZeroShotClassifier, make_classifier
from knnclip.encoders import Encoder, make_encoder
from knnclip.errors import UsageError
from knnclip.explanation import explain, shown_instances
from knnclip.fusion import fuse
from knnclip.images import as_image, encode_thumbnail, pixel_digest
from knnclip.masks import MaskGenerator, make_generator, make_promptable
from knnclip.masks.strokes import Stroke, draw_strokes
from knnclip.parts import with_option
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name
from knnclip.retrieval import posterior
from knnclip.store import Store
from knnclip.structures import (
    Beliefs,
    Bool,
    Box,
    Float32,
    Image,
    ImageReference,
    LabelledInstance,
    Mask,
    Neighbors,
    Proposals,
    Segmentation,
    image_shapes_agree,
)
from knnclip.vocabulary import Vocabulary, check_name

ImageLike = Image | str | Path

PARTS = ("masks", "encoder", "classifier")
"""The settings under which a store remembers its parts."""

MIN_PURITY = 0.6
"""A proposal is stored as a class if at least this share of its pixels carries the class."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known of an image before the store is asked; made once, relabelled as often as the store changes."""

    image: Image  # (H, W, 3)
    reference: ImageReference
    proposals: Proposals  # N
    embeddings: Float32  # (N, D)

    @cached_property
    def atoms(self) -> Atoms:
        """The partition that the proposals make of the image."""
        return partition(self.proposals)


@dataclass(frozen=True, eq=False)
class Parts:
    """What a preset's names stand for."""

    generator: MaskGenerator
    encoder: Encoder
    classifier: ZeroShotClassifier | None


def make_parts(preset: Preset, device: str) -> Parts:
    """Makes the parts of a preset. One that is named for several roles is made once, and works once for each image."""
    generator = make_generator(preset.masks, device)
    classifier: ZeroShotClassifier | None = None
    if preset.classifier == preset.masks and isinstance(generator, ZeroShotClassifier):
        classifier = generator
    elif preset.classifier is not None:
        classifier = make_classifier(preset.classifier, device)
    return Parts(generator, make_encoder(preset.encoder, device), classifier)


class Segmenter:
    """Segments images with a store's classes, and teaches the store new ones.

    >>> segmenter = Segmenter.open("my-store")
    >>> segmenter.teach("street.jpg", mask, "traffic cone")
    >>> result = segmenter.segment("next-street.jpg")
    """

    def __init__(self, store: Store, preset: Preset, parts: Parts) -> None:
        """Use ``Segmenter.open``. ``parts`` are the preset's; ``StoreError`` if the store is of another encoder."""
        self.store = store
        self.preset = preset
        self.generator, self.encoder, self.classifier = parts.generator, parts.encoder, parts.classifier
        store.check_fingerprint(self.encoder.fingerprint)

    @classmethod
    def open(
        cls,
        path: str | Path,
        preset: str | None = None,
        *,
        masks: str | None = None,
        encoder: str | None = None,
        classifier: str | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        read_only: bool = False,
    ) -> Segmenter:
        """Opens the store at ``path``, or makes it if nothing is there (not with ``read_only``).

        ``preset`` names a new store's preset; ``masks``, ``encoder`` and ``classifier`` take the place of its parts,
        and ``weights`` is a local file for the timm networks of its encoder. A store remembers all of them: naming
        another preset is a ``UsageError``, an encoder whose vectors could not be compared with the stored ones a
        ``StoreError``; parts whose files moved may be named anew. ``device`` is where networks run: ``auto``,
        ``cuda``, ``mps`` or ``cpu``.
        """
        path = Path(path)
        if not read_only and not path.exists():
            named = preset_by_name(preset or DEFAULT_PRESET)
            return cls._create(path, _chosen(named, masks, encoder, classifier, weights), device)
        store = Store.open(path, read_only=read_only)
        try:
            stored = store.get_setting("preset") or DEFAULT_PRESET
            if preset not in (None, stored):
                raise UsageError(
                    f"store {path} was made with preset {stored!r}, not {preset!r}; leave the preset out, "
                    f"or choose another store for {preset!r}"
                )
            own_masks, own_encoder, own_classifier = (store.get_setting(name) for name in PARTS)
            remembered = _chosen(preset_by_name(stored), own_masks, own_encoder, own_classifier, None)
            known = _chosen(remembered, masks, encoder, classifier, weights)
            return cls(store, known, make_parts(known, device))
        except BaseException:
            store.close()
            raise

    @classmethod
    def _create(cls, path: Path, preset: Preset, device: str) -> Segmenter:
        parts = make_parts(preset, device)
        store = Store.create(path, parts.encoder.fingerprint)
        store.set_setting("preset", preset.name)
        for name in PARTS:
            if (text := getattr(preset, name)) is not None:
                store.set_setting(name, text)
        return cls(store, preset, parts)

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store."""
        self.store.close()

    def segment(self, image: ImageLike) -> Segmentation:
        """The classes and segments of an image: a path, or ``(H, W, 3) uint8`` RGB."""
        return self.label(self.analyse(image))

    def analyse(self, image: ImageLike, *, masks: Sequence[Mask] | None = None, ref: str | None = None) -> Analysis:
        """Cuts an image into masks and encodes them.

        ``masks`` take the place of the generator's own. ``ref`` is the name under which the store shall remember the
        image; without it that is the path, or the hash of the pixels where there is none.
        """
        pixels = as_image(image)
        if masks is None:
            proposals = self.generator.generate(pixels)
        else:
            image_shapes_agree(pixels, masks, where="analyse")
            shape = (int(pixels.shape[0]), int(pixels.shape[1]))
            proposals = Proposals(shape, tuple(masks), np.ones(len(masks), dtype=np.float32))
        if ref is None:
            ref = str(image) if isinstance(image, str | Path) else pixel_digest(pixels)
        reference = ImageReference(ref, int(pixels.shape[1]), int(pixels.shape[0]), encode_thumbnail(pixels))
        return Analysis(pixels, reference, proposals, self.encoder.encode(pixels, proposals.masks))

    def label(self, analysis: Analysis) -> Segmentation:
        """The answer for an analysed image by the store as it is now; nothing is encoded again."""
        vocabulary = self.store.vocabulary()
        neighbors = self.store.search(analysis.embeddings, self.preset.vote.k)
        beliefs = self._beliefs(analysis, neighbors, vocabulary)
        assembly = assemble(analysis.proposals, analysis.atoms, beliefs, vocabulary, self.preset.assembly)
        stored = self.store.evidence(shown_instances(assembly.pieces, neighbors))
        segments = explain(assembly.pieces, neighbors, stored, vocabulary)
        return Segmentation(assembly.semantic, assembly.panoptic, assembly.confidence, segments)

    def _beliefs(self, analysis: Analysis, neighbors: Neighbors, vocabulary: Vocabulary) -> Beliefs:
        census = self.store.census(vocabulary)
        retrieved = posterior(neighbors, vocabulary, census, self.preset.vote)
        base = None
        if self.classifier is not None:
            names = [info.name for info in vocabulary]
            base = self.classifier.classify(analysis.image, analysis.proposals.masks, names)
        return fuse(base, retrieved, self.store.levels(vocabulary), census, self.preset.fusion)

    def teach(self, image: ImageLike | Analysis, mask: Mask | Bool | Box, class_name: str) -> int:
        """Stores a mask as an instance of a class, new or known, and returns the source id that undoes it.

        ``mask`` is an ``(H, W)`` boolean array, a ``Mask``, or a box ``(x0, y0, x1, y1)`` drawn around the object.
        The generator's own masks inside it are stored with it: later pictures are cut by the same generator, and a
        store of the same kind of mask as the query finds them better. They count as one witness, being of one image.
        Raises ``MaskError`` for an empty mask or one of another size, ``UsageError`` for a blank name.
        """
        check_name(class_name)
        analysis = image if isinstance(image, Analysis) else self.analyse(image)
        drawn = self._drawn(analysis.image, mask)
        embedding = self.encoder.encode(analysis.image, [drawn])[0]
        instances = [LabelledInstance(embedding, class_name, analysis.reference, drawn)]
        inside = drawn.to_dense()
        for own, vector in zip(analysis.proposals.masks, analysis.embeddings, strict=True):
            purity = float(own.select(inside).mean())
            if purity >= MIN_PURITY:
                instances.append(
                    LabelledInstance(vector, class_name, analysis.reference, own, purity=purity, origin="proposal")
                )
        source = self.store.begin_source("teach", f"{class_name} in {analysis.reference.ref}")
        self.store.add(instances, source)
        return source

    def regions_at(self, analysis: Analysis, point_xy: tuple[int, int]) -> list[Mask]:
        """The proposals that hold a pixel, the smallest first; none outside the image."""
        x, y = point_xy
        holding = []
        for mask in analysis.proposals.masks:
            x0, y0, x1, y1 = mask.box_xyxy
            if x0 <= x < x1 and y0 <= y < y1 and mask.crop[y - y0, x - x0]:
                holding.append(mask)
        return sorted(holding, key=lambda mask: mask.area)

    def mask_from_box(self, image: ImageLike | Analysis, box_xyxy: Box) -> Mask:
        """The object inside a drawn box, by the preset's promptable generator; ``MaskError`` if there is none."""
        return make_promptable(self.preset.promptable).mask_from_box(_pixels(image), box_xyxy)

    def mask_from_strokes(self, image: ImageLike | Analysis, strokes: Sequence[Stroke], width_px: float) -> Mask:
        """The object under a scribble: lines through points ``(x, y)``, so many pixels wide; else as by a box."""
        pixels = _pixels(image)
        shape = (int(pixels.shape[0]), int(pixels.shape[1]))
        foreground = draw_strokes(strokes, shape, width_px)
        return make_promptable(self.preset.promptable).mask_from_scribble(pixels, foreground)

    def _drawn(self, image: Image, mask: Mask | Bool | Box) -> Mask:
        if isinstance(mask, tuple):
            return self.mask_from_box(image, mask)
        drawn = mask if isinstance(mask, Mask) else Mask.from_dense(mask)
        image_shapes_agree(image, [drawn], where="teach")
        return drawn


def _chosen(
    preset: Preset, masks: str | None, encoder: str | None, classifier: str | None, weights: str | Path | None
) -> Preset:
    """The preset with other parts, or with a file for the networks of its encoder."""
    text = encoder or preset.encoder
    if weights is not None:
        text = with_option(text, "timm", "weights", str(Path(weights).absolute()))
    return replace(preset, masks=masks or preset.masks, encoder=text, classifier=classifier or preset.classifier)


def _pixels(image: ImageLike | Analysis) -> Image:
    return image.image if isinstance(image, Analysis) else as_image(image)
