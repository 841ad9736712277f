"""A part that plays several roles works once for each image, whichever roles it plays."""

from itertools import chain, combinations
from types import SimpleNamespace

import numpy as np
import pytest

from knnclip.catalogue import PartOverrides, make_parts
from knnclip.parts.roles import Encoder, MaskGenerator, ZeroShotClassifier
from knnclip.presets import preset_by_name
from tests.networks import tiny
from tests.networks.fcclip import tiny as tiny_fcclip
from tests.networks.samples import some_masks, vocabulary

VISION = {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear", "image_size": 64}
CLIP_ROLES = (Encoder, ZeroShotClassifier)
LABEL_ROLES = (MaskGenerator, ZeroShotClassifier)
PARTS = {  # roles, and how often the network runs for an image
    "openclip pool": (CLIP_ROLES, 1),
    "openclip crop": (CLIP_ROLES, 1),
    "openclip both": (CLIP_ROLES, 2),  # the whole image and the crops
    "fcclip": ((MaskGenerator, *CLIP_ROLES), 1),
    "universal": (LABEL_ROLES, 1),
    "onnx": (LABEL_ROLES, 1),
}
CASES = [
    (name, roles)
    for name, (playable, _) in PARTS.items()
    for roles in chain.from_iterable(combinations(playable, count) for count in range(1, len(playable) + 1))
]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Each part as text, on tiny networks with random weights."""
    folder = tmp_path_factory.mktemp("parts, R & D")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        tiny.open_clip_models(folder, {"convnext": VISION})
        checkpoint, clip = tiny_fcclip.write(folder, "convnext")
        (folder / "names.txt").write_text("cat\n")
        network, labels = tiny.colours(folder)
        small = "templates=name,pixels=4096,crops_at_once=1000"
        open_clip = f'openclip:tiny-convnext,weights="{folder / "convnext.safetensors"}",{small}'
        yield {
            **{f"openclip {mode}": f"{open_clip},mode={mode}" for mode in ("pool", "crop", "both")},
            "fcclip": f'fcclip:"{checkpoint}",clip={clip},short_px=96,long_px=160,trained="{folder / "names.txt"}"',
            "universal": f'universal:"{tiny.mask2former(folder / "mask2former")}",min_area=1',
            "onnx": f'onnx:"{network}",labels="{labels}"',
        }


def counted(name, part):
    """A list that grows by one whenever the network runs."""
    runs = []
    if name == "onnx":
        session = part._session

        def run(*arguments):
            runs.append(1)
            return session.run(*arguments)

        part._session = SimpleNamespace(get_inputs=session.get_inputs, run=run)
        return runs
    network = part.network
    watched = {"fcclip": lambda: network.pixel_decoder, "universal": lambda: network}.get(
        name, lambda: network.visual.trunk.stem
    )
    watched().register_forward_hook(lambda *_: runs.append(1))
    return runs


@pytest.mark.parametrize(("name", "roles"), CASES, ids=lambda case: case if isinstance(case, str) else None)
def test_the_network_runs_once_for_all_its_roles(texts, name, roles, rng):
    text, expected = texts[name], PARTS[name][1]
    named = PartOverrides.read(
        masks=text if MaskGenerator in roles else None,
        encoder=text if Encoder in roles else None,
        classifier=text if ZeroShotClassifier in roles else None,
    )
    parts = make_parts(named.into(preset_by_name("builtin")), "cpu")
    played = {MaskGenerator: parts.generator, Encoder: parts.encoder, ZeroShotClassifier: parts.classifier}
    (part,) = {id(played[role]): played[role] for role in roles}.values()
    runs = counted(name, part)
    for image in rng.integers(0, 256, (2, 76, 100, 3)).astype(np.uint8):
        runs.clear()
        masks = (*parts.generator.generate(image).masks, *some_masks(76, 100))
        parts.encoder.encode(image, masks)
        if parts.classifier is not None:
            described = parts.classifier.describe(image, masks)
            for names in (("cat", "red"), ("cat", "red", "typed just now")):
                assert parts.classifier.classify(described, vocabulary(*names)).shape == (len(masks), len(names))
        assert len(runs) == expected


def test_another_mask_of_the_image_costs_its_own_crop_alone(texts, rng):
    named = PartOverrides.read(encoder=texts["openclip crop"])
    part = make_parts(named.into(preset_by_name("builtin")), "cpu").encoder
    image, (first, *others) = rng.integers(0, 256, (76, 100, 3)).astype(np.uint8), some_masks(76, 100)
    sizes = []
    part.network.visual.trunk.stem.register_forward_hook(lambda _, inputs, output: sizes.append(len(inputs[0])))
    alone = part.encode(image, [first])
    together = part.encode(image, [*others, first])
    assert sizes == [1, len(others)]
    np.testing.assert_array_equal(together[-1:], alone)
