"""The names that FC-CLIP was trained with, and what they do for a vocabulary of few classes."""

import hashlib

import numpy as np
import pytest

from knnclip.errors import UsageError
from knnclip.networks.fcclip.card import FcClipSettings
from knnclip.networks.fcclip.classification import seen_in_training
from knnclip.networks.fcclip.part import FcClip, _trained
from knnclip.networks.names import distractors
from knnclip.vocabulary import read_wordings
from tests.networks.fcclip import tiny
from tests.networks.samples import some_masks, vocabulary

TRAINED = _trained(None)


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """A tiny FC-CLIP with the names of the published training."""
    folder = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        file, clip = tiny.write(folder, "convnext")
        yield FcClip(FcClipSettings(file, clip=clip, short_px=96, long_px=160, min_area=1), "cpu")


@pytest.fixture(scope="module")
def described(part):
    image = np.random.default_rng(0).integers(0, 256, (76, 100, 3)).astype(np.uint8)
    return part.describe(image, some_masks(76, 100))


def test_the_training_had_254_names_of_133_classes():
    assert len(TRAINED) == 133
    names = [name for names in TRAINED for name in names]
    assert len(names) == len(set(names)) == 254
    assert {"girl", "motorcycles", "freight train", "orange fruit", "tennis net"} <= set(names)
    assert names.index("person") == 0
    assert names[-1] == TRAINED[-1][-1]


@pytest.mark.parametrize(
    ("name", "seen"),
    [("girl", True), ("orange fruit", True), ("orange", False), ("light", False), ("building-other-merged", False)],
)
def test_alpha_and_beta_go_by_the_names_of_the_training(name, seen):
    assert seen_in_training([(name,)], TRAINED).tolist() == [seen]


@pytest.mark.parametrize("classes", [1, 3, 20, 133])
def test_few_classes_do_not_flood_a_picture(part, described, classes):
    """Whatever the vocabulary, a mask is no likelier one of its classes than with all 133 of the training."""
    base = part.classify(described, vocabulary(*TRAINED[:classes]))
    every = part.classify(described, vocabulary(*TRAINED))
    assert base.shape == (len(described), classes)
    np.testing.assert_allclose(base, every[:, :classes], atol=1e-6)
    assert base.max() < 0.05, "a network of random weights knows nothing"


def test_a_class_that_was_not_trained_stands_against_all_that_were(part, described):
    alone = part.classify(described, vocabulary(("traffic cone",)))
    beside = part.classify(described, vocabulary(("traffic cone",), *TRAINED))
    np.testing.assert_allclose(alone, beside[:, :1], atol=1e-6)


def test_a_class_has_no_distractor_that_it_shares_a_name_with():
    left = distractors([("Puppy",), ("traffic_light",), ("spaceship",)], TRAINED)
    assert len(left) == 131
    assert not {"dog", "traffic light"} & {name for names in left for name in names}
    assert distractors(TRAINED, TRAINED) == []


def test_the_void_score_is_of_the_trained_names(part):
    image = np.random.default_rng(1).integers(0, 256, (76, 100, 3)).astype(np.uint8)
    rows, synonyms = part._rows(TRAINED)
    assert rows.shape[0] == 255
    assert sum(synonyms) == 254
    assert len(part.generate(image)) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [("cat\ndog |", "line 2 gives no name"), ("a | b\na | c", "line 2 is the second for class 'a'")],
)
def test_a_file_of_names_that_is_none_is_an_error(text, message):
    with pytest.raises(UsageError, match=message):
        read_wordings(text)


def test_a_file_of_names_may_leave_the_class_away():
    assert read_wordings("# about\n\ncat\nDog | hound, puppy\n") == {"cat": ("cat",), "Dog": ("hound", "puppy")}


def test_the_names_are_the_originals_in_their_order():
    """The digest is that of ``coco_panoptic_with_prompt_eng.txt`` of bytedance/fc-clip without ids and unused lines."""
    text = "\n".join(",".join(names) for names in TRAINED)
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "1982b2a1de45f1940e683cb2f4df00f00d8b4b9eed703cdf331db84d5433ac2b"
    )
