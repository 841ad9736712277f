"""Masks and P_final -> the semantic map, the panoptic map and the segments behind it.

The score of a class at a pixel is the mean of P_final over the masks that cover it, weighted by the masks' scores (the
semantic inference of MaskFormer, arXiv 2107.06278, section 3.4, normalised); unknown takes part as one more class. The
best class wins the pixel, after what is believed of the place itself has had its part (``knnclip.decision.dense``).
As in COCO panoptic a stuff class is one segment; a thing class has one for each connected
piece. What is unknown is cut along the proposals: each region that might get a name of its own is a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.decision.atoms import Atoms
from knnclip.decision.dense import mean_over, mixed, winners
from knnclip.structures import UNKNOWN, Beliefs, Bool, Float32, Int32, Int64, Mask, Proposals, masks_from_labels
from knnclip.vocabulary import Vocabulary

WHOLLY_UNKNOWN = 0.9
"""Share of a proposal that must be unknown for it to stand for what is unknown in it. Smaller lets one proposal reach
over what has a name, 1 lets a pixel of a neighbour's name split what is one object."""


@dataclass(frozen=True)
class AssemblySettings:
    """What becomes a segment."""

    min_piece_px: int = 32  # smaller pieces of things and of unknown are in the semantic map but are no segment; fewer
    # makes segments of the slivers between masks, more loses small objects


@dataclass(frozen=True, eq=False)
class Pieces:
    """The S segments of an assembled image, before they are given names and evidence."""

    class_id: Int64  # (S,) UNKNOWN for pieces that nothing could name
    masks: tuple[Mask, ...]  # S
    mean: Beliefs  # (S, C) each: the opinions averaged over the segment's pixels
    proposal: Int64  # (S,) the proposal that stands for the segment: the one whose evidence is shown, -1 for none


@dataclass(frozen=True, eq=False)
class Assembly:
    """The per-pixel answer and its pieces; piece i has the panoptic id i + 1."""

    semantic: Int32  # (H, W) class id, UNKNOWN where nothing could be named
    panoptic: Int32  # (H, W) 1 .. S, 0 where no segment lies
    confidence: Float32  # (H, W) score of the winning class, in [0, 1]
    pieces: Pieces


def assemble(
    proposals: Proposals, atoms: Atoms, beliefs: Beliefs, vocabulary: Vocabulary, settings: AssemblySettings
) -> Assembly:
    """The answer for one image, from the beliefs about its N proposals over the C classes of the vocabulary.

    ``atoms`` are the partition that the ``proposals`` make; ``beliefs`` have a row for each proposal and a column for
    each class, in the order of the ``vocabulary``.
    """
    spread = share_of_masks(atoms.covers, proposals.scores)
    with_unknown = scores_of_atoms(spread, beliefs.final)
    ids = np.append(vocabulary.class_ids, UNKNOWN).astype(np.int32)

    column, confidence = winners(with_unknown, atoms.labels, beliefs.dense)
    semantic = ids[column]
    unknown_px = np.bincount(atoms.labels[semantic == UNKNOWN], minlength=len(atoms))
    regions = (ids.max() + 1 + _unknown_regions(atoms, unknown_px))[atoms.labels]
    panoptic = _segment_ids(semantic, np.where(semantic == UNKNOWN, regions, semantic), vocabulary, settings)
    masks = masks_from_labels(panoptic)
    class_id = np.array([mask.select(semantic)[0] for mask in masks], dtype=np.int64)
    pieces = _pieces(proposals, atoms, spread, beliefs, class_id, masks, panoptic, vocabulary)
    return Assembly(semantic, panoptic, confidence, pieces)


def share_of_masks(covers: Bool, scores: Float32) -> NDArray[np.float64]:
    """``(A, N)``: the share that each mask has in the opinion about each atom; a row sums to 1, or 0 if uncovered.

    ``covers``: ``(A, N)``, which masks lie over which atoms; ``scores``: ``(N,)`` of the masks.
    """
    weights = covers * scores.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    spread: NDArray[np.float64] = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return spread


