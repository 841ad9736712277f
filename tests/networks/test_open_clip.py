"""The open_clip encoder and classifier on tiny models with random weights, against open_clip's own functions."""

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image as Pil

from knnclip.errors import UsageError, WeightsError
from knnclip.networks.label_lists import labels_of
from knnclip.networks.open_clip.loading import load
from knnclip.networks.open_clip.network import OpenClip, OpenClipSettings, masked_crop
from knnclip.networks.texts import TextVectors, templates
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask, unit_rows
from tests.networks import tiny
from tests.networks.samples import some_masks, vocabulary
from tests.progress import Listener

SIDE = tiny.OPEN_CLIP_SIDE
VISION = {
    "convnext": {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear", "image_size": SIDE},
    "convnext-mlp": {"timm_model_name": "test_convnext2", "timm_pool": "", "timm_proj": "mlp", "image_size": SIDE},
    "vit": {"image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "vit-avg": {
        "image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16, "pool_type": "avg",
        "final_ln_after_pool": True,
    },
    "coca": {
        "image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16, "attentional_pool": True,
        "attn_pooler_heads": 4, "attn_pooler_queries": 4,
    },
    "map": {"timm_model_name": "test_vit4", "timm_pool": "map", "timm_proj": "none", "image_size": SIDE},
    "timm-token": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear", "image_size": SIDE},
    "resnet": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of weight files of tiny models that open_clip knows by name; texts are cached there, too."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        tiny.open_clip_models(folder, VISION)
        yield folder


def made(models, name, suffix="safetensors", **settings):
    settings = {"pixels": SIDE * SIDE, "templates": "simple", **settings}
    return OpenClip(OpenClipSettings(f"tiny-{name}", weights=models / f"{name}.{suffix}", **settings), "cpu")


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def of_whole_image(encoder, image):
    """What open_clip's own ``encode_image`` says of an image that has the network's size."""
    batch = encoder._crop_input(Pil.fromarray(image))[None]
    return encoder.network.encode_image(batch, normalize=True).detach().numpy()[0]


@pytest.mark.parametrize("name", VISION)
def test_vectors_are_unit_finite_and_the_same_for_every_order(models, name, rng):
    encoder = made(models, name, pixels=96 * 128)
    picture = rng.integers(0, 256, (75, 100, 3)).astype(np.uint8)
    masks = some_masks(75, 100)
    vectors = encoder.encode(picture, masks)
    assert vectors.shape == (4, encoder.fingerprint.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(picture, masks[::-1]), vectors[::-1], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(picture, masks[2:3]), vectors[2:3], atol=1e-5)
    assert encoder.encode(picture, []).shape == (0, encoder.fingerprint.dim)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3, "different masks look different"


@pytest.mark.parametrize("name", ["convnext", "convnext-mlp"])
def test_pooling_over_the_whole_image_is_encode_image(models, image, name):
    encoder = made(models, name)
    vector = encoder.encode(image, [Mask.from_dense(np.ones((SIDE, SIDE)))])[0]
    np.testing.assert_allclose(vector, of_whole_image(encoder, image), atol=1e-5)


def test_a_vit_gives_the_value_path_of_its_last_block(models, image):
    """Against the formula: out_proj(W_v ln_1(x)) + x, then the block's MLP, the norm and the projection."""
    encoder = made(models, "vit")
    visual = encoder.network.visual
    x = visual._embeds(encoder._crop_input(Pil.fromarray(image))[None])
    for block in visual.transformer.resblocks[:-1]:
        x = block(x)
    last = visual.transformer.resblocks[-1]
    weight, bias = last.attn.in_proj_weight.chunk(3)[2], last.attn.in_proj_bias.chunk(3)[2]
    x = x + last.attn.out_proj(last.ln_1(x) @ weight.T + bias)
    x = x + last.mlp(last.ln_2(x))
    expected = (visual.ln_post(x[:, 1:]).mean(dim=1) @ visual.proj).detach().numpy()
    vector = encoder.encode(image, [Mask.from_dense(np.ones((SIDE, SIDE)))])
    np.testing.assert_allclose(vector, unit_rows(expected, where="test"), atol=1e-5)


@pytest.mark.parametrize("name", ["vit", "timm-token"])
def test_the_value_path_is_for_pooling_alone(models, image, name):
    """Crops go through the network as it is, also while another thread pools."""
    encoder = made(models, name, mode="both")
    before = of_whole_image(encoder, image)
    encoder.encode(image, some_masks(SIDE, SIDE))
    np.testing.assert_array_equal(of_whole_image(encoder, image), before)


@pytest.mark.parametrize("name", VISION)
def test_crop_mode_is_encode_image_of_the_crop(models, name, rng):
    encoder = made(models, name, mode="crop", crops_at_once=3)
    picture = rng.integers(0, 256, (75, 100, 3)).astype(np.uint8)
    masks = some_masks(75, 100)
    expected = [of_whole_image(encoder, masked_crop(picture, mask, encoder._mean)) for mask in masks]
    np.testing.assert_allclose(encoder.encode(picture, masks), expected, atol=1e-5)


def test_a_crop_shows_the_mask_alone():
    picture = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)
    dense = np.zeros((10, 12), bool)
    dense[2:4, 3:9] = True
    dense[2, 3] = False
    square = masked_crop(picture, Mask.from_dense(dense), np.array([9, 8, 7], np.uint8))
    assert square.shape == (6, 6, 3)
    np.testing.assert_array_equal(square[2, 1:], picture[2, 4:9])
    np.testing.assert_array_equal(square[3], picture[3, 3:9])
    assert (square[[0, 1, 4, 5]] == [9, 8, 7]).all()
    assert (square[2, 0] == [9, 8, 7]).all()


def test_both_modes_are_one_vector(models, image):
    masks = some_masks(SIDE, SIDE)
    pool, crop, both = (made(models, "convnext", mode=mode).encode(image, masks) for mode in ("pool", "crop", "both"))
    np.testing.assert_allclose(both, np.concatenate([pool, crop], axis=1) / np.sqrt(2), atol=1e-6)


@pytest.mark.parametrize("mode", ["pool", "crop"])
def test_p_base_is_open_clips_own_zero_shot_classifier(models, image, mode):
    names = ["cat", "dog", "traffic cone", "a {strange} name"]
    classifier = made(models, "convnext", mode=mode, others=("background",))
    masks = some_masks(SIDE, SIDE)
    texts = open_clip.build_zero_shot_classifier(
        classifier.network,
        open_clip.get_tokenizer("tiny-convnext"),
        [*names, "background"],
        open_clip.SIMPLE_IMAGENET_TEMPLATES,
    )
    logits = torch.from_numpy(classifier.encode(image, masks)) @ texts * classifier.network.logit_scale.exp()
    base = classifier.classify(classifier.describe(image, masks), vocabulary(*names))
    np.testing.assert_allclose(base, logits.softmax(dim=1)[:, :-1].detach().numpy(), atol=1e-5)
    assert (base.sum(axis=1) < 1).all(), "the background has its share"


def test_synonyms_count_by_their_best(models, image):
    classifier = made(models, "convnext", others=())
    described = classifier.describe(image, some_masks(SIDE, SIDE))
    alone = classifier.classify(described, vocabulary("car", "automobile", "dog"))
    best = np.log(alone[:, :2].max(axis=1) / alone[:, 2])
    together = classifier.classify(described, vocabulary(("car", "automobile"), "dog"))
    np.testing.assert_allclose(np.log(together[:, 0] / together[:, 1]), best, atol=1e-3)


def test_a_class_among_the_others_is_a_class(models, image):
    classifier = made(models, "convnext", others=("background",))
    described = classifier.describe(image, some_masks(SIDE, SIDE))
    np.testing.assert_allclose(classifier.classify(described, vocabulary("background", "x")).sum(axis=1), 1, atol=1e-5)
    assert classifier.classify(described, vocabulary()).shape == (4, 0)


@pytest.mark.parametrize("classes", [1, 3, 20, 133])
def test_one_taught_class_gets_no_more_than_beside_all_of_cocos(models, image, classes):
    classifier = made(models, "convnext", templates="name", others=("coco-panoptic",))
    described = classifier.describe(image, some_masks(SIDE, SIDE))
    coco = [names[0] for names in labels_of("", None, "coco-panoptic")]
    base = classifier.classify(described, vocabulary(*coco[:classes]))
    every = classifier.classify(described, vocabulary(*coco))
    np.testing.assert_allclose(every.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(base, every[:, :classes], atol=1e-6)
    assert base[:, 0].max() < 0.05, "a network of random weights knows nothing"


def test_of_a_published_list_classes_that_the_vocabulary_has_are_no_rivals_and_are_not_read(
    models, tmp_path, monkeypatch
):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path))
    classifier = made(models, "convnext", templates="name", others=("coco-panoptic", "background"))
    listener = Listener()
    classifier.read_names(vocabulary("trees", "human", "traffic cone", "Background"), listener)
    assert listener.started == (4 + 131, 0), "COCO's without tree and person"


