"""The parts that a preset names, made: the one place that knows every kind of part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from knnclip.classifiers import make_classifier
from knnclip.encoders import make_encoder
from knnclip.masks import PROMPTABLE, make_generator, make_promptable
from knnclip.parts.cached import CachedClassifier, CachedEncoder, CachedGenerator
from knnclip.parts.roles import Encoder, MaskGenerator, PromptableGenerator, ZeroShotClassifier
from knnclip.parts.text import split_part, with_option
from knnclip.presets import Preset

Role = TypeVar("Role")

WITH_WEIGHTS = ("timm", "openclip")
"""The encoders that can be given a file of weights."""


@dataclass(frozen=True, eq=False)
class FrozenParts:
    """What a preset's names stand for."""

    generator: MaskGenerator
    promptable: PromptableGenerator
    encoder: Encoder
    classifier: ZeroShotClassifier | None


def make_parts(preset: Preset, device: str, cache: str | Path | None = None) -> FrozenParts:
    """Makes the parts of a preset. One that is named for several roles is made once, and works once for each image.

    With a folder as ``cache`` they keep there what they make of an image, see ``knnclip.parts.cached``.
    """
    made: dict[str, object] = {}

    def once(part: str, role: type[Role], make: Callable[[str, str], Role]) -> Role:
        known = made.get(part)
        if isinstance(known, role):
            return known
        new = made[part] = make(part, device)
        return new

    parts = FrozenParts(
        once(preset.masks, MaskGenerator, make_generator),  # type: ignore[type-abstract]
        once(preset.promptable, PromptableGenerator, make_promptable),  # type: ignore[type-abstract]
        once(preset.encoder, Encoder, make_encoder),  # type: ignore[type-abstract]
        None if preset.classifier is None else once(preset.classifier, ZeroShotClassifier, make_classifier),  # type: ignore[type-abstract]
    )
    return parts if cache is None else cached(parts, preset, cache)


def cached(parts: FrozenParts, preset: Preset, folder: str | Path) -> FrozenParts:
    """The parts of a preset, keeping in a folder what they make of an image; see ``knnclip.parts.cached``."""
    folder = Path(folder)
    classifier = parts.classifier
    return replace(
        parts,
        generator=CachedGenerator(parts.generator, preset.masks, folder),
        encoder=CachedEncoder(parts.encoder, folder),
        classifier=None if classifier is None else CachedClassifier(classifier, str(preset.classifier), folder),
    )


@dataclass(frozen=True)
class PartOverrides:
    """The parts that are named beside a preset; what is None is the preset's."""

    masks: str | None = None
    encoder: str | None = None
    classifier: str | None = None
    weights: str | Path | None = None  # a file for the networks of the encoder
    limits: Mapping[str, int | None] = field(default_factory=dict)  # options of the mask generator

    def into(self, preset: Preset) -> Preset:
        """The preset with these in place of its own."""
        masks, encoder = self.masks or preset.masks, self.encoder or preset.encoder
        classifier = self.classifier or preset.classifier
        # What was the same part for several roles stays the same part, so that it is made once.
        changed = {part: part for part in (masks, encoder, classifier) if part is not None}
        for option, value in self.limits.items():
            if value is not None:
                changed[masks] = with_option(changed[masks], (split_part(masks)[0],), option, str(value))
        if self.weights is not None:
            changed[encoder] = with_option(encoder, WITH_WEIGHTS, "weights", str(Path(self.weights).absolute()))
        return replace(
            preset,
            masks=changed[masks],
            # A generator that takes prompts answers them.
            promptable=changed[masks] if split_part(masks)[0] in PROMPTABLE else preset.promptable,
            encoder=changed[encoder],
            classifier=None if classifier is None else changed[classifier],
        )
