"""The catalogue of all parts: their cards, and what a preset names made. The one place that knows every part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from knnclip.encoders import descriptor, timm
from knnclip.encoders.combined import CombinedEncoder
from knnclip.errors import StoreError, UsageError, lookup
from knnclip.masks import grabcut, regions, sam
from knnclip.networks import detectron2, onnx_segmenter, universal
from knnclip.networks.fcclip import card as fcclip
from knnclip.networks.open_clip import network as open_clip
from knnclip.parts.cached import CachedClassifier, cached_encoder, cached_generator
from knnclip.parts.card import ROLES, WEIGHTS, Card
from knnclip.parts.roles import Encoder, MaskGenerator, PromptableGenerator, ZeroShotClassifier
from knnclip.parts.spec import EncoderSpec, PartSpec
from knnclip.parts.weights import Need
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name

Spec = TypeVar("Spec", PartSpec, EncoderSpec)

CARDS: tuple[Card[Any], ...] = (
    regions.CARD,
    grabcut.CARD,
    sam.CARD,
    descriptor.CARD,
    timm.CARD,
    open_clip.CARD,
    fcclip.CARD,
    universal.CARD,
    detectron2.CARD,
    onnx_segmenter.CARD,
)
"""Every part. A new one is written with its card beside it and has its line here."""


def card_of(spec: PartSpec, role: type) -> Card[Any]:
    """The card of a part that shall play a role; ``UsageError`` lists those that do."""
    return lookup(ROLES[role], spec.name, {card.name: card for card in CARDS if role in card.roles})


def read_part(text: str, role: type) -> PartSpec:
    """The part that a person wrote for a role, its paths absolute.

    ``UsageError`` names what is wrong: its form, a part that does not play the role, an option that it does not have.
    """
    return _checked(PartSpec.parse(text), role)


def read_encoder(text: str) -> EncoderSpec:
    """The encoder that a person wrote, one part or several; as ``read_part``."""
    spec = EncoderSpec.parse(text)
    return EncoderSpec(tuple((weight, _checked(part, Encoder)) for weight, part in spec.terms))


def _checked(spec: PartSpec, role: type) -> PartSpec:
    card = card_of(spec, role)
    card.read(spec)
    return card.absolute(spec)


@dataclass(frozen=True, eq=False)
class FrozenParts:
    """What a preset's names stand for."""

    generator: MaskGenerator
    promptable: PromptableGenerator
    encoder: Encoder
    classifier: ZeroShotClassifier | None


def make_parts(preset: Preset, device: str, cache: str | Path | None = None) -> FrozenParts:
    """Makes the parts of a preset. One that plays several roles is made once, and works once for each image.

    ``device`` is where networks run: ``auto``, ``cuda``, ``mps`` or ``cpu``. With a folder as ``cache`` the parts keep
    there what they make of an image, see ``knnclip.parts.cached``. Raises ``UsageError`` for a part or option that is
    not one, ``WeightsError`` if weights are missing or do not fit.
    """
    made: dict[PartSpec, Any] = {}

    def make(spec: PartSpec, role: type) -> Any:  # noqa: ANN401 - what plays the role, as its card promises
        card = card_of(spec, role)
        if spec not in made:
            made[spec] = card.make_from(spec, device)
        return made[spec]

    encoders = [make(part, Encoder) for part in preset.encoder.parts]
    weights = [weight for weight, _ in preset.encoder.terms]
    parts = FrozenParts(
        make(preset.masks, MaskGenerator),
        make(preset.promptable, PromptableGenerator),
        encoders[0] if len(encoders) == 1 else CombinedEncoder(encoders, weights),
        None if preset.classifier is None else make(preset.classifier, ZeroShotClassifier),
    )
    return parts if cache is None else cached(parts, preset, cache)


def cached(parts: FrozenParts, preset: Preset, folder: str | Path) -> FrozenParts:
    """The parts of a preset, keeping in a folder what they make of an image; see ``knnclip.parts.cached``."""
    folder = Path(folder)
    classifier = parts.classifier
    return replace(
        parts,
        generator=cached_generator(parts.generator, str(preset.masks), folder),
        encoder=cached_encoder(parts.encoder, folder),
        classifier=None if classifier is None else CachedClassifier(classifier, str(preset.classifier), folder),
    )


def needed_weights(preset: Preset) -> list[Need]:
    """The weights that a preset loads, each file once, and whether they are on this disk; nothing is loaded."""
    needs = [need for spec, role in roles_of(preset) for need in card_of(spec, role).needed(spec)]
    return list({need.name: need for need in needs}.values())


def roles_of(preset: Preset) -> list[tuple[PartSpec, type]]:
    """The parts of a preset with the roles that they play in it, their paths absolute."""
    preset = _with_absolute_paths(preset)
    return [
        (preset.masks, MaskGenerator),
        (preset.promptable, PromptableGenerator),
        *((part, Encoder) for part in preset.encoder.parts),
        *([] if preset.classifier is None else [(preset.classifier, ZeroShotClassifier)]),
    ]