def test_texts_are_made_once_and_read_from_the_disk(models, tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    asked = []

    def embed(texts):
        asked.extend(texts)
        return unit_rows(np.arange(1, 1 + 3 * len(texts)).reshape(-1, 3), where="test")

    first = TextVectors(embed, "checkpoint", ("a {}.", "the {}."))("cat")
    assert asked == ["a cat.", "the cat."]
    again = TextVectors(embed, "checkpoint", ("a {}.", "the {}."))
    np.testing.assert_array_equal(again("cat"), first)
    assert len(asked) == 2
    TextVectors(embed, "another", ("a {}.", "the {}."))("cat")
    TextVectors(embed, "checkpoint", ("a {}.",))("cat")
    assert len(asked) == 5
    for file in (tmp_path / "cache").rglob("*.npy"):
        file.write_bytes(b"damaged")
    np.testing.assert_array_equal(TextVectors(embed, "checkpoint", ("a {}.", "the {}."))("cat"), first)
    assert len(asked) == 7


def test_names_are_read_before_they_are_asked_for_and_progress_is_told_of_new_ones(models, tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    weights = f"openclip:tiny-convnext,pixels={SIDE * SIDE},templates=name,weights={models / 'convnext.safetensors'}"
    for cache in (None, tmp_path / "results"):
        with Segmenter.open(tmp_path / "s", "builtin", classifier=weights, device="cpu", cache=cache) as segmenter:
            if cache is None:
                segmenter.store.add_class("cat", synonyms=("kitten",))
            else:
                segmenter.store.add_class("dog")
            first, again = Listener(), Listener()
            segmenter.read_names(first)
            segmenter.read_names(again)
            assert first.started == ((4, 0) if cache is None else (1, 0)), "cat, kitten and two others; then a dog"
            assert first.items == first.started[0]
            assert again.started is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "file"))
    vectors = TextVectors(lambda texts: np.ones((len(texts), 4), np.float32), "c", ("{}",))
    np.testing.assert_allclose(vectors("cat"), 0.5)


