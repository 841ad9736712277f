"""Semantic, panoptic and instance results against direct formulae."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from knnclip.networks.fcclip.results import instances, mask_logits, panoptic, semantic, semantic_map


@pytest.fixture
def scene():
    """Probabilities (Q, C + 1) and mask logits of 8 queries over 3 classes."""
    torch.manual_seed(3)
    probabilities = torch.randn(8, 4).mul(3).softmax(dim=1)
    return probabilities, torch.randn(8, 3, 4).mul(4).repeat_interleave(5, 1).repeat_interleave(5, 2)


def slow_panoptic(p, logits, things, threshold, overlap):
    soft = 1 / (1 + np.exp(-logits))
    best = p.argmax(axis=1)
    kept = [q for q in range(len(p)) if best[q] != p.shape[1] - 1 and p[q].max() > threshold]
    ids, segments, stuff = np.zeros(logits.shape[1:], int), [], {}
    won = {q: np.zeros(logits.shape[1:], bool) for q in kept}
    for y in range(logits.shape[1]):
        for x in range(logits.shape[2]):
            won[max(kept, key=lambda q: p[q].max() * soft[q, y, x])][y, x] = True
    for q in kept:
        own = soft[q] >= 0.5
        final = won[q] & own
        if own.sum() == 0 or final.sum() == 0 or won[q].sum() / own.sum() < overlap:
            continue
        c = int(best[q])
        if c not in things and c in stuff:
            ids[final] = stuff[c]
            continue
        segments.append((len(segments) + 1, c, c in things))
        ids[final] = len(segments)
        if c not in things:
            stuff[c] = len(segments)
    return ids, segments


@pytest.mark.parametrize("things", [(0, 1, 2), (0,), ()])
@pytest.mark.parametrize(("threshold", "overlap"), [(0.0, 0.2), (0.5, 0.2), (0.0, 0.8)])
def test_panoptic_is_its_slow_twin(scene, things, threshold, overlap):
    ids, segments = panoptic(*scene, things, threshold, overlap)
    expected, told = slow_panoptic(*(tensor.double().numpy() for tensor in scene), things, threshold, overlap)
    np.testing.assert_array_equal(ids.numpy(), expected)
    assert [(s.segment_id, s.category, s.is_thing) for s in segments] == told


def test_all_void_is_nothing(scene):
    _, masks = scene
    void = torch.tensor([[0.1, 0.1, 0.1, 0.7]]).repeat(8, 1)
    ids, segments = panoptic(void, masks, (0,))
    assert not ids.any()
    assert segments == []


def test_semantic_is_the_sum_over_queries(scene):
    p, masks = scene
    expected = sum(p[q, :3, None, None] * masks[q].sigmoid()[None] for q in range(8))
    torch.testing.assert_close(semantic(p, masks), expected)


def test_instances_are_the_best_pairs_and_then_the_things(scene):
    p, masks = scene
    found = instances(p, masks, things=(0, 2), best=9)
    pairs = sorted(((float(p[q, c]), q, c) for q in range(8) for c in range(3)), reverse=True)[:9]
    expected = []
    for score, q, c in pairs:
        inside = masks[q] > 0
        if c in (0, 2):
            quality = float(masks[q].sigmoid()[inside].sum() / (inside.sum() + 1e-6))
            expected.append((score * quality, c, int(inside.sum())))
    expected.sort(reverse=True)
    np.testing.assert_allclose(found.scores.numpy(), [row[0] for row in expected], rtol=1e-5)
    assert found.categories.tolist() == [row[1] for row in expected]
    assert found.masks.flatten(1).sum(dim=1).tolist() == [row[2] for row in expected]


def test_padding_is_cut_off():
    masks = torch.full((1, 8, 8), -5.0)
    masks[:, :, 6:] = 5.0  # the right quarter of the padded input, which is padding
    assert (mask_logits(masks, (32, 32), (32, 22), (64, 44)) < 0).all()


@pytest.mark.parametrize("out", [(76, 100), (150, 190), (40, 33)])
@pytest.mark.parametrize("resize_scores", [False, True])
def test_a_semantic_map_in_strips_is_that_of_the_whole(out, resize_scores, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    masks = 4 * torch.randn(6, 24, 32, generator=generator)
    probabilities = torch.rand(6, 5, generator=generator)
    if resize_scores:
        at_input = mask_logits(masks, (96, 128), (92, 121), (92, 121))
        whole = interpolate(semantic(probabilities, at_input)[None], size=out, mode="bilinear")[0]
    else:
        whole = semantic(probabilities, mask_logits(masks, (96, 128), (92, 121), out))
    monkeypatch.setattr("knnclip.networks.fcclip.results.SCORES_AT_ONCE", 11 * out[1] * 7)  # 7 rows at a time
    columns, scores = semantic_map(probabilities, masks, (96, 128), (92, 121), out, resize_scores=resize_scores)
    np.testing.assert_allclose(scores.numpy(), whole.amax(dim=0).numpy(), atol=1e-5)
    assert (columns == whole.argmax(dim=0)).float().mean() > 0.999
