"""Frozen encoders, by name; several as one with ``&`` between them: ``timm:MODEL & 0.8 descriptor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.errors import UsageError, lookup
from knnclip.networks import make_fcclip, make_open_clip
from knnclip.parts.roles import Encoder
from knnclip.parts.text import read_settings, split_part, split_sum

__all__ = ["ENCODERS", "make_encoder"]


def _descriptor(rest: str, device: str) -> Encoder:  # noqa: ARG001 - it is no network
    from knnclip.encoders.descriptor import RegionDescriptor

    if rest:
        raise UsageError(f"encoder 'descriptor' has no settings, found {rest!r}")
    return RegionDescriptor()


def _timm(rest: str, device: str) -> Encoder:
    from knnclip.encoders.timm import TimmEncoder, TimmSettings

    return TimmEncoder(read_settings(TimmSettings, rest, "timm"), device)


ENCODERS: Mapping[str, Callable[[str, str], Encoder]] = MappingProxyType(
    {"descriptor": _descriptor, "fcclip": make_fcclip, "openclip": make_open_clip, "timm": _timm}
)


def make_encoder(text: str, device: str = "auto") -> Encoder:
    """The encoder of a part, or of several with ``&`` between them and perhaps a weight before each.

    ``UsageError`` lists the known names for an unknown one.
    """
    terms = split_sum(text)
    made = []
    for _, part in terms:
        name, rest = split_part(part)
        made.append(lookup("encoder", name, ENCODERS)(rest, device))
    if len(made) == 1:
        return made[0]
    from knnclip.encoders.combined import CombinedEncoder

    return CombinedEncoder(made, [weight for weight, _ in terms])