def test_templates_and_random_descriptions():
    assert len(templates("openai", 0, 0)) == 80
    assert templates("name", 0, 0) == ("{}",)
    assert all("{}" in text for kind in ("openai", "simple", "name") for text in templates(kind, 0, 0))
    waffle = templates("openai", 5, 1)
    assert len(set(waffle)) == 5
    assert waffle == templates("simple", 5, 1) != templates("openai", 5, 2)
    with pytest.raises(UsageError, match="templates 'best' are not one of openai"):
        templates("best", 0, 0)


def test_the_fingerprint_tells_weights_mode_and_size_apart_but_not_the_wording(models):
    same = made(models, "convnext").fingerprint
    assert made(models, "convnext", suffix="pt").fingerprint == same
    assert made(models, "convnext", templates="name", others=()).fingerprint == same
    for other in ({"mode": "crop"}, {"mode": "both"}, {"pixels": 128 * 128}, {"pixels": None}):
        assert made(models, "convnext", **other).fingerprint != same


@pytest.fixture
def published(models, monkeypatch):
    """Tags of the tiny models in open_clip's own table, with the files that these would fetch."""

    def table(name, **tags):
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, f"tiny-{name}", tags)
        monkeypatch.setattr(
            open_clip.factory, "download_pretrained", lambda *_, **__: str(models / f"{name}.safetensors")
        )

    return table


