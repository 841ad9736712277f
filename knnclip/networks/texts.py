"""Class names -> vectors of the text tower: prompts, synonyms, and a cache on the disk.

A name is put into every template, the vectors of the texts are averaged to one unit vector, as open_clip's own
zero-shot classifier does. With ``waffle`` the templates are random words behind the name (WaffleCLIP, arXiv
2306.07282): they average out what the wording adds, without anybody writing descriptions.
"""

from __future__ import annotations

import hashlib
import io
import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.errors import OutputError, UsageError
from knnclip.files import write_atomically
from knnclip.networks.prefix_tree import encode_texts
from knnclip.parts.caches import cache_folder
from knnclip.progress import Progress
from knnclip.structures import Float32

TEXTS_AT_ONCE = 256
"""Texts in one batch: the 80 prompts of three names. More take memory in proportion, fewer make smaller calls."""

WAFFLE_LETTERS = (4, 9)
"""Letters of a random word: at least, and fewer than; the lengths of common English words."""


def templates(kind: str, waffle: int, seed: int) -> tuple[str, ...]:
    """Texts with ``{}`` in the place of the name; ``UsageError`` for an unknown ``kind``.

    ``openai`` are the 80 of CLIP's ImageNet evaluation as open_clip has them, ``simple`` its 7 best, ``name`` the bare
    name. ``waffle`` random descriptions, if above 0, take their place.
    """
    from open_clip import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    if waffle:
        random = np.random.default_rng(seed)
        return tuple(f"A photo of a {{}}, which has {_word(random)}, {_word(random)}." for _ in range(waffle))
    made = {"openai": OPENAI_IMAGENET_TEMPLATES, "simple": SIMPLE_IMAGENET_TEMPLATES, "name": (str,)}
    if kind not in made:
        raise UsageError(f"templates {kind!r} are not one of {', '.join(made)}")
    return tuple(template("{}") for template in made[kind])


def _word(random: np.random.Generator) -> str:
    return "".join(random.choice(list(string.ascii_lowercase), random.integers(*WAFFLE_LETTERS)))


class TextVectors:
    """The vectors of names; each is made once and then read from the cache."""

    def __init__(self, embed: Callable[[list[str]], Float32], checkpoint: str, wording: Sequence[str]) -> None:
        """``embed`` gives ``(T, D)`` unit rows for T texts; ``checkpoint`` tells its weights apart from others."""
        self._embed, self._templates = embed, tuple(wording)
        key = hashlib.sha256("\n".join([checkpoint, *wording]).encode()).hexdigest()[:16]
        self._folder = cache_folder() / "texts" / key
        self._known: dict[str, Float32] = {}

    @classmethod
    def of_clip(cls, clip: Any, tokenize: Any, checkpoint: str, wording: Sequence[str]) -> TextVectors:  # noqa: ANN401
        """By the text tower of an open_clip model; its models and tokenizers share no class."""
        import torch

        def embed(texts: list[str]) -> Float32:
            device, found = clip.logit_scale.device, []
            for start in range(0, len(texts), TEXTS_AT_ONCE):
                tokens = tokenize(texts[start : start + TEXTS_AT_ONCE]).to(device)
                with torch.inference_mode():
                    found.append(encode_texts(clip, tokens).float().cpu().numpy())
            return np.concatenate(found)

        return cls(embed, checkpoint, wording)

    def __call__(self, name: str) -> Float32:
        """``(D,) float32``, of unit length."""
        if name not in self._known:
            path = self._path(name)
            self._known[name] = vector if (vector := _read(path)) is not None else self._made(name, path)
        return self._known[name]

    def read(self, names: Iterable[str], progress: Progress) -> None:
        """Makes the vectors of those names that are not in the cache yet; ``progress`` is told of them, one by one."""
        new = [name for name in dict.fromkeys(names) if name not in self._known and _read(self._path(name)) is None]
        if new:
            progress.start(len(new))
        for name in new:
            self(name)
            progress.advance()

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npy"

    def _made(self, name: str, path: Path) -> Float32:
        # Not str.format: a name may have braces of its own.
        mean = self._embed([template.replace("{}", name) for template in self._templates]).mean(axis=0)
        vector: Float32 = (mean / np.linalg.norm(mean)).astype(np.float32)
        _write(path, vector)
        return vector


def _read(path: Path) -> Float32 | None:
    try:
        vector: Float32 = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, or damaged: it is made again
        return None
    return vector if vector.ndim == 1 and vector.dtype == np.float32 and np.isfinite(vector).all() else None


def _write(path: Path, vector: Float32) -> None:
    """Whole or not at all; a cache that cannot be written is no error."""
    content = io.BytesIO()
    np.save(content, vector)
    try:
        write_atomically(path, content.getvalue())
    except OutputError:
        return
