"""The whole path: image -> masks -> embeddings -> neighbours -> posterior -> fusion -> assembly -> answer.

This is the only module that knows all the boxes; read it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from knnclip.catalogue import FrozenParts, PartOverrides, from_settings, make_parts, to_settings
from knnclip.decision.assembly import assemble
from knnclip.decision.atoms import Atoms, partition
from knnclip.decision.explanation import explain, shown_instances
from knnclip.decision.fusion import fuse
from knnclip.decision.retrieval import UNTRIED, VoteSettings, calibrate, posterior
from knnclip.errors import UsageError
from knnclip.images import as_image, encode_thumbnail, pixel_digest
from knnclip.masks.strokes import Stroke, draw_strokes
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name
from knnclip.store import Store
from knnclip.structures import (
    Beliefs,
    Bool,
    Box,
    Calibration,
    Census,
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

MIN_PURITY = 0.6
"""A proposal is stored as a class if at least this share of its pixels carries the class."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known of an image before the store is asked; made once, relabelled as often as the store changes."""

    image: Image  # (H, W, 3)
    reference: ImageReference
    proposals: Proposals  # N
    embeddings: Float32  # (N, D)
    descriptions: Float32 | None  # (N, E) what the classifier knows of the masks, None where there is no classifier

    @cached_property
    def atoms(self) -> Atoms:
        """The partition that the proposals make of the image."""
        return partition(self.proposals)


