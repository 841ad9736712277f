"""Instances without their parts of the store -> the settings by which they would have been answered best.

Each of a few settings of the vote and the discriminant is tried at a few values, one setting after the other
(coordinate-wise), on instances that the store knew nothing of (``knnclip.store.left_out``). What is counted is, for
the ``aim``,

* ``classes``: the mean over the classes of hits / (instances + answers - hits), the IoU with instances for pixels,
* ``pixels``: the share of the instances' area that is named rightly,
* ``masks``: the share of the instances that are.

Each way of leaving out counts alike. A value takes the place of the one before only where it is better by more than
``SURE`` standard errors of the difference, by the jackknife over groups of images (Efron and Stein, 1981); of those
within a standard error of the best the one that was nearest wins (Breiman et al., 1984, the rule of one standard
error). So a store that has little to say keeps the settings that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knnclip.decision.discriminant import Discriminant, DiscriminantSettings, fit, mix
from knnclip.decision.retrieval import VoteSettings, posterior
from knnclip.errors import UsageError
from knnclip.knowledge import Census, LeftOut
from knnclip.structures import Bool, Float32, Int64
from knnclip.vocabulary import Vocabulary

Aim = Literal["classes", "pixels", "masks"]
AIMS: tuple[Aim, ...] = get_args(Aim)

SURE = 1.0
"""Standard errors that a gain must exceed. Smaller follows chance, larger finds nothing in stores of a few hundred."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Deciding:
    """How the store's own opinion is made: the settings that are tuned."""

    vote: VoteSettings
    discriminant: DiscriminantSettings


@dataclass(frozen=True)
class Axis:
    """One setting, and the values that are tried."""

    name: str
    values: tuple[float, ...]
    value: Callable[[Deciding], float]
    at: Callable[[Deciding, float], Deciding]
    moves: Callable[[Deciding], bool] | None  # whether it has anything to say; None: always


def _sharpness(now: Deciding, value: float) -> Deciding:
    return replace(now, discriminant=replace(now.discriminant, sharpness=value))


def _shrinkage(now: Deciding, value: float) -> Deciding:
    return replace(now, discriminant=replace(now.discriminant, shrinkage=value))


def _tau(now: Deciding, value: float) -> Deciding:
    return replace(now, vote=replace(now.vote, tau=value))


def _balance(now: Deciding, value: float) -> Deciding:
    return replace(now, vote=replace(now.vote, balance=value))


def _has_discriminant(now: Deciding) -> bool:
    return now.discriminant.weight > 0


def _has_temperature(now: Deciding) -> bool:
    return now.vote.weight == "softmax"


AXES = (
    # How sharp the discriminant is is how much it says, of masks as of pixels: its weights stay what they are. Below
    # 0.1 thin things, which it finds pixel by pixel, are lost, and no mask can tell that.
    Axis("sharpness", (0.1, 0.15, 0.2, 0.3, 0.45), lambda s: s.discriminant.sharpness, _sharpness, _has_discriminant),
    Axis("tau", (0.02, 0.03, 0.04, 0.05, 0.07), lambda s: s.vote.tau, _tau, _has_temperature),
    Axis("balance", (0.0, 0.25, 0.5, 0.75, 1.0), lambda s: s.vote.balance, _balance, None),
    Axis("shrinkage", (0.3, 0.6, 1.2, 2.4), lambda s: s.discriminant.shrinkage, _shrinkage, _has_discriminant),
)
"""In the order in which they are tried: what moves most comes first."""


@dataclass(frozen=True)
class Found:
    """What became of it."""

    settings: Deciding
    gain: float  # in points of the aim, over the settings from the start
    error: float  # standard error of it
    asked: int  # instances


def aim_by_name(name: str) -> Aim:
    """The aim of this name; ``UsageError`` lists the known ones."""
    for aim in AIMS:
        if aim == name:
            return aim
    raise UsageError(f"an aim is one of {', '.join(AIMS)}, found {name!r}")


def best_settings(
    left_out: Sequence[LeftOut], vocabulary: Vocabulary, census: Census, start: Deciding, aim: Aim
) -> Iterator[Found]:
    """The settings found so far, after each of the ``AXES``; the last ones are the best.

    ``left_out`` are instances of one store in several ways of leaving out, ``census`` and ``vocabulary`` those of the
    store.
    """
    trials = [_Trial(each, vocabulary, census, aim) for each in left_out if len(each.class_id)]
    first = [trial.counts(start) for trial in trials]
    now, at_now = start, first
    asked = max((len(each.class_id) for each in left_out), default=0)
    for axis in AXES:
        if trials and (axis.moves is None or axis.moves(now)):
            now, at_now = _along(axis, now, at_now, trials, aim)
        yield Found(now, *_difference(at_now, first, aim), asked)


