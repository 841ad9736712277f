"""The whole path: image -> masks -> embeddings -> neighbours -> posterior -> fusion -> assembly -> answer.

This is the only module that knows all the boxes; read it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from knnclip.analysis import MIN_PURITY, Analysis, LabelledMask, taught_masks
from knnclip.catalogue import FrozenParts, PartOverrides, from_settings, make_parts, to_settings
from knnclip.decision.assembly import AssemblySettings, assemble
from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.decision.explanation import explain, shown_instances
from knnclip.decision.fusion import FusionSettings
from knnclip.decision.retrieval import VoteSettings
from knnclip.decision.tuning import Aim, aim_by_name
from knnclip.errors import UsageError
from knnclip.images import as_image
from knnclip.masks.strokes import Stroke, draw_strokes
from knnclip.opinions import Seen, beliefs_of
from knnclip.parts.proposals import propose
from knnclip.parts.roles import ReadsNames, SuggestsNames
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name
from knnclip.progress import SILENT, Progress
from knnclip.store import Exchange, Store, View
from knnclip.store.tunings import Tuning
from knnclip.structures import (
    Beliefs,
    Bool,
    Box,
    Image,
    LabelledInstance,
    Mask,
    Proposals,
    Segmentation,
    Suggestion,
    image_shapes_agree,
)
from knnclip.tuning import tune_store, tuned
from knnclip.vocabulary import Vocabulary, check_name

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

ImageLike: TypeAlias = "Image | PilImage | str | Path"


Named = Sequence[tuple[Mask, str]]
"""Masks, each with the name of its class."""


class Segmenter:
    """Segments images with a store's classes, and teaches the store new ones.

    ``segment`` answers for an image, ``teach`` shows it a class. Both begin with ``analyse``, which takes long and does
    not depend on the store: keep its result to ``label`` an image again as the store grows.

    >>> from knnclip import Segmenter
    >>> segmenter = Segmenter.open("my-store")
    >>> analysis = segmenter.analyse("street.jpg")
    >>> [segment.class_name for segment in segmenter.label(analysis).segments][:1]
    [None]
    >>> source = segmenter.teach(analysis, (114, 165, 190, 225), "traffic cone")
    >>> "traffic cone" in {segment.class_name for segment in segmenter.label(analysis).segments}
    True
    >>> segmenter.store.forget(source_id=source) > 0
    True
    >>> segmenter.close()

    Several threads may use one segmenter.
    """

    def __init__(
        self, store: Store, preset: Preset, parts: FrozenParts, *, owns_store: bool = True, untuned: bool = False
    ) -> None:
        """``Segmenter.open`` makes one of a path; this is for a store and parts that are there already.

        ``parts`` are those that ``preset`` names, or stand for them. Closing the segmenter closes the store if it
        ``owns_store``. Where it is ``untuned``, the preset's settings decide, whatever the store was tuned to.
        ``StoreError`` if the store is of another encoder.
        """
        self.store = store
        self._fixed, self._untuned = preset, untuned
        self.generator, self.promptable = parts.generator, parts.promptable
        self.encoder, self.classifier = parts.encoder, parts.classifier
        store.check_fingerprint(self.encoder.fingerprint)
        self._owns_store = owns_store

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
        untuned: bool = False,
    ) -> Segmenter:
        """Opens the store at ``path``, or makes it if nothing is there (not with ``read_only``, which changes nothing).

        ``preset`` names a new store's preset; ``masks``, ``encoder`` and ``classifier`` take the place of its parts,
        and ``weights`` is a local file for the networks of its encoder. A store remembers all of them: naming another
        preset is a ``UsageError``, an encoder whose vectors could not be compared with the stored ones a
        ``StoreError``; parts whose files moved may be named anew. ``min_area`` (pixels) and ``max_masks`` limit what
        the mask generator proposes. ``device`` is where networks run: ``auto``, ``cuda``, ``mps`` or ``cpu``. ``cache``
        is a folder that keeps what they make of an image, for whoever asks about the same images again. ``untuned``
        answers by the preset's own settings, whatever the store was tuned to.
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
            return cls._create(path, named.into(preset_by_name(preset or DEFAULT_PRESET)), device, cache, untuned)
        store = Store.open(path, read_only=read_only)
        try:
            stored = store.get_setting("preset") or DEFAULT_PRESET
            if preset not in (None, stored):
                raise UsageError(
                    f"store {path} was made with preset {stored!r}, not {preset!r}; leave the preset out, "
                    f"or choose another store for {preset!r}"
                )
            known = named.into(from_settings(store.get_setting))
            return cls(store, known, make_parts(known, device, cache), untuned=untuned)
        except BaseException:
            store.close()
            raise

    @classmethod
    def _create(cls, path: Path, preset: Preset, device: str, cache: str | Path | None, untuned: bool) -> Segmenter:
        parts = make_parts(preset, device, cache)
        store = Store.create(path, parts.encoder.fingerprint, settings=to_settings(preset))
        return cls(store, preset, parts, untuned=untuned)

    @property
    def preset(self) -> Preset:
        """What decides now: the preset, with what the store was tuned to."""
        return self._as_tuned(None if self._untuned else self.store.tunings.newest())

    def tune(self, aim: Aim = "classes", progress: Progress = SILENT) -> Tuning:
        """Lets the store find, out of its own instances, the settings that it answers best by, and keeps them in it.

        ``aim`` is what for: ``classes`` (mean IoU over the classes), ``pixels`` or ``masks`` (the share that is right).
        Answers are made by them from now on, by whoever opens the store; ``store.tunings.drop()`` undoes it.
        ``StoreError`` if instances were forgotten meanwhile.
        """
        return tune_store(self.store, aim_by_name(aim), progress, self._fixed)

    def _as_tuned(self, tuning: Tuning | None) -> Preset:
        return self._fixed if tuning is None else tuned(self._fixed, tuning.values)

    def with_settings(
        self,
        *,
        vote: VoteSettings | None = None,
        discriminant: DiscriminantSettings | None = None,
        fusion: FusionSettings | None = None,
        assembly: AssemblySettings | None = None,
    ) -> Segmenter:
        """A segmenter that decides in another way, by the same store and the same parts; what is None stays.

        ``vote`` is how neighbours vote, ``discriminant`` how much it says beside them, ``fusion`` how their opinion and
        a classifier's are mixed, ``assembly`` what becomes a segment. An ``Analysis`` of one is good for the other. The
        store stays this segmenter's: closing the new one closes nothing, and closing this one ends both.
        """
        own = self.preset
        preset = replace(
            own,
            vote=vote or own.vote,
            discriminant=discriminant or own.discriminant,
            fusion=fusion or own.fusion,
            assembly=assembly or own.assembly,
        )
        parts = FrozenParts(self.generator, self.promptable, self.encoder, self.classifier)
        return Segmenter(self.store, preset, parts, owns_store=False, untuned=True)

    def over(self, store: Store) -> Segmenter:
        """The same parts and settings over another store, which is the new segmenter's own; nothing is loaded again.

        ``StoreError`` if the store is of another encoder.
        """
        parts = FrozenParts(self.generator, self.promptable, self.encoder, self.classifier)
        return Segmenter(store, self._fixed, parts, untuned=self._untuned)

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store, if it is this segmenter's own."""
        if self._owns_store:
            self.store.close()

    def read_names(self, progress: Progress = SILENT, vocabulary: Vocabulary | None = None) -> None:
        """Has the parts read the names that they will ask by, which they otherwise do when they first need them.

        These are the names of the store's classes, or of another ``vocabulary``, and those that a part knows by itself.
        Each takes a second or less of a processor, once: the vectors are kept on the disk. ``progress`` is told of the
        new ones.
        """
        if isinstance(self.generator, ReadsNames):
            self.generator.read_names(Vocabulary(()), progress)
        if isinstance(self.classifier, ReadsNames):
            self.classifier.read_names(self.store.vocabulary() if vocabulary is None else vocabulary, progress)

    def segment(self, image: ImageLike) -> Segmentation:
        """The classes and segments of an image by the store as it is now.

        ``image`` is a path, a picture of Pillow, or ``(H, W, 3) uint8`` in RGB order, as imageio gives it (OpenCV gives
        BGR). Raises ``ImageError`` if it is none of these or cannot be read. To ask about one image more than once, as
        the store grows, ``analyse`` it and ``label`` what comes of that.
        """
        return self.label(self.analyse(image))

    def analyse(self, image: ImageLike, *, masks: Sequence[Mask] | None = None, ref: str | None = None) -> Analysis:
        """Cuts an image into masks and encodes them: all that takes long, and nothing that depends on the store.

        ``image`` is as in ``segment``. ``masks`` are N masks of its size that take the place of the generator's own,
        such as the truth's; ``MaskError`` if one is of another size. ``ref`` is the name under which the store shall
        remember the image if it is taught; without it that is the path, or the hash of the pixels where there is none.
        """
        pixels = as_image(image)
        if masks is None:
            proposals = self.propose(pixels)
        else:
            image_shapes_agree(pixels, masks, where="analyse")
            shape = (int(pixels.shape[0]), int(pixels.shape[1]))
            proposals = Proposals(shape, tuple(masks), np.ones(len(masks), dtype=np.float32))
        if ref is None and isinstance(image, str | Path):
            ref = str(image)
        embeddings = self.encoder.encode(pixels, proposals.masks)
        return Analysis(pixels, proposals, embeddings, ref, self.classifier, self.encoder)

    def propose(self, image: Image) -> Proposals:
        """The masks of an image: by what the encoder sees of its places as well, where both parts can do that."""
        return propose(self.generator, self.encoder, image)

    def label(self, analysis: Analysis, view: View | None = None) -> Segmentation:
        """The answer for an analysed image; nothing is encoded again.

        ``view`` is the state of the store to answer by, for callers that ask it for more than the answer; without one
        it is the state as it is now. All of an answer is of one state, evidence included.

        >>> with Segmenter.open("my-store") as segmenter:
        ...     analysis = segmenter.analyse("street.jpg")
        ...     with segmenter.store.view() as view:
        ...         answer = segmenter.label(analysis, view)
        ...         known = [view.vocabulary.find(segment.class_name or "") for segment in answer.segments]
        """
        _, _, atoms = analysis.descriptions, analysis.cells, analysis.atoms  # before the store keeps a state for it
        if view is None:
            with self.store.view() as now:
                return self.label(analysis, now)
        preset = self._as_tuned(None if self._untuned else view.tuning)
        neighbors = view.search(analysis.embeddings, preset.vote.k)
        (beliefs,) = beliefs_of(view, neighbors, analysis, self.classifier, [preset])
        assembly = assemble(analysis.proposals, atoms, beliefs, view.vocabulary, preset.assembly)
        stored = view.evidence(shown_instances(assembly.pieces, neighbors))
        segments = explain(assembly.pieces, neighbors, stored, view.vocabulary)
        return Segmentation(
            assembly.semantic,
            assembly.panoptic,
            assembly.confidence,
            segments,
            view.vocabulary,
            analysis.image,
            analysis.ref,
        )

    def beliefs(self, view: View, seen: Seen, settings: Sequence[Preset]) -> list[Beliefs]:
        """What is believed of N masks by each of several settings: what ``label`` makes an answer of, for measuring.

        ``view`` is the state of the store that is asked; its vocabulary has the C classes of the columns. ``seen`` is
        an ``Analysis``, or what somebody kept of one. Of the ``settings`` the vote, the discriminant and the fusion
        count. The store is searched once for all of them.
        """
        neighbors = view.search(seen.embeddings, max(preset.vote.k for preset in settings))
        return beliefs_of(view, neighbors, seen, self.classifier, settings)

    def teach(self, image: ImageLike | Analysis, mask: Mask | Bool | Box, class_name: str) -> int:
        """Stores a mask as an instance of a class, new or known, and returns the source id that undoes it.

        ``image`` is as in ``segment``, or an ``Analysis``, which saves encoding it again. ``mask`` is an ``(H, W)``
        boolean array, a ``Mask``, or a box ``(x0, y0, x1, y1)`` in whole pixels, half-open, drawn around the object.
        ``class_name`` is any text; a synonym means the class that has it.

        The generator's own masks inside the mask are stored with it: later pictures are cut by the same generator, and
        a store of the same kind of mask as the query finds them better. They count as one witness, being of one image.
        Of what was stored of this image before, ingested or taught, whatever lies in the mask gives way to it.
        Raises ``MaskError`` for an empty mask or one of another size, ``UsageError`` for a blank name.
        ``store.forget(source_id=...)`` takes back all that was stored; ``History.undo`` brings back what gave way too.
        """
        return self.teach_undoably(image, mask, class_name)[0]

    def teach_undoably(
        self, image: ImageLike | Analysis, mask: Mask | Bool | Box, class_name: str
    ) -> tuple[int, Exchange]:
        """``teach``, with what it changed: ``Store.exchange`` takes it back, what gave way included."""
        check_name(class_name)
        analysis = image if isinstance(image, Analysis) else self.analyse(image)
        drawn = self._drawn(analysis.image, mask)
        return self.teach_together(analysis, [(drawn, class_name)], f"{class_name} in {analysis.reference.ref}")

    def teach_together(
        self, analysis: Analysis, named: Named, about: str, *, key: str | None = None, in_place_of: Sequence[int] = ()
    ) -> tuple[int, Exchange]:
        """Masks of one image with their classes as one source that is described as ``about``, as ``teach_undoably``.

        Instances ``in_place_of`` give way, too. The source is found by ``key``; ``StoreError`` if there is one.
        """
        ref, taught, covered = analysis.reference.ref, [], set(in_place_of)
        for drawn, class_name in named:
            taught += taught_masks(analysis, drawn, class_name)
            # Those that would be of the new class by the same rule: what they say of this place is contradicted.
            covered.update(self.store.covered(ref, drawn, MIN_PURITY))
        instances = self.instances_of(analysis, taught)
        return self.store.teach(instances, about, key=key, in_place_of=sorted(covered))

    def instances_of(self, analysis: Analysis, labelled: Sequence[LabelledMask]) -> list[LabelledInstance]:
        """Labelled masks of an analysed image as what ``store.add`` takes, in the same order.

        Masks that are the analysis's own are not encoded again. For whoever labels masks in a way of their own, as a
        data set's truth does.
        """
        vectors = dict(zip(map(id, analysis.proposals.masks), analysis.embeddings, strict=True))
        new = [item.mask for item in labelled if id(item.mask) not in vectors]
        if new:
            vectors.update(zip(map(id, new), self.encoder.encode(analysis.image, new), strict=True))
        return [item.instance(vectors[id(item.mask)], analysis.reference) for item in labelled]

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

    def suggest(self, image: ImageLike | Analysis, mask: Mask) -> list[Suggestion]:
        """What a mask may be called that nothing stored is like: a few names, the likeliest first, or none.

        They come from the classes that the encoder's network was trained with, and are no part of any answer.
        ``MaskError`` for a mask of another size.
        """
        return self.encoder.suggest(_pixels(image), mask) if isinstance(self.encoder, SuggestsNames) else []

    def _drawn(self, image: Image, mask: Mask | Bool | Box) -> Mask:
        if isinstance(mask, tuple):
            return self.mask_from_box(image, mask)
        drawn = mask if isinstance(mask, Mask) else Mask.from_dense(mask)
        image_shapes_agree(image, [drawn], where="teach")
        return drawn


def _pixels(image: ImageLike | Analysis) -> Image:
    return image.image if isinstance(image, Analysis) else as_image(image)
