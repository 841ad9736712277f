"""Tiny checkpoints with random weights, written by the library's own ``save_pretrained``."""

import json

import numpy as np
import onnx
import open_clip
import torch
import transformers as tf
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

SPREAD = 0.6
COLOURS = ("background", "red", "green", "blue")
OPEN_CLIP_SIDE = 64
OPEN_CLIP_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
LABELS = {0: "sky", 1: "door, double door", 2: "cat", 3: "dog"}


def _saved(network, processor, folder):
    for parameter in network.parameters():  # as they are initialised all queries say the same
        parameter.data.normal_(0, SPREAD)
    network.config.id2label = LABELS
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def mask2former(folder):
    torch.manual_seed(0)
    stages = ["stage1", "stage2", "stage3", "stage4"]
    swin = tf.SwinConfig(
        image_size=32, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=4, out_features=stages
    )
    config = tf.Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=7, num_labels=4,
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": 128}
    processor = tf.Mask2FormerImageProcessor(size=size, size_divisor=32)
    return _saved(tf.Mask2FormerForUniversalSegmentation(config), processor, folder)


def oneformer(folder):
    torch.manual_seed(0)
    stages = ["stage1", "stage2", "stage3", "stage4"]
    swin = tf.SwinConfig(
        image_size=32, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=4, out_features=stages
    )
    config = tf.OneFormerConfig(
        backbone_config=swin, conv_dim=32, mask_dim=32, hidden_dim=32, encoder_feedforward_dim=16, dim_feedforward=16,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=7, num_labels=4, max_seq_len=77,
        task_seq_len=77, text_encoder_width=32, text_encoder_context_length=77, text_encoder_num_layers=1,
        text_encoder_vocab_size=600, text_encoder_proj_layers=1, text_encoder_n_ctx=4, query_dec_layers=1,
        strides=[4, 8, 16, 32], is_training=False,
    )  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps({str(i): {"isthing": 1, "name": n} for i, n in LABELS.items()}))
    images = tf.OneFormerImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 128}, num_labels=4, class_info_file="classes.json",
        repo_path=str(folder), num_text=3,
    )  # fmt: skip
    letters = [chr(i) for i in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = tf.CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], unk_token="<|endoftext|>",
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>", model_max_length=77,
    )  # fmt: skip
    return _saved(tf.OneFormerForUniversalSegmentation(config), tf.OneFormerProcessor(images, tokenizer), folder)


def eomt(folder, windows):
    """With ``windows`` the image is split into squares, else padded to one."""
    torch.manual_seed(0)
    config = tf.EomtConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8, num_blocks=1,
        num_queries=5, num_labels=4, num_upscale_blocks=1,
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": None if windows else 64}
    processor = tf.EomtImageProcessor(size=size, do_split_image=windows, do_pad=not windows)
    return _saved(tf.EomtForUniversalSegmentation(config), processor, folder)


def sam(folder):
    torch.manual_seed(0)
    config = tf.SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "patch_size": 16,
            "output_channels": 8, "window_size": 2, "global_attn_indexes": [0], "num_pos_feats": 4, "mlp_dim": 16,
        },
        prompt_encoder_config={"hidden_size": 8, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 16,
            "iou_head_hidden_dim": 8, "iou_head_depth": 2,
        },
    )  # fmt: skip
    images = tf.SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    )  # fmt: skip
    return _saved(tf.SamModel(config), tf.SamProcessor(images), folder)


def sam_as_published(folder):
    """The first SAM's files: an older layout, in which the processor is known by what the pictures' says of it."""
    sam(folder)
    whole = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").unlink()
    images = whole["image_processor"] | {"processor_class": whole["processor_class"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    return str(folder)


def sam2(folder):
    torch.manual_seed(0)
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1, "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 2, 2, 2],
        "window_positional_embedding_background_size": [4, 4], "global_attention_blocks": [3], "mlp_ratio": 2.0,
    }  # fmt: skip
    config = tf.Sam2Config(
        vision_config={
            "backbone_config": backbone, "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "fpn_hidden_size": 32, "fpn_top_down_levels": [2, 3],
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 16,
            "iou_head_hidden_dim": 8, "iou_head_depth": 2,
        },
    )  # fmt: skip
    images = tf.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    return _saved(tf.Sam2Model(config), tf.Sam2Processor(images), folder)


def sam2_video(folder):
    """As SAM 2 and 2.1 are published: weights and processor of the model for videos, which holds that for images."""
    images = tf.Sam2Config.from_pretrained(sam2(folder.with_name("images")))
    torch.manual_seed(0)
    config = tf.Sam2VideoConfig(
        vision_config=images.vision_config.to_dict(), prompt_encoder_config=images.prompt_encoder_config.to_dict(),
        mask_decoder_config=images.mask_decoder_config.to_dict(), image_size=64, memory_attention_hidden_size=32,
        memory_attention_feed_forward_hidden_size=16, memory_attention_num_layers=1, memory_encoder_hidden_size=32,
        memory_encoder_output_channels=8, mask_downsampler_embed_dim=32, memory_fuser_embed_dim=32,
        memory_fuser_num_layers=1, memory_fuser_intermediate_dim=16,
    )  # fmt: skip
    processor = tf.Sam2VideoProcessor(
        tf.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16}),
        tf.Sam2VideoVideoProcessor(size={"height": 64, "width": 64}),
        target_size=64,
    )
    return _saved(tf.Sam2VideoModel(config), processor, folder)


def colours(folder):
    """An ONNX network of one convolution, a class for each channel and background where all are dark; its labels."""
    weight = np.zeros((4, 3, 1, 1), np.float32)
    weight[1:, :, 0, 0] = 10 * np.eye(3)
    bias = np.array([-5, 0, 0, 0], np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w", "b"], ["logits"])],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, None, None])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4, None, None])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "colours.onnx")
    (folder / "labels.txt").write_text("\n".join(COLOURS) + "\n")
    return folder / "colours.onnx", folder / "labels.txt"


def open_clip_models(folder, vision):
    """Weights of models of these ``vision_cfg`` by name, which open_clip then knows as ``tiny-NAME``."""
    for name, tower in vision.items():
        config = {"embed_dim": 64 if name == "map" else 24, "vision_cfg": tower, "text_cfg": OPEN_CLIP_TEXT}
        (folder / f"tiny-{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    for name in vision:
        torch.manual_seed(0)
        network = open_clip.create_model(f"tiny-{name}", pretrained_image=False)
        for key, parameter in network.named_parameters():
            if key != "logit_scale":
                parameter.data.normal_(0, 0.1)
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / f"{name}.safetensors")
        torch.save({"state_dict": network.state_dict()}, folder / f"{name}.pt")
