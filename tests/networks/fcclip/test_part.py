"""FC-CLIP's parts on tiny checkpoints: files, roles, and that one forward pass serves all."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from knnclip.errors import WeightsError
from knnclip.networks.fcclip.card import FcClipSettings
from knnclip.networks.fcclip.checkpoint import convert, load_network, read_checkpoint
from knnclip.networks.fcclip.classification import ensemble, logits, seen_in_training
from knnclip.networks.fcclip.naming import to_official, to_own
from knnclip.networks.fcclip.part import FcClip, ImageFeatures
from knnclip.networks.fcclip.pixels import padded, resized
from knnclip.networks.fcclip.results import mask_logits
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask
from tests.networks.fcclip import tiny
from tests.networks.samples import some_masks, vocabulary
from tests.progress import Listener


@pytest.fixture(scope="module", params=["convnext", "resnet"])
def checkpoint(request, tmp_path_factory):
    """A file and the name of its CLIP; texts are cached beside it."""
    folder = tmp_path_factory.mktemp("fcclip")
    (folder / "names.txt").write_text("cat\ndog, hound\nsky\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        yield tiny.write(folder, request.param)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (76, 100, 3)).astype(np.uint8)


def settings(checkpoint, **changed):
    file, clip = checkpoint
    small = {"clip": clip, "short_px": 96, "long_px": 160, "min_area": 1}
    return FcClipSettings(file, trained=file.parent / "names.txt", **{**small, **changed})


def test_names_there_and_back_are_the_same_tensors(checkpoint):
    official = read_checkpoint(checkpoint[0])
    again = to_official(to_own(official))
    assert set(again) == set(official)
    assert all(torch.equal(again[name], official[name]) for name in official)
    assert not any(name.startswith("criterion") for name in official)


def test_a_converted_checkpoint_is_the_same_network(checkpoint, image, tmp_path):
    file, clip = checkpoint
    out = tmp_path / "converted.safetensors"
    with pytest.raises(WeightsError, match="none of the known CLIP backbones"):
        convert(file, out)
    assert not out.exists(), "nothing half-written"
    assert convert(file, out, clip) == len(load_file(out)) == len(read_checkpoint(file))
    batch = padded(resized(image, 96, 160))
    one, other = (load_network(path, clip)(batch).masks[-1] for path in (file, out))
    assert torch.equal(one, other)


def test_files_that_do_not_fit_are_errors_that_list_the_official_names(checkpoint, tmp_path):
    file, clip = checkpoint
    weights = read_checkpoint(file)
    key = "sem_seg_head.predictor.mask_embed.layers.0.weight"
    for changed, message in [
        ({name: t for name, t in weights.items() if name != key}, f"1 missing: {key}"),
        (weights | {"sem_seg_head.predictor.extra.weight": torch.ones(1)}, "1 left over: sem_seg_head.predictor.extra"),
        (weights | {key: torch.ones(3, 3)}, rf"1 of another shape: {key} \(3, 3\) instead of"),
        ({"backbone.weight": torch.ones(3)}, "is no checkpoint of FC-CLIP"),
    ]:
        torch.save(changed, tmp_path / "wrong.pth")
        with pytest.raises(WeightsError, match=message):
            load_network(tmp_path / "wrong.pth", clip)
    with pytest.raises(WeightsError, match=r"does not exist; get fcclip_cocopan.pth"):
        FcClip(FcClipSettings(Path("nowhere.pth")), "cpu")


def test_proposals_are_the_masks_of_the_queries(checkpoint, image):
    part = FcClip(settings(checkpoint), "cpu")
    proposals = part.generate(image)
    assert 1 <= len(proposals) <= 9
    assert (np.diff(proposals.scores) <= 0).all()
    features = part._features(image)
    full = mask_logits(features.masks, features.padded, features.unpadded, (76, 100)) > 0
    expected = {mask.numpy().tobytes() for mask in full}
    assert all(mask.to_dense().tobytes() in expected for mask in proposals.masks)


def test_one_forward_pass_serves_three_roles_without_gradients(checkpoint, image, tmp_path):
    chosen = settings(checkpoint)
    text = f"fcclip:{chosen.model},clip={chosen.clip},short_px=96,long_px=160,min_area=1,trained={chosen.trained}"
    parts = {"masks": text, "encoder": text, "classifier": text}
    with Segmenter.open(tmp_path / "s", "builtin", **parts, device="cpu") as segmenter:
        assert segmenter.generator is segmenter.encoder is segmenter.classifier
        assert not any(parameter.requires_grad for parameter in segmenter.encoder.network.parameters())
        runs = []
        segmenter.encoder.network.pixel_decoder.register_forward_hook(lambda *_: runs.append(1))
        analysis = segmenter.analyse(image)
        assert len(runs) == 1
        segmenter.store.add_class("cat")
        segmenter.label(analysis)
        segmenter.teach(analysis, analysis.proposals.masks[0], "new thing")
        segmenter.label(analysis)
        assert len(runs) == 1, "relabelling needs no image"
        with pytest.raises(WeightsError):
            FcClip(FcClipSettings(Path("nowhere.pth")), "cpu")
    with Segmenter.open(tmp_path / "s", read_only=True, device="cpu") as segmenter:
        assert segmenter.segment(image).segments, "the store remembers its parts"


def test_vectors_are_unit_and_of_their_mask_alone(checkpoint, image):
    part, masks = FcClip(settings(checkpoint), "cpu"), some_masks(76, 100)
    vectors = part.encode(image, masks)
    assert vectors.shape == (4, part.fingerprint.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(part.encode(image, masks[::-1]), vectors[::-1], atol=1e-5)
    np.testing.assert_allclose(part.encode(image, masks[2:3]), vectors[2:3], atol=1e-5)
    assert part.encode(image, []).shape == (0, part.fingerprint.dim)
    assert part.describe(image, []).shape == (0, 2 * part.fingerprint.dim)


def test_a_mask_is_described_by_the_query_that_overlaps_it_most(checkpoint):
    """Also where the input is padded and no side divides the other."""
    part = FcClip(settings(checkpoint), "cpu")
    blocks = [(0, 12, 0, 16), (0, 12, 16, 32), (12, 24, 0, 16), (12, 24, 16, 32), (4, 20, 6, 26), (2, 5, 3, 6)]
    cells = torch.full((len(blocks), 24, 32), -9.0)
    for query, (top, bottom, left, right) in enumerate(blocks):
        cells[query, top:bottom, left:right] = 9.0
    features = ImageFeatures(cells, torch.zeros(6, 24), torch.zeros(4, 3, 4), (96, 128), (92, 121))
    masks = []
    for top, bottom, left, right in blocks:
        dense = np.zeros((76, 100), bool)
        scale = 76 / 92 * 4, 100 / 121 * 4
        dense[round(top * scale[0]) : round(bottom * scale[0]), round(left * scale[1]) : round(right * scale[1])] = True
        masks.append(Mask.from_dense(dense))
    assert part._nearest_queries(features, masks).tolist() == list(range(6))
    assert part._nearest_queries(features, masks[::-1]).tolist() == list(range(6))[::-1]


def test_p_base_follows_the_formulae(checkpoint, image):
    part = FcClip(settings(checkpoint, distractors=False), "cpu")
    described = part.describe(image, some_masks(76, 100))
    names = [("cat",), ("hound", "puppy"), ("spaceship",)]
    base = part.classify(described, vocabulary(*names))
    rows, synonyms = part._rows(names)
    inside, outside = torch.from_numpy(described).chunk(2, dim=1)
    unit = torch.nn.functional.normalize
    scores = []
    for embedding, scale in ((inside, part.network.class_head.logit_scale), (outside, part.network.clip.logit_scale)):
        cosines = unit(embedding, dim=1) @ rows.T * min(float(scale.exp()), 100)
        scores.append(torch.stack([cosines[:, 0], cosines[:, 1:3].amax(1), cosines[:, 3], cosines[:, 4]], 1))
    p_in, p_out = (score[:, :-1].softmax(1) for score in scores)
    share = torch.tensor([0.4, 0.4, 0.8])  # cat and hound were trained, a spaceship was not
    mixed = (p_in ** (1 - share) * p_out**share).log().softmax(1)
    void = scores[0].softmax(1)[:, -1:]
    np.testing.assert_allclose(base, (mixed * (1 - void)).numpy(), atol=1e-5)
    assert synonyms == [1, 2, 1]
    assert part.classify(described, vocabulary()).shape == (4, 0)


def test_the_ensemble_without_clip_is_the_trained_head():
    inside, outside = torch.randn(5, 4), torch.randn(5, 4)
    seen = torch.tensor([True, False, True])
    alone = ensemble(inside, outside, seen, valid=torch.zeros(5, dtype=torch.bool))
    void = inside.softmax(1)[:, 3:]
    expected = torch.cat([inside[:, :3].softmax(1) * (1 - void), void], 1)
    np.testing.assert_allclose(alone.numpy(), expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(ensemble(inside, outside, seen).sum(dim=1).numpy(), 1, atol=1e-6)
    assert seen_in_training([("a",), ("b", "c"), ("C",)], [("c", "d"), ("a",)]).tolist() == [True, True, False]


def test_the_scale_of_logits_is_clamped():
    found = logits(torch.ones(1, 2), torch.eye(2), [1], torch.tensor(99.0))
    np.testing.assert_allclose(found.numpy(), 100 / np.sqrt(2), rtol=1e-5)


def test_the_names_of_the_training_are_read_before_the_first_picture(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    part = FcClip(settings(checkpoint), "cpu")
    first, again = Listener(), Listener()
    part.read_names(vocabulary("cat", ("tree", "shrub")), first)
    assert first.started == (6, 0), "cat, dog, hound and sky; tree and shrub"
    assert first.items == 6
    part.read_names(vocabulary("shrub"), again)
    assert again.started is None


@pytest.mark.parametrize("size", [(800, 1333), (1024, 2560)])
def test_the_input_has_the_size_of_the_originals_evaluation(size):
    """By detectron2's rule: the shorter side first, then both less where the longer one is too long."""
    assert (FcClipSettings(Path("f")).short_px, FcClipSettings(Path("f")).long_px) == (800, 1333)
    short, long = size
    for height, width in [(480, 640), (683, 512), (256, 1024), (1024, 2048), (300, 2000), (333, 501), (64, 65)]:
        scale = short / min(height, width)
        sides = (short, scale * width) if height < width else (scale * height, short)
        over = min(1.0, long / max(sides))
        wanted = tuple(int(side * over + 0.5) for side in sides)
        assert resized(np.zeros((height, width, 3), np.uint8), short, long).shape[:2] == wanted