QUICK = {"url": "", "quick_gelu": True, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.3)}
PLAIN = {"url": "", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.3)}


@pytest.mark.parametrize("where", ["fetched", "file"])
@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_weights_that_were_trained_with_quick_gelu_run_with_it(models, published, name, where, image):
    """Against open_clip's own model with the activation that its table of published weights names."""
    published(name, openai=QUICK)
    reference = open_clip.create_model(f"tiny-{name}", pretrained="openai", force_quick_gelu=True).eval()
    file = models / f"{name}.safetensors" if where == "file" else None
    ours = OpenClip(OpenClipSettings(f"tiny-{name}", pretrained="openai", weights=file, mode="crop"), "cpu")
    texts = open_clip.get_tokenizer(f"tiny-{name}")(["a cat", "a dog on a door"])
    preprocess = image_transform_v2(PreprocessCfg(**open_clip.get_model_preprocess_cfg(reference)), is_train=False)
    with torch.inference_mode():
        vector = reference.encode_image(preprocess(Pil.fromarray(image))[None], normalize=True).numpy()
        words = reference.encode_text(texts).numpy()
        np.testing.assert_allclose(ours.network.encode_text(texts).numpy(), words, atol=1e-6)
    np.testing.assert_allclose(ours.encode(image, [Mask.from_dense(np.ones((SIDE, SIDE)))]), vector, atol=1e-6)


def test_the_activation_of_every_published_tag_is_that_of_open_clip_s_table(monkeypatch):
    asked = []
    monkeypatch.setattr(open_clip, "create_model", lambda model, **options: asked.append((model, options)))
    pairs = open_clip.list_pretrained()
    for model, tag in pairs:
        load(model, tag, None)
    assert len(asked) == len(pairs) > 100
    for (model, tag), (_, options) in zip(pairs, asked, strict=True):
        trained = bool(open_clip.get_pretrained_cfg(model, tag).get("quick_gelu"))
        assert options["force_quick_gelu"] == trained, (model, tag)


def test_a_file_without_a_tag_is_taken_where_all_tags_agree(models, published):
    file = models / "vit.safetensors"
    published("vit", one=PLAIN, other=PLAIN)
    plain = OpenClip(OpenClipSettings("tiny-vit", weights=file), "cpu")
    assert plain.network.visual.preprocess_cfg["mean"] == PLAIN["mean"]
    published("vit", one=QUICK)
    quick = OpenClip(OpenClipSettings("tiny-vit", weights=file), "cpu")
    assert quick.fingerprint != plain.fingerprint, "the same weights, another activation"
    published("vit", one=QUICK, other=PLAIN)
    with pytest.raises(UsageError, match=r"tiny-vit differ in activation.*add pretrained=TAG, one of one, other"):
        OpenClip(OpenClipSettings("tiny-vit", weights=file), "cpu")
    with pytest.raises(UsageError, match="unknown pretrained weights of tiny-vit 'on'; did you mean 'one'"):
        OpenClip(OpenClipSettings("tiny-vit", weights=file, pretrained="on"), "cpu")


