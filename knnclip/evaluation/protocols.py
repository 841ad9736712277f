"""Evaluation as published figures were measured: the names that were asked for, and a network's own inference.

``worded`` puts the names of a protocol in the place of the store's. ``open_zero_shot`` has no store to speak of: one
part answers alone over the data set's classes, by the inference that its authors scored it with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from knnclip.analysis import Analysis
from knnclip.catalogue import FrozenParts, PartOverrides, make_parts
from knnclip.datasets import Dataset
from knnclip.datasets.wording import Wording
from knnclip.decision.fusion import FusionSettings
from knnclip.errors import UsageError
from knnclip.evaluation.class_matching import class_ids_of
from knnclip.images import as_image
from knnclip.parts.roles import OwnInference, ReadsNames, ZeroShotClassifier
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import ImageLike, Segmenter
from knnclip.store import Store, View
from knnclip.structures import Float32, Image, Mask, Proposals, Segmentation
from knnclip.vocabulary import Vocabulary

SEMANTIC_ALONE = frozenset({"ade20k-full", "context-59", "context-60", "context-459", "voc"})
"""Formats of the sets of which FC-CLIP computed semantic results alone. There it brought the scores of its input's size
to the picture's size; elsewhere the masks, since panoptic and instance results need these."""

ZERO_SHOT = "zero-shot"
"""The name of the preset of a part that answers alone, in reports."""


@dataclass(frozen=True)
class AskedNames:
    """What the classes of a store are asked for by, where they meet classes of a data set."""

    wording: Wording
    class_aliases: tuple[tuple[str, ...], ...]  # of the data set, by which its classes meet those of the store

    def of(self, vocabulary: Vocabulary) -> Vocabulary:
        """The classes in the same order with the wording's names; a class that the data set lacks keeps its own."""
        names = dict(zip(class_ids_of(vocabulary, self.class_aliases), self.wording.classes, strict=True))
        return Vocabulary(
            tuple(
                replace(info, name=names[info.class_id][0], synonyms=names[info.class_id][1:])
                if info.class_id in names
                else info
                for info in vocabulary
            )
        )


@dataclass(frozen=True)
class WordedClassifier:
    """A zero-shot classifier that is asked for classes by the names of a protocol."""

    classifier: ZeroShotClassifier
    names: AskedNames

    @property
    def name(self) -> str:
        """The classifier's."""
        return self.classifier.name

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """As the classifier's."""
        return self.classifier.describe(image, masks)

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base of the vocabulary's classes by their names in the protocol."""
        return self.classifier.classify(descriptions, self.names.of(vocabulary))

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """Has the classifier read the names that it will be asked by, if it reads any."""
        if isinstance(self.classifier, ReadsNames):
            self.classifier.read_names(self.names.of(vocabulary), progress)


def worded(segmenter: Segmenter, dataset: Dataset, wording: Wording) -> Segmenter:
    """The segmenter with a classifier that is asked for the data set's classes by these names; the store stays its own.

    ``UsageError`` if it has no classifier, which alone asks by names.
    """
    if segmenter.classifier is None:
        raise UsageError("there is nobody to ask by names: the store has no classifier; make one with --classifier")
    classifier = WordedClassifier(segmenter.classifier, AskedNames(wording, dataset.class_aliases))
    parts = FrozenParts(segmenter.generator, segmenter.promptable, segmenter.encoder, classifier)
    return Segmenter(segmenter.store, segmenter.preset, parts, owns_store=False, untuned=True)


def names_asked(segmenter: Segmenter) -> str:
    """Which names the classes are asked for by, for the protocol of an evaluation."""
    asking = segmenter if isinstance(segmenter, ZeroShot) else segmenter.classifier
    if not isinstance(asking, ZeroShot | WordedClassifier):
        return "the store's"
    return f"{asking.names.wording.title} ({asking.names.wording.digest})"


