"""Texts as a tree of their beginnings, against open_clip's own ``encode_text`` at full architecture, random weights."""

import open_clip
import pytest
import torch

from knnclip.networks.prefix_tree import TOKENS_AT_ONCE, PrefixTree, encode_texts
from knnclip.networks.texts import TextVectors, templates

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
CAUSAL = ("convnext_base_w", "convnext_large_d_320", "ViT-B-32-quickgelu", "ViT-L-14-worldwide")
LOOKING_EVERYWHERE = ("ViT-B-16-SigLIP", "coca_ViT-B-32", "MobileCLIP2-S0")


def clip(name, **text):
    """The published text tower beside a small image tower, which the texts never meet."""
    config = open_clip.get_model_config(name)
    torch.manual_seed(0)
    kind = open_clip.model.CustomTextCLIP if config.get("custom_text") else open_clip.model.CLIP
    return kind(config["embed_dim"], VISION, {**config["text_cfg"], **text}, quick_gelu="quickgelu" in name).eval()


def tokens_of(texts):
    return open_clip.tokenize(texts)


def encoded(network, tokens):
    with torch.inference_mode():
        return encode_texts(network, tokens), network.encode_text(tokens, normalize=True)


PROMPTS = ["a photo of a cat.", "a photo of a potted plant.", "itap of my cat.", "", "a photo of a cat."]


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_tower_gives_the_vectors_of_encode_text(name):
    network = clip(name, **({"layers": 2} if "worldwide" in name else {}))  # of its large vocabulary
    tokens = tokens_of(PROMPTS)
    if "worldwide" in name:  # its texts end with a token of its own, and padding is not the lowest
        tokens = tokens.masked_fill(tokens == 0, 49405).masked_fill(tokens == 49407, network.text_eos_id)
    found, expected = encoded(network, tokens)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert (found[0] - found[1]).abs().max() > 1e-3, "different texts differ"


@pytest.mark.parametrize("name", LOOKING_EVERYWHERE)
def test_a_tower_that_looks_behind_the_end_of_a_text_gets_all_of_it(name):
    network = clip(name, hf_tokenizer_name=None, output_tokens=False, layers=2)
    tokens = tokens_of(PROMPTS)[:, : network.context_length] % network.text.vocab_size
    found, expected = encoded(network, tokens)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def small(**text):
    return clip("convnext_base_w", width=32, heads=2, layers=2, **text)


def test_a_tower_of_its_own_module_gives_the_vectors_of_encode_text():
    torch.manual_seed(0)
    config = open_clip.get_model_config("convnext_base_w")
    text = config["text_cfg"] | {"width": 32, "heads": 2, "layers": 2}
    network = open_clip.model.CustomTextCLIP(config["embed_dim"], VISION, text).eval()
    found, expected = encoded(network, tokens_of(PROMPTS))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_eighty_prompts_of_a_name_cost_a_twelfth_of_their_padded_tokens(tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path))
    network, seen = small(), []
    network.transformer.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[:2].numel()))
    TextVectors.of_clip(network, open_clip.tokenize, "random", templates("openai", 0, 0))("potted plant")
    assert sum(seen) == 482


def test_long_texts_are_made_in_several_trees():
    network, seen = small(), []
    network.transformer.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[:2].numel()))
    tokens = tokens_of([f"{i} {'very ' * 60}long" for i in range(40)])
    found, expected = encoded(network, tokens)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert len(seen) == 4, "three trees, and encode_text itself"
    assert max(seen[:-1]) <= TOKENS_AT_ONCE


def test_the_tower_is_left_as_it_was():
    network = small()
    before = {name: tensor.clone() for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
    encode_texts(network, tokens_of(PROMPTS))
    after = dict([*network.named_parameters(), *network.named_buffers()])
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert network.text_pool_type == "argmax"


def test_a_tree_shares_beginnings_and_nothing_else():
    tree = PrefixTree.of([[1, 2, 3], [1, 2, 4, 3], [5, 2], [1, 2]])
    assert tree.tokens.tolist() == [1, 2, 3, 4, 3, 5, 2]
    assert tree.depths.tolist() == [0, 1, 2, 2, 3, 0, 1]
    assert tree.ends.tolist() == [2, 4, 6, 1]
    assert [row.nonzero()[:, 0].tolist() for row in tree.visible] == [
        [0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 1, 3, 4], [5], [5, 6],
    ]  # fmt: skip
