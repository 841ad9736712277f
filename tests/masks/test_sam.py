"""Segment Anything on tiny checkpoints, against the library's own calls."""

import numpy as np
import pytest
import torch

from knnclip.errors import MaskError, UsageError, WeightsError
from knnclip.masks.sam import CARD, Sam, SamSettings
from knnclip.parts.spec import PartSpec
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask
from tests.networks import tiny

EVERYTHING = {"points": 4, "min_score": -99.0, "min_stability": -1.0, "min_area": 1, "max_box_iou": 1.0}


@pytest.fixture(scope="module", params=["sam", "sam_as_published", "sam2", "sam2_video"])
def folder(request, tmp_path_factory):
    return getattr(tiny, request.param)(tmp_path_factory.mktemp("model") / request.param)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (76, 100, 3)).astype(np.uint8)


def made(folder, **settings):
    return Sam(SamSettings(folder, **{**EVERYTHING, **settings}), "cpu")


def test_proposals_are_sorted_tight_and_none_twice(folder, image):
    proposals = made(folder).generate(image)
    assert len(proposals) >= (2 if "sam2" in folder.rpartition("/")[2] else 1)
    assert (np.diff(proposals.scores) <= 0).all()
    for i, mask in enumerate(proposals.masks):
        assert Mask.from_dense(mask.to_dense()).box_xyxy == mask.box_xyxy
        for other in proposals.masks[:i]:
            both, one = mask.to_dense() & other.to_dense(), mask.to_dense() | other.to_dense()
            assert both.sum() <= 0.9 * one.sum()
    assert len(made(folder, max_masks=1).generate(image)) == 1
    assert len(made(folder, min_score=9.0).generate(image)) == 0


def test_a_prompt_is_what_the_library_answers(folder, image):
    network = made(folder)
    for ours, prompt in [
        (network.mask_from_box(image, (10, 12, 70, 60)), {"input_boxes": [[[10.0, 12.0, 70.0, 60.0]]]}),
        (
            network._best(image, input_points=[(30, 40)], input_labels=[[[1]]]),
            {"input_points": [[[[30.5, 40.5]]]], "input_labels": [[[1]]]},
        ),
    ]:
        inputs = network._processor(images=image, return_tensors="pt", **prompt)
        sizes = {name: inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        with torch.inference_mode():
            answer = network.network(**inputs)
        masks = network._processor.post_process_masks(answer.pred_masks, **sizes)[0][0]
        best = masks[int(answer.iou_scores[0, 0].argmax())].numpy()
        np.testing.assert_array_equal(ours.to_dense(), best)


@pytest.fixture
def cuda_flag():
    """What ``torch.autocast`` for CUDA switches on, which the CPU's operations do not heed."""
    before = torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", True)
    yield
    torch.set_autocast_enabled("cuda", before)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.usefixtures("cuda_flag")
def test_a_network_in_half_precision_gives_masks_and_answers_prompts(folder, image, precision):
    """As on a GPU, where the decoder's masks and scores come out of autocast."""
    network = made(folder)
    expected = network.mask_from_box(image, (10, 12, 70, 60)).area
    network.network.mask_decoder.register_forward_hook(
        lambda _, __, found: tuple(part.to(precision) if part is not None else None for part in found)
    )
    assert len(network.generate(image)) >= 1
    assert network.mask_from_box(image, (10, 12, 70, 60)).area == pytest.approx(expected, rel=0.02)
    assert len(network.masks_from_point(image, (50, 30))) >= 1


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_autocast_changes_masks_by_little(folder, image, precision, monkeypatch):
    single = made(folder).mask_from_box(image, (10, 12, 70, 60)).to_dense()
    monkeypatch.setattr("knnclip.masks.sam.autocast", lambda device: torch.autocast(device.type, precision))
    network = made(folder)
    half = network.mask_from_box(image, (10, 12, 70, 60)).to_dense()
    assert (single & half).sum() >= 0.9 * (single | half).sum()
    assert len(network.generate(image)) >= 1


def test_points_and_scribbles(folder, image):
    network = made(folder)
    assert 1 <= len(network.masks_from_point(image, (50, 30))) <= 3
    scribble = np.zeros((76, 100), bool)
    scribble[30, 20:60] = True
    background = np.zeros((76, 100), bool)
    background[70, 5:90] = True
    assert network.mask_from_scribble(image, scribble).shape == (76, 100)
    assert network.mask_from_scribble(image, scribble, background).shape == (76, 100)
    for wrong in (
        lambda: network.masks_from_point(image, (100, 3)),
        lambda: network.mask_from_box(image, (200, 0, 300, 50)),
        lambda: network.mask_from_scribble(image, np.zeros((76, 100), bool)),
    ):
        with pytest.raises(MaskError):
            wrong()


def test_the_image_is_encoded_once_for_all_prompts(folder, image):
    network = made(folder)
    runs = []
    network.network.vision_encoder.register_forward_hook(lambda *_: runs.append(1))
    network.mask_from_box(image, (10, 12, 70, 60))
    network.masks_from_point(image, (50, 30))
    assert len(runs) == 1


def test_a_large_image_is_worked_on_small(folder, rng):
    image = rng.integers(0, 256, (1200, 1800, 3)).astype(np.uint8)
    network = made(folder)
    mask = network.mask_from_box(image, (100, 100, 1500, 900))
    assert mask.shape == (1200, 1800)
    assert all(found.shape == (1200, 1800) for found in network.generate(image).masks)


def test_a_segmenter_takes_it_for_proposals_and_prompts(folder, image, tmp_path):
    part = f"sam:{folder},points=4,min_score=-99,min_stability=-1,min_area=1"
    with Segmenter.open(tmp_path / "s", "builtin", masks=part, max_masks=2, device="cpu") as segmenter:
        assert segmenter.promptable is segmenter.generator, "loaded once"
        analysis = segmenter.analyse(image)
        assert len(analysis.proposals) <= 2
        regions = segmenter.regions_at(analysis, (50, 30))
        assert [mask.area for mask in regions] == sorted(mask.area for mask in regions)
        segmenter.teach(analysis, (10, 12, 70, 60), "thing")
    with Segmenter.open(tmp_path / "s", read_only=True, device="cpu") as segmenter:
        assert isinstance(segmenter.generator, Sam)
        assert segmenter.generator.settings.max_masks == 2, "limits are remembered"


def test_wrong_settings_and_folders_are_errors(folder, tmp_path):
    with pytest.raises(UsageError, match="1 point or more"):
        CARD.make_from(PartSpec.parse(f"sam:{folder},points=0"), "cpu")
    with pytest.raises(UsageError, match="unknown option of sam 'pts'; did you mean 'points'"):
        CARD.make_from(PartSpec.parse(f"sam:{folder},pts=3"), "cpu")
    with pytest.raises(WeightsError, match=r"sam: .*cannot be loaded"):
        Sam(SamSettings(tiny.eomt(tmp_path / "eomt", windows=False)), "cpu")
