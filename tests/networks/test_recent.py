"""What a network made of the last few images is remembered, the image under work above all."""

import numpy as np

from knnclip.networks.recent import IMAGES_AT_ONCE, Recent


def images(count):
    return [np.zeros((1, 1, 3), dtype=np.uint8) for _ in range(count)]


def test_equal_images_are_told_apart_and_the_last_few_are_remembered():
    asked = []
    recent = Recent(lambda image: asked.append(id(image)) or len(asked))
    known = images(IMAGES_AT_ONCE)
    assert [recent(image) for image in known] == [recent(image) for image in known] == [1, 2, 3, 4]


def test_the_image_that_is_asked_about_again_and_again_stays():
    asked = []
    recent = Recent(lambda image: asked.append(image))
    worked_on, *others = images(3 * IMAGES_AT_ONCE)
    for other in others:
        recent(worked_on)
        recent(other)
    assert sum(image is worked_on for image in asked) == 1