@pytest.mark.parametrize("name", VISION)
def test_the_input_is_as_large_as_a_vit_was_trained(models, name):
    """Convolutional towers look at neighbourhoods, which are in larger inputs, too."""
    expected = 720 * 960 if name in ("convnext", "convnext-mlp", "resnet") else SIDE * SIDE
    assert made(models, name, pixels=None)._pooling.format.pixels == expected
    assert made(models, name, pixels=96 * 96)._pooling.format.pixels == 96 * 96


def test_wrong_models_and_files_are_errors(models, tmp_path):
    content = (models / "convnext.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-100])
    for file, message in [
        (tmp_path / "cut.safetensors", "cannot be read as weights"),
        (tmp_path / "none.safetensors", "does not exist"),
        (models / "vit.safetensors", "another architecture"),
    ]:
        with pytest.raises(WeightsError, match=message):
            OpenClip(OpenClipSettings("tiny-convnext", weights=file), "cpu")
    with pytest.raises(UsageError, match="unknown open_clip model 'ViT-B-61'; did you mean"):
        OpenClip(OpenClipSettings("ViT-B-61"), "cpu")
    with pytest.raises(UsageError, match="unknown pretrained weights of ViT-B-16 'openia'; did you mean 'openai'"):
        OpenClip(OpenClipSettings("ViT-B-16", pretrained="openia"), "cpu")
    with pytest.raises(WeightsError, match=r"not on this disk and cannot be fetched.*weights=FILE.*HF_HOME"):
        OpenClip(OpenClipSettings(f"local-dir:{tmp_path}"), "cpu")
    with pytest.raises(UsageError, match="mode 'pol' is not one of pool, crop, both"):
        OpenClipSettings("ViT-B-16", mode="pol")


def test_a_local_folder_as_save_for_hf_writes_it(models, tmp_path, image):
    from open_clip.push_to_hf_hub import save_for_hf
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers import models as parts
    from transformers import PreTrainedTokenizerFast

    encoder = made(models, "convnext")
    words = {"<pad>": 0, "<eos>": 1, "<unk>": 2, "cat": 3, "dog": 4}
    tokenizer = Tokenizer(parts.WordLevel(words, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    config = open_clip.get_model_config("tiny-convnext")
    config["text_cfg"] = tiny.OPEN_CLIP_TEXT | {"hf_tokenizer_name": "tiny"}
    save_for_hf(encoder.network, fast, config, tmp_path / "model")
    local = OpenClip(OpenClipSettings(f"local-dir:{tmp_path / 'model'}", pixels=SIDE * SIDE), "cpu")
    masks = some_masks(SIDE, SIDE)
    np.testing.assert_allclose(local.encode(image, masks), encoder.encode(image, masks), atol=1e-6)
    assert local.classify(local.describe(image, masks), vocabulary("cat", "dog")).shape == (4, 2)


def test_a_segmenter_with_it_for_both_roles(models, image, tmp_path):
    text = f"openclip:tiny-convnext,pixels={SIDE * SIDE},templates=name"
    weights = models / "convnext.safetensors"
    parts = {"encoder": text, "classifier": text, "weights": weights}
    with Segmenter.open(tmp_path / "s", "builtin", **parts, device="cpu") as segmenter:
        assert segmenter.encoder is segmenter.classifier, "made once"
        forwards = []
        segmenter.encoder.network.visual.trunk.register_forward_hook(lambda *_: forwards.append(1))
        segmenter.encoder.network.visual.trunk.stem.register_forward_hook(lambda *_: forwards.append(1))
        analysis = segmenter.analyse(image)
        assert len(forwards) == 1, "and works once for both roles"
        segmenter.store.add_class("something typed just now")
        result = segmenter.label(analysis)
        assert len(forwards) == 1, "a new name needs no image"
        assert result.segments[0].scores[0].base is not None
    with Segmenter.open(tmp_path / "s", read_only=True, device="cpu") as segmenter:
        assert segmenter.encoder is segmenter.classifier
