"""Tiny checkpoints with random weights, written by the library's own ``save_pretrained``."""

import json

import torch
import transformers as tf

SPREAD = 0.6
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
