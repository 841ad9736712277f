"""Weights onto this disk: what a library fetches by itself, and what a person gets by hand and hands over."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from knnclip.catalogue import card_of, needed_weights, roles_of
from knnclip.errors import OutputError, UsageError, WeightsError
from knnclip.parts.caches import weights_folder
from knnclip.parts.weights import Need, Published
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress

PROBE_S = 5.0
"""How long the hub may take to say that it is there: many times a slow line's answer, and short enough to wait for."""

CHUNK_BYTES = 16 * 2**20
"""Read at once for a checksum: a bar moves a few times a second."""


@dataclass(frozen=True)
class Kept:
    """A file of weights that was handed over."""

    path: Path  # where it is now
    as_published: bool  # whether it has the checksum that is known


def hub_refusal() -> str | None:
    """Why the hub cannot be asked, None if it can; known within ``PROBE_S`` seconds."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        get_session().head(constants.ENDPOINT, timeout=PROBE_S)
    except Exception as error:  # of the transport, which is another library in each version of the hub's
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"{constants.ENDPOINT} does not answer ({reason})"
    return None


def fetch(preset: Preset, tell: Callable[[Need], None]) -> None:
    """Fetches what the libraries of a preset's parts can fetch; ``tell`` is told of each before it is begun.

    Nothing is asked of the hub if nothing of it is missing. ``WeightsError`` says within seconds that the hub cannot be
    reached, and what to do; what cannot be fetched for another reason is told in the end, after all else.
    """
    missing = [
        (spec, role, need)
        for spec, role in dict(roles_of(preset)).items()
        for need in card_of(spec, role).needed(spec)
        if not need.on_disk and not need.by_hand
    ]
    if missing and (refusal := hub_refusal()):
        names = ", ".join(dict.fromkeys(need.name for _, _, need in missing))
        raise WeightsError(
            f"{names} cannot be fetched: {refusal}; run `knnclip presets fetch {preset.name}` on a machine that "
            "reaches it and copy its Hugging Face cache here (HF_HOME says where it is), or again when this one does"
        )
    failed = []
    for spec, role, need in missing:
        tell(need)
        try:
            card_of(spec, role).make_from(spec, "cpu")
        except WeightsError as error:
            failed.append(str(error))
    if failed:
        raise WeightsError("; ".join(failed))


def by_hand(preset: Preset) -> list[Need]:
    """The files of a preset that no library fetches and that are not on this disk."""
    return [need for need in needed_weights(preset) if need.by_hand and not need.on_disk]


def keep(preset: Preset, file: Path, to: Path | None = None, progress: Progress = SILENT) -> Kept:
    """Takes a file that a preset needs, once it was seen to be that, to where it is found from every folder.

    It is copied to knnclip's cache, or to the folder ``to`` with a link from the cache; what lies in ``to`` already is
    only linked. ``UsageError`` if the preset needs no such file, ``WeightsError`` if it holds another network,
    ``OutputError`` if it cannot be written. ``progress`` counts the chunks of the checksum.
    """
    wanted = {need.published.name: need.published for need in needed_weights(preset) if need.published is not None}
    if not wanted:
        raise UsageError(f"preset {preset.name} needs no file that is got by hand; leave {file} away")
    if not file.is_file():
        raise UsageError(f"{file} does not exist or is not a file; name the file that was downloaded")
    published = wanted.get(file.name, next(iter(wanted.values())))
    as_published = _sha256(file, progress) == published.sha256
    published.check(file)
    place = (to or weights_folder()).absolute() / published.name
    try:
        if not (place.exists() and place.samefile(file)):
            _copy(file, place)
        if to is not None:
            _link(weights_folder() / published.name, place)
    except OSError as error:
        raise OutputError(f"{place} cannot be written ({error.strerror}); name another folder with --to") from error
    return Kept(place, as_published)


def where_to_get(published: Published) -> str:
    """One line for people: what it is, how large, where it is, and by what it is known."""
    return (
        f"{published.name} ({published.size_mb / 1000:.1f} GB): {published.page}\n"
        f"    SHA-256 {published.sha256} (according to {published.says_so})"
    )


def _sha256(file: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    progress.start(-(-file.stat().st_size // CHUNK_BYTES))
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
            progress.advance()
    return digest.hexdigest()


def _copy(file: Path, place: Path) -> None:
    """Whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        shutil.copyfile(file, partial)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def _link(link: Path, place: Path) -> None:
    if link.absolute() == place:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(place)
