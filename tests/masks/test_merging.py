"""The graph of regions and its merging: costs by their definition, and sums that stay."""

from dataclasses import replace

import numpy as np
import pytest

from knnclip.masks.merging import (
    NETWORK,
    NOISE,
    Adjacency,
    adjacency,
    fragment_costs,
    merge,
    region_costs,
    with_cells,
)


def slow_adjacency(labels, lab):
    pairs = {}
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for dy, dx in ((0, 1), (1, 0)):
                if y + dy < labels.shape[0] and x + dx < labels.shape[1]:
                    key = tuple(sorted((int(labels[y, x]), int(labels[y + dy, x + dx]))))
                    if key[0] != key[1]:
                        pairs[key] = pairs.get(key, 0) + 1
    sums = [lab[labels == region].sum(axis=0) for region in range(labels.max() + 1)]
    return pairs, np.array(sums)


def slow_step(labels, lab, i, j):
    """The mean difference in colour over the pairs of neighbouring pixels of regions i and j."""
    steps = []
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for v, u in ((y, x + 1), (y + 1, x)):
                if v < labels.shape[0] and u < labels.shape[1] and {labels[y, x], labels[v, u]} == {i, j}:
                    steps.append(np.linalg.norm(lab[y, x] - lab[v, u]))
    return np.mean(steps)


def test_adjacency_and_costs_against_their_definition():
    rng = np.random.default_rng(5)
    labels = np.unique(rng.integers(0, 6, (7, 9)), return_inverse=True)[1].reshape(7, 9)
    lab = rng.random((7, 9, 3)).astype(np.float32) * 50
    graph = adjacency(labels, lab)
    pairs, sums = slow_adjacency(labels, lab)
    assert dict(zip(zip(graph.first, graph.second, strict=True), graph.border_px, strict=True)) == pairs
    np.testing.assert_allclose(graph.lab, sums, rtol=1e-5)
    cells = rng.random((len(sums), 3))
    graph = with_cells(graph, cells)
    costs = zip(graph.first, graph.second, fragment_costs(graph), region_costs(graph), strict=True)
    for i, j, of_fragments, of_regions in costs:
        one, two = lab[labels == i].astype(float), lab[labels == j].astype(float)
        m = len(one) * len(two) / (len(one) + len(two))
        distance = ((one.mean(axis=0) - two.mean(axis=0)) ** 2).sum()
        assert of_fragments == pytest.approx(m * distance * slow_step(labels, lab, i, j), rel=1e-4)
        spread = sum(((part - part.mean(axis=0)) ** 2).sum() for part in (one, two)) / (len(one) + len(two))
        seen = ((cells[i] - cells[j]) ** 2).sum()
        expected = m / np.sqrt(1 + pairs[i, j]) * (distance / (NOISE + spread) + NETWORK * seen)
        assert of_regions == pytest.approx(expected, rel=1e-4)


def line(colours, area=10):
    """Regions in a row, each touching the next along four pixels."""
    lab = np.array([[float(colour) * area, 0, 0] for colour in colours])
    first = np.arange(len(colours) - 1)
    ones = np.ones(len(first))
    squares = (lab**2).sum(axis=1) / area  # every pixel has its region's colour
    return Adjacency(np.full(len(lab), area), lab, squares, np.zeros((len(lab), 0)), first, first + 1, 4 * first**0,
                     4 * ones)  # fmt: skip


@pytest.mark.parametrize("costs", [fragment_costs, region_costs])
def test_merging_joins_the_nearest_first_and_keeps_the_sums(costs):
    graph = line((0, 1, 50, 53))
    three, _ = merge(graph, 3, costs)
    assert three[0] == three[1]
    assert len(set(three)) == 3
    two, merged = merge(graph, 2, costs)
    assert two[0] == two[1] != two[2] == two[3]
    assert merged.area_px.tolist() == [20, 20]
    assert sorted(merged.lab[:, 0]) == [10, 1030]
    assert sorted(merged.squares) == [10, 10 * (50**2 + 53**2)]
    assert merged.border_px.tolist() == [4]
    assert merged.steps.tolist() == [4]


def test_a_region_of_many_colours_joins_before_one_of_few():
    graph = line((0, 10, 20))
    graph = replace(graph, squares=graph.squares + np.array([10_000, 10_000, 0]))
    assert np.argmin(region_costs(graph)) == 0


def test_islands_cannot_be_merged_further():
    none = np.zeros(0, dtype=np.int64)
    graph = Adjacency(
        np.ones(2, np.int64), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 0)), none, none, none, none * 1.0
    )
    mapping, graph = merge(graph, 1, region_costs)
    assert mapping.tolist() == [0, 1]
    assert len(graph.area_px) == 2
