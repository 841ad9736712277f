"""What networks that label every pixel with labels of their own share: from maps of probabilities to P_base.

P_base of a mask is the mean over the mask of the label probabilities; what goes to the background label, or to labels
that the vocabulary has not, is "none of these".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from knnclip.networks.names import LabelIndex
from knnclip.parts.pooling import mask_weights
from knnclip.structures import Float32, Image, Layout, Mask, image_shapes_agree
from knnclip.vocabulary import Vocabulary


class LabelMaps(ABC):
    """The classifier in a network over L labels of its own."""

    name: str
    labels: Sequence[tuple[str, ...]]  # L tuples of names that mean the same; an empty one is "none of these"
    layout: Layout  # where the cells of ``probabilities`` lie

    @abstractmethod
    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``: the probability of each label at each cell, summing to at most 1 over the labels."""

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, L) float32``: the mean probability of each label over each mask."""
        image_shapes_agree(image, masks, where=self.name)
        probabilities = self.probabilities(image)
        shape, grid = (int(image.shape[0]), int(image.shape[1])), probabilities.shape[1:]
        weights = mask_weights(masks, shape, (int(grid[0]), int(grid[1])), self.layout)
        return np.asarray(weights @ probabilities.reshape(len(probabilities), -1).T).astype(np.float32)

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base: ``(N, C) float32``, see ``ZeroShotClassifier``; 0 for classes that are not among the labels.

        A class is all labels that answer to its name or to one of its synonyms, by the rules of ``names``.
        """
        base = np.zeros((len(descriptions), len(vocabulary)), dtype=np.float32)
        index = LabelIndex.of(tuple(self.labels))
        for c, info in enumerate(vocabulary):
            base[:, c] = descriptions[:, index.meeting((info.name, *info.synonyms))].sum(axis=1)
        # A label that two classes claim counts for both; together they have no more than all there is.
        shared: Float32 = base / np.maximum(base.sum(axis=1, keepdims=True), np.float32(1))
        return shared
