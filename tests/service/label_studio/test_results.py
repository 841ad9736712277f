"""Segments as regions of Label Studio: which label, how many, and where their holes are."""

import numpy as np
import pytest

from knnclip.datasets.polygons import mask_from_polygons
from knnclip.errors import InputError
from knnclip.service.label_studio.config import read_config
from knnclip.service.label_studio.results import predicted
from knnclip.structures import UNKNOWN, Mask, Segment, Segmentation
from knnclip.vocabulary import ClassInfo, Vocabulary

VIEW = '<View><Image name="img" value="$image"/>{}</View>'
POLYGONS = '<PolygonLabels name="p" toName="img"><Label value="{}"/><Label value="lake"/></PolygonLabels>'
BRUSH = '<BrushLabels name="b" toName="img"><Label value="lake"/></BrushLabels>'


def segmentation():
    """A lake with an island, and what is not known."""
    lake = np.zeros((60, 80), dtype=bool)
    lake[10:50, 10:60] = True
    lake[20:30, 20:40] = False
    vocabulary = Vocabulary.of([ClassInfo(3, "water", False, (0, 0, 255), ("lake",))])
    segments = tuple(
        Segment(number, class_id, name, False, confidence, "retrieval", Mask.from_dense(dense), (), ())
        for number, class_id, name, confidence, dense in ((1, 3, "water", 0.75, lake), (2, UNKNOWN, None, 0.0, ~lake))
    )
    panoptic = np.where(lake, 1, 2).astype(np.int32)
    return Segmentation(np.where(lake, 3, 0).astype(np.int32), panoptic, lake.astype(np.float32), segments, vocabulary)


def test_a_polygon_goes_around_its_holes():
    answer = segmentation()
    (one,) = predicted(answer, read_config(VIEW.format(POLYGONS.format("Water"))))["result"]
    assert one["value"]["polygonlabels"] == ["Water"], "the first label that means the class, as the project writes it"
    ring = (np.array(one["value"]["points"]) * [0.8, 0.6]).round().ravel().tolist()
    drawn = mask_from_polygons([ring], (60, 80)).to_dense()
    own = answer.segments[0].mask.to_dense()
    assert not drawn[22:28, 25:35].any(), "the island"
    assert (drawn != own).sum() <= 20, "but for what the seam covers"


def test_a_brush_is_preferred_to_polygons_and_a_synonym_is_a_label():
    (one,) = predicted(segmentation(), read_config(VIEW.format(POLYGONS.format("a") + BRUSH)))["result"]
    assert (one["type"], one["from_name"], one["value"]["brushlabels"]) == ("brushlabels", "b", ["lake"])


def test_what_no_label_means_is_left_out():
    config = read_config(VIEW.format(POLYGONS.format("a").replace("lake", "sea")))
    assert predicted(segmentation(), config) == {"result": [], "score": 0.0}


@pytest.mark.parametrize(
    "config",
    ["<View/>", VIEW.format(""), VIEW.format(BRUSH.replace('toName="img"', 'toName="other"')),
     VIEW.format(BRUSH).replace("$image", "http://evil.example/x.png"), '<Image name="img" value="$image"/>'],
)  # fmt: skip
def test_a_configuration_without_a_picture_of_the_task_to_draw_on_is_told(config):
    with pytest.raises(InputError, match="BrushLabels or PolygonLabels"):
        read_config(config)