class Segmenter:
    """Segments images with a store's classes, and teaches the store new ones.

    >>> segmenter = Segmenter.open("my-store")
    >>> segmenter.teach("street.jpg", mask, "traffic cone")
    >>> result = segmenter.segment("next-street.jpg")
    """

    def __init__(self, store: Store, preset: Preset, parts: FrozenParts) -> None:
        """Use ``Segmenter.open``. ``parts`` are the preset's; ``StoreError`` if the store is of another encoder."""
        self.store = store
        self.preset = preset
        self.generator, self.promptable = parts.generator, parts.promptable
        self.encoder, self.classifier = parts.encoder, parts.classifier
        store.check_fingerprint(self.encoder.fingerprint)
        self._calibrated: tuple[int, dict[VoteSettings, Calibration]] = -1, {}  # of this generation of the store

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
        min_area: int | None = None,
        max_masks: int | None = None,
        device: str = "auto",
        cache: str | Path | None = None,
        read_only: bool = False,
    ) -> Segmenter:
        """Opens the store at ``path``, or makes it if nothing is there (not with ``read_only``).

        ``preset`` names a new store's preset; ``masks``, ``encoder`` and ``classifier`` take the place of its parts,
        and ``weights`` is a local file for the networks of its encoder. A store remembers all of them: naming another
        preset is a ``UsageError``, an encoder whose vectors could not be compared with the stored ones a
        ``StoreError``; parts whose files moved may be named anew. ``min_area`` (pixels) and ``max_masks`` limit what
        the mask generator proposes. ``device`` is where networks run: ``auto``, ``cuda``, ``mps`` or ``cpu``. ``cache``
        is a folder that keeps what they make of an image, for whoever asks about the same images again.
        """
        path = Path(path)
        named = PartOverrides.read(
            masks=masks,
            encoder=encoder,
            classifier=classifier,
            weights=weights,
            min_area=min_area,
            max_masks=max_masks,
        )
        if not read_only and not path.exists():
            return cls._create(path, named.into(preset_by_name(preset or DEFAULT_PRESET)), device, cache)
        store = Store.open(path, read_only=read_only)
        try:
            stored = store.get_setting("preset") or DEFAULT_PRESET
            if preset not in (None, stored):
                raise UsageError(
                    f"store {path} was made with preset {stored!r}, not {preset!r}; leave the preset out, "
                    f"or choose another store for {preset!r}"
                )
            known = named.into(from_settings(store.get_setting))
            return cls(store, known, make_parts(known, device, cache))
        except BaseException:
            store.close()
            raise

    @classmethod
    def _create(cls, path: Path, preset: Preset, device: str, cache: str | Path | None) -> Segmenter:
        parts = make_parts(preset, device, cache)
        store = Store.create(path, parts.encoder.fingerprint)
        for name, text in to_settings(preset).items():
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
        embeddings = self.encoder.encode(pixels, proposals.masks)
        described = self.classifier.describe(pixels, proposals.masks) if self.classifier is not None else None
        return Analysis(pixels, reference, proposals, embeddings, described)

    def label(self, analysis: Analysis) -> Segmentation:
        """The answer for an analysed image by the store as it is now; nothing is encoded again."""
        vocabulary = self.store.vocabulary()
        neighbors = self.store.search(analysis.embeddings, self.preset.vote.k)
        (beliefs,) = self._beliefs(neighbors, analysis.descriptions, vocabulary, [self.preset])
        assembly = assemble(analysis.proposals, analysis.atoms, beliefs, vocabulary, self.preset.assembly)
        stored = self.store.evidence(shown_instances(assembly.pieces, neighbors))
        segments = explain(assembly.pieces, neighbors, stored, vocabulary)
        return Segmentation(assembly.semantic, assembly.panoptic, assembly.confidence, segments)

    def beliefs(
        self, embeddings: Float32, descriptions: Float32 | None, vocabulary: Vocabulary, settings: Sequence[Preset]
    ) -> list[Beliefs]:
        """What is believed of N masks by each of several settings, over a vocabulary that the store has.

        ``embeddings`` and ``descriptions`` are those of an ``Analysis``; of the settings the vote and the fusion count.
        The store is searched once for all of them.
        """
        neighbors = self.store.search(embeddings, max(preset.vote.k for preset in settings))
        return self._beliefs(neighbors, descriptions, vocabulary, settings)

    def _beliefs(
        self,
        neighbors: Neighbors,
        descriptions: Float32 | None,
        vocabulary: Vocabulary,
        settings: Sequence[Preset],
    ) -> list[Beliefs]:
        census, levels = self.store.census(vocabulary), self.store.levels(vocabulary)
        base = None
        if self.classifier is not None and descriptions is not None:
            base = self.classifier.classify(descriptions, vocabulary)
        believed = []
        for preset in settings:
            retrieved = posterior(neighbors.nearest(preset.vote.k), vocabulary, census, preset.vote)
            calibration = UNTRIED if base is None else self._calibration(preset.vote, vocabulary, census)
            believed.append(fuse(base, retrieved, levels, census, calibration, preset.fusion))
        return believed

    def _calibration(self, vote: VoteSettings, vocabulary: Vocabulary, census: Census) -> Calibration:
        """How far the store's votes can be trusted; found anew when the store has changed."""
        generation, known = self._calibrated
        if generation != (now := self.store.generation):
            self._calibrated = now, (known := {})
        if vote not in known:
            known[vote] = calibrate(*self.store.held_out(vote.k), vocabulary, census, vote)
        return known[vote]

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
        """What may be meant by a click at a pixel, the smallest first; none outside the image.

        That is what the promptable generator finds there, or the proposals that hold the pixel if it finds none.
        """
        x, y = point_xy
        if not (0 <= x < analysis.image.shape[1] and 0 <= y < analysis.image.shape[0]):
            return []
        if found := self.promptable.masks_from_point(analysis.image, point_xy):
            return sorted(found, key=lambda mask: mask.area)
        holding = []
        for mask in analysis.proposals.masks:
            x0, y0, x1, y1 = mask.box_xyxy
            if x0 <= x < x1 and y0 <= y < y1 and mask.crop[y - y0, x - x0]:
                holding.append(mask)
        return sorted(holding, key=lambda mask: mask.area)

    def mask_from_box(self, image: ImageLike | Analysis, box_xyxy: Box) -> Mask:
        """The object inside a drawn box, by the preset's promptable generator; ``MaskError`` if there is none."""
        return self.promptable.mask_from_box(_pixels(image), box_xyxy)

    def mask_from_strokes(self, image: ImageLike | Analysis, strokes: Sequence[Stroke], width_px: float) -> Mask:
        """The object under a scribble: lines through points ``(x, y)``, so many pixels wide; else as by a box."""
        pixels = _pixels(image)
        shape = (int(pixels.shape[0]), int(pixels.shape[1]))
        foreground = draw_strokes(strokes, shape, width_px)
        return self.promptable.mask_from_scribble(pixels, foreground)

    def _drawn(self, image: Image, mask: Mask | Bool | Box) -> Mask:
        if isinstance(mask, tuple):
            return self.mask_from_box(image, mask)
        drawn = mask if isinstance(mask, Mask) else Mask.from_dense(mask)
        image_shapes_agree(image, [drawn], where="teach")
        return drawn


def _pixels(image: ImageLike | Analysis) -> Image:
    return image.image if isinstance(image, Analysis) else as_image(image)
