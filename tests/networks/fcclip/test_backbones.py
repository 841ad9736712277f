"""The CLIP models behind FC-CLIP's checkpoints, at their full size with random weights."""

import open_clip
import pytest
import torch

from knnclip.networks.fcclip.checkpoint import BACKBONES, _clip_model


@pytest.mark.parametrize("name", BACKBONES.values())
def test_text_towers_have_the_activation_that_they_were_trained_with(name):
    """OpenAI's ResNets were trained with QuickGELU, LAION's ConvNeXts with GELU."""
    with torch.device("meta"):
        blocks = _clip_model(name).transformer.resblocks
    wanted = "QuickGELU" if name.startswith("RN") else "GELU"
    assert {type(block.mlp.gelu).__name__ for block in blocks} == {wanted}


def test_texts_of_a_resnet_are_those_of_openais_model():
    torch.manual_seed(0)
    openai = open_clip.create_model("RN50-quickgelu", pretrained_image=False).eval()
    own = _clip_model("RN50").eval()
    own.load_state_dict(openai.state_dict())
    tokens = open_clip.get_tokenizer("RN50")(["a photo of a dog.", "a cat"])
    with torch.inference_mode():
        assert torch.equal(own.encode_text(tokens), openai.encode_text(tokens))