def _along(
    axis: Axis, now: Deciding, at_now: list[Float64], trials: Sequence[_Trial], aim: Aim
) -> tuple[Deciding, list[Float64]]:
    """The settings with the best value of one axis, and their counts; as they are where none is surely better."""
    own = axis.value(now)
    tried = {value: [trial.counts(axis.at(now, value)) for trial in trials] for value in axis.values if value != own}
    tried[own] = at_now
    gains = {value: _difference(counts, at_now, aim) for value, counts in tried.items()}
    best = max(gains, key=lambda value: gains[value][0])
    for value in sorted(tried, key=lambda value: abs(np.log((value + 0.1) / (own + 0.1)))):
        gain, error = gains[value]
        behind, chance = _difference(tried[best], tried[value], aim)
        if behind <= chance and gain > SURE * error:
            return axis.at(now, value), tried[value]
    return now, at_now


class _Trial:
    """One way of leaving out."""

    def __init__(self, left_out: LeftOut, vocabulary: Vocabulary, census: Census, aim: Aim) -> None:
        self._left_out, self._vocabulary, self._census = left_out, vocabulary, census
        self._weight = left_out.stands_for * (left_out.area_px if aim == "pixels" else 1)
        self._truth = vocabulary.columns(left_out.class_id)
        self._fits: dict[float, list[Discriminant]] = {}
        self._votes: dict[VoteSettings, Float32] = {}

    def counts(self, settings: Deciding) -> Float64:
        """``(G, 3, C)``: of each group of images the weight of hits, instances and answers of each class."""
        answer = self._posterior(settings).argmax(axis=1)
        hit = answer == self._truth
        of = self._counted(answer[hit], hit), self._counted(self._truth), self._counted(answer)
        return np.stack(of, axis=1)

    def _counted(self, columns: Int64, which: Bool | slice = slice(None)) -> Float64:
        """``(G, C)``: the weight of the instances ``which``, by group and column."""
        groups, classes = int(self._left_out.group.max(initial=0)) + 1, len(self._vocabulary)
        cell = self._left_out.group[which] * classes + columns
        weights = self._weight[which].astype(np.float64)
        found = np.bincount(cell, weights=weights, minlength=groups * classes).astype(np.float64)
        return found.reshape(groups, classes)

    def _posterior(self, settings: Deciding) -> Float32:
        vote, share = settings.vote, settings.discriminant
        if vote not in self._votes:
            neighbors = self._left_out.neighbors.nearest(vote.k)
            self._votes = {vote: posterior(neighbors, self._vocabulary, self._census, vote).probabilities}
        votes = self._votes[vote]
        if not share.weight:
            return votes
        if share.shrinkage not in self._fits:
            self._fits = {share.shrinkage: [fit(moments, share) for moments in self._left_out.moments]}
        mixed = votes.copy()
        for part, made in enumerate(self._fits[share.shrinkage]):
            inside = self._left_out.part == part
            opinion = replace(made, sharpness=share.sharpness).posterior(self._left_out.vectors[inside])
            mixed[inside] = mix(votes[inside], opinion, share.weight * made.trust)
        return mixed


def _difference(ours: Sequence[Float64], theirs: Sequence[Float64], aim: Aim) -> tuple[float, float]:
    """By how many points one settings' counts are better than the others', and the standard error of it."""
    if not ours:
        return 0.0, 0.0
    gains = _without_each(ours, aim) - _without_each(theirs, aim)
    whole = _score([counts.sum(axis=0) for counts in ours], aim) - _score([c.sum(axis=0) for c in theirs], aim)
    error = np.sqrt((len(gains) - 1) / len(gains) * np.square(gains - gains.mean()).sum())
    return float(whole), float(error)


def _without_each(counts: Sequence[Float64], aim: Aim) -> Float64:
    """The score without each group of images that has instances."""
    instances = np.sum([part[:, 1].sum(axis=1) for part in counts], axis=0)  # of each group
    totals = [part.sum(axis=0) for part in counts]
    scores = [
        _score([total - part[group] for total, part in zip(totals, counts, strict=True)], aim)
        for group in np.flatnonzero(instances).tolist()
    ]
    return np.array(scores, dtype=np.float64)


def _score(totals: Sequence[Float64], aim: Aim) -> float:
    """The mean over the ways of leaving out, in points."""
    scores = []
    for hits, instances, answers in totals:
        there = instances > 1e-9 * max(instances.sum(), 1)  # what is left of a difference is no instance
        if aim == "classes":
            union = instances + answers - hits
            scores.append(float(np.mean(hits[there] / union[there])) if there.any() else 0.0)
        else:
            scores.append(float(hits.sum() / instances.sum()) if there.any() else 0.0)
    return 100 * float(np.mean(scores))
