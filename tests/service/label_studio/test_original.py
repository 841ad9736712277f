"""Predictions judged by Label Studio's own library, where it is installed."""

import numpy as np
import pytest

from knnclip.segmenter import Segmenter
from knnclip.service.label_studio.config import read_config
from knnclip.service.label_studio.results import predicted
from tests.service.label_studio.conftest import RECORDED


@pytest.mark.parametrize("tag", ["BrushLabels", "PolygonLabels"])
def test_predictions_are_what_label_studio_takes(taught_store, sample_data, tag):
    interfaces = pytest.importorskip("label_studio_sdk.label_interface")
    brushes = pytest.importorskip("label_studio_sdk.converter.brush")
    config = RECORDED["predict"]["label_config"].replace("BrushLabels", tag)
    with Segmenter.open(taught_store, read_only=True) as segmenter:
        answer = segmenter.segment(min((sample_data / "val" / "images").iterdir()))
    prediction = predicted(answer, read_config(config))
    interface = interfaces.LabelInterface(config)
    assert prediction["result"]
    assert interface.validate_prediction(prediction, return_errors=True) == []
    if tag == "BrushLabels":
        masks = {segment.class_name: segment.mask for segment in answer.segments}
        for one in prediction["result"]:
            rgba = brushes.decode_rle(one["value"]["rle"]).reshape(*answer.shape, 4)
            name = one["value"]["brushlabels"][0].lower()
            assert name in masks
            found = [
                (rgba[..., 3] > 0) == segment.mask.to_dense()
                for segment in answer.segments
                if segment.class_name == name
            ]
            assert any(np.all(same) for same in found)
