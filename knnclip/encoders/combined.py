"""Several encoders as one: their vectors one after the other, each with a weight."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from knnclip.errors import UsageError
from knnclip.parts.roles import Encoder, SuggestsNames
from knnclip.structures import Fingerprint, Float32, Image, Mask, Suggestion, unit_rows


class CombinedEncoder:
    """The similarity of two masks is the mean of what the encoders say, weighted by the squares of their weights."""

    def __init__(self, encoders: Sequence[Encoder], weights: Sequence[float]) -> None:
        """Puts M encoders together with M weights above 0."""
        if len(encoders) < 2 or len(encoders) != len(weights) or min(weights) <= 0:
            raise UsageError(
                "a combination is of at least two encoders, each with a weight above 0, "
                f"found {len(encoders)} encoders with weights {list(weights)}"
            )
        self.encoders, self.weights = tuple(encoders), tuple(float(weight) for weight in weights)
        prints = [encoder.fingerprint for encoder in encoders]
        parts = "\n".join(f"{weight:g} {found}" for weight, found in zip(self.weights, prints, strict=True))
        self._fingerprint = Fingerprint(
            "+".join(found.encoder for found in prints),
            hashlib.sha256(parts.encode()).hexdigest()[:16],
            "weights-" + "+".join(f"{weight:g}" for weight in self.weights),
            sum(found.dim for found in prints),
        )

    @property
    def fingerprint(self) -> Fingerprint:
        """One for all: it changes with any part, its order or its weight."""
        return self._fingerprint

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` unit rows, see ``Encoder.encode``; D is the sum of the parts' dimensions."""
        parts = [
            weight * encoder.encode(image, masks) for encoder, weight in zip(self.encoders, self.weights, strict=True)
        ]
        return unit_rows(np.concatenate(parts, axis=1), where=self._fingerprint.encoder)

    def suggest(self, image: Image, mask: Mask) -> list[Suggestion]:
        """The names of the first part that knows any, see ``SuggestsNames.suggest``."""
        suggested = (part.suggest(image, mask) for part in self.encoders if isinstance(part, SuggestsNames))
        return next((names for names in suggested if names), [])