def scores_of_atoms(spread: NDArray[np.float64], final: Float32) -> NDArray[np.float64]:
    """``(A, C + 1)``: P_final of each atom from that of the masks, ``(N, C)``; unknown, the last, has the rest."""
    named = spread @ final
    return np.concatenate([named, 1.0 - named.sum(axis=1, keepdims=True)], axis=1)


def _unknown_regions(atoms: Atoms, unknown_px: Int64) -> Int64:
    """``(A,)``: the region of each atom's unknown pixels, the largest proposal over it that is unknown nearly whole.

    ``unknown_px``, ``(A,)``, are so many: what is believed of places can name some pixels of an atom and not others.

    Regions are numbered by their proposals from 1; 0 is what lies under no such proposal.
    """
    area = atoms.area_px @ atoms.covers
    nearly_all = unknown_px @ atoms.covers >= WHOLLY_UNKNOWN * area
    sizes = np.concatenate([np.zeros((len(atoms), 1)), atoms.covers * (area * nearly_all)], axis=1)
    regions: Int64 = sizes.argmax(axis=1)
    return regions


def _segment_ids(
    semantic: Int32, parts: NDArray[np.int64], vocabulary: Vocabulary, settings: AssemblySettings
) -> Int32:
    """``(H, W)`` panoptic ids 1 .. S in reading order of the segments' first pixels; parts are cut from one another."""
    from skimage.measure import label

    stuff = [info.class_id for info in vocabulary if not info.is_thing]
    pieces = label(parts, background=-1, connectivity=2).astype(np.int64)
    is_stuff = np.isin(semantic, stuff)
    areas = np.bincount(pieces.ravel())
    kept = is_stuff | (areas[pieces] >= settings.min_piece_px)
    merged = np.where(is_stuff, pieces.max() + semantic, pieces)  # all pieces of one stuff class are one segment
    flat = np.where(kept, merged, 0).ravel()
    first = np.full(int(flat.max()) + 1, -1)
    first[flat[::-1]] = np.arange(flat.size)[::-1]  # of equal indices the last assignment stays
    found = np.flatnonzero(first[1:] >= 0) + 1  # 0 is what is no segment
    ids = np.zeros(len(first), dtype=np.int32)
    ids[found[first[found].argsort()]] = np.arange(1, len(found) + 1)
    return ids[flat].reshape(semantic.shape)


def _pieces(
    proposals: Proposals,
    atoms: Atoms,
    spread: NDArray[np.float64],
    beliefs: Beliefs,
    class_id: Int64,
    masks: tuple[Mask, ...],
    panoptic: Int32,
    vocabulary: Vocabulary,
) -> Pieces:
    a, s = len(atoms), len(masks)
    pairs = atoms.labels.astype(np.int64) * (s + 1) + panoptic
    shared = np.bincount(pairs.ravel(), minlength=a * (s + 1)).reshape(a, s + 1)[:, 1:].astype(np.float64)  # px
    area = np.maximum(shared.sum(axis=0), 1.0)
    weights = (shared.T @ spread) / area[:, None]  # (S, N)

    def mean(p: Float32) -> Float32:
        averaged: Float32 = (weights @ p).astype(np.float32)
        return averaged

    base = None if beliefs.base is None else mean(beliefs.base)
    discriminant = None if beliefs.discriminant is None else mean(beliefs.discriminant)
    final = mean(beliefs.final)
    if beliefs.dense is not None:
        final = mixed(final, mean_over(beliefs.dense, masks, proposals.shape), beliefs.dense.weight)
    averaged = Beliefs(base, mean(beliefs.retrieval), final, discriminant)
    if len(proposals) == 0:
        return Pieces(class_id, masks, averaged, np.full(s, -1, dtype=np.int64))

    # The proposal that stands for a segment believes in its class, lies in it, and covers much of it.
    believed = np.concatenate([beliefs.final, 1.0 - beliefs.final.sum(axis=1, keepdims=True)], axis=1)
    column = np.where(class_id == UNKNOWN, len(vocabulary), vocabulary.columns(class_id))
    overlap = shared.T @ atoms.covers
    inside = overlap / np.maximum(atoms.area_px @ atoms.covers, 1)
    fit = overlap * inside * proposals.scores * believed[:, column].T
    return Pieces(class_id, masks, averaged, np.where(fit.any(axis=1), fit.argmax(axis=1), -1))