@dataclass(frozen=True)
class PartOverrides:
    """The parts that are named beside a preset; what is None is the preset's."""

    masks: PartSpec | None = None
    encoder: EncoderSpec | None = None
    classifier: PartSpec | None = None
    weights: Path | None = None  # a file for the networks of the encoder
    limits: Mapping[str, int | None] = field(default_factory=dict)  # options of the mask generator

    @classmethod
    def read(
        cls,
        *,
        masks: str | None = None,
        encoder: str | None = None,
        classifier: str | None = None,
        weights: str | Path | None = None,
        min_area: int | None = None,
        max_masks: int | None = None,
    ) -> PartOverrides:
        """From what a person wrote, paths relative to the current folder; ``UsageError`` as of ``read_part``.

        ``masks``, ``encoder`` and ``classifier`` are parts as text, ``weights`` is a file for the networks of the
        encoder, ``min_area`` (pixels) and ``max_masks`` limit what the mask generator proposes.
        """
        return cls(
            None if masks is None else read_part(masks, MaskGenerator),
            None if encoder is None else read_encoder(encoder),
            None if classifier is None else read_part(classifier, ZeroShotClassifier),
            None if weights is None else Path(weights).absolute(),
            {"min_area": min_area, "max_masks": max_masks},
        )

    def into(self, preset: Preset) -> Preset:
        """The preset with these in place of its own; ``UsageError`` if nothing in its encoder takes ``weights``.

        What was the same part for several roles stays the same part, so that it is made once.
        """
        preset = _with_absolute_paths(preset)
        masks, encoder = self.masks or preset.masks, self.encoder or preset.encoder
        classifier = self.classifier or preset.classifier
        changed = {masks: masks}
        for option, value in self.limits.items():
            if value is not None:
                changed[masks] = changed[masks].with_option(option, str(value))
        if self.weights is not None:
            taking = [part for part in encoder.parts if card_of(part, Encoder).takes_weights]
            if not taking:
                known = [card.name for card in CARDS if Encoder in card.roles and card.takes_weights]
                raise UsageError(f"{str(encoder)!r} has no part {' or '.join(known)} that could take {self.weights}")
            for part in taking:
                changed[part] = changed.get(part, part).with_option(WEIGHTS, str(self.weights))
        return replace(
            preset,
            masks=changed[masks],
            # A generator that takes prompts answers them.
            promptable=changed[masks] if _takes_prompts(masks) else preset.promptable,
            encoder=EncoderSpec(tuple((weight, changed.get(part, part)) for weight, part in encoder.terms)),
            classifier=None if classifier is None else changed.get(classifier, classifier),
        )


def _takes_prompts(masks: PartSpec) -> bool:
    return PromptableGenerator in card_of(masks, MaskGenerator).roles


def _with_absolute_paths(preset: Preset) -> Preset:
    """The preset as a person in the current folder would write it, so that a file named in two ways is one part."""

    def absolute(spec: PartSpec, role: type) -> PartSpec:
        return card_of(spec, role).absolute(spec)

    return replace(
        preset,
        masks=absolute(preset.masks, MaskGenerator),
        promptable=absolute(preset.promptable, PromptableGenerator),
        encoder=EncoderSpec(tuple((weight, absolute(part, Encoder)) for weight, part in preset.encoder.terms)),
        classifier=None if preset.classifier is None else absolute(preset.classifier, ZeroShotClassifier),
    )


def to_settings(preset: Preset) -> dict[str, str]:
    """What a store remembers of its preset: the name, and the parts as JSON with absolute paths."""
    preset = _with_absolute_paths(preset)
    specs: dict[str, PartSpec | EncoderSpec] = {"masks": preset.masks, "encoder": preset.encoder}
    if preset.classifier is not None:
        specs["classifier"] = preset.classifier
    return {"preset": preset.name} | {name: json.dumps(spec.to_json()) for name, spec in specs.items()}


def from_settings(get: Callable[[str], str | None]) -> Preset:
    """The preset that a store remembers.

    ``get`` gives what the store keeps under a name, None for nothing; what it does not keep is the preset's own. Raises
    ``StoreError`` if what it keeps is no part, ``UsageError`` for a preset that is not one.
    """
    masks, encoder, classifier = get("masks"), get("encoder"), get("classifier")
    return PartOverrides(
        None if masks is None else _remembered(PartSpec, masks),
        None if encoder is None else _remembered(EncoderSpec, encoder),
        None if classifier is None else _remembered(PartSpec, classifier),
    ).into(preset_by_name(get("preset") or DEFAULT_PRESET))


def _remembered(kind: type[Spec], text: str) -> Spec:
    """What a store keeps of a part."""
    try:
        return kind.from_json(json.loads(text))
    except ValueError as error:
        raise StoreError(
            f"the store remembers a part as {text!r}, which is not the JSON of one ({error}); another version "
            "of knnclip made it: make a new store of the data"
        ) from error