class ZeroShot(Segmenter):
    """One network that answers for whole images by its own inference; its store has classes and no instance."""

    def __init__(
        self, store: Store, preset: Preset, parts: FrozenParts, names: AskedNames, *, resize_scores: bool
    ) -> None:
        """``open_zero_shot`` makes one; ``resize_scores`` as in ``OwnInference``.

        ``UsageError`` if the classifier has no inference of its own.
        """
        super().__init__(store, preset, parts)
        if not isinstance(parts.classifier, OwnInference):
            raise UsageError(f"{preset.classifier} does not answer for whole pictures alone; fcclip:FILE does")
        self.model: OwnInference = parts.classifier
        self.names: AskedNames = names
        self.resize_scores: bool = resize_scores

    def read_names(self, progress: Progress = SILENT, vocabulary: Vocabulary | None = None) -> None:
        """As ``Segmenter.read_names``, by the names that the network is asked by."""
        super().read_names(progress, self.names.of(self.store.vocabulary() if vocabulary is None else vocabulary))

    def analyse(self, image: ImageLike, *, masks: Sequence[Mask] | None = None, ref: str | None = None) -> Analysis:
        """The image alone; ``UsageError`` if masks are given, for the network's own inference takes none."""
        if masks is not None:
            raise UsageError("a network's own inference takes no masks: evaluate a store for that")
        pixels = as_image(image)
        nothing = Proposals((int(pixels.shape[0]), int(pixels.shape[1])), (), np.zeros(0, dtype=np.float32))
        return Analysis(pixels, nothing, np.zeros((0, self.encoder.fingerprint.dim), dtype=np.float32), ref)

    def label(self, analysis: Analysis, view: View | None = None) -> Segmentation:
        """The network's answer; it has no segments, since nothing is behind it that could be shown."""
        if view is None:
            with self.store.view() as now:
                return self.label(analysis, now)
        vocabulary = view.vocabulary
        asked = self.names.of(vocabulary)
        columns, scores = self.model.segment(analysis.image, asked, resize_scores=self.resize_scores)
        semantic = vocabulary.class_ids.astype(np.int32)[columns]
        return Segmentation(semantic, np.zeros_like(semantic), scores, (), vocabulary)


def open_zero_shot(
    part: str, dataset: Dataset, folder: Path, wording: Wording | None = None, *, device: str = "auto"
) -> ZeroShot:
    """A part that answers alone over the classes of a data set, as ``fcclip:FILE``.

    Without a ``wording`` it is asked for them by the data set's own names and synonyms. A store with these classes is
    made in ``folder``, unless it is there. ``UsageError`` if the part has no inference of its own, or if the store that
    is there has other classes.
    """
    named = PartOverrides.read(masks=part, encoder=part, classifier=part).into(preset_by_name(DEFAULT_PRESET))
    preset = replace(named, name=ZERO_SHOT, fusion=FusionSettings(kind="base"))
    parts = make_parts(preset, device)
    store = _store_of_classes(folder / "classes", dataset, parts)
    try:
        names = AskedNames(wording or Wording("the data set's", dataset.class_aliases), dataset.class_aliases)
        return ZeroShot(store, preset, parts, names, resize_scores=dataset.format in SEMANTIC_ALONE)
    except BaseException:
        store.close()
        raise


def _store_of_classes(path: Path, dataset: Dataset, parts: FrozenParts) -> Store:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            with Store.create(Path(folder) / "store", parts.encoder.fingerprint) as made:
                for label in dataset.classes:
                    made.add_class(label.name, label.is_thing, color=label.color)
            with suppress(OSError):  # another shard was faster: its store has the same classes
                (Path(folder) / "store").rename(path)
    store = Store.open(path, read_only=True)
    if {info.name for info in store.vocabulary()} != set(dataset.class_names):
        store.close()
        raise UsageError(f"{path} has other classes than {dataset.root}; remove it, or choose another folder")
    return store
