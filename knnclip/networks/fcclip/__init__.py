"""FC-CLIP (arXiv 2308.02487) in plain PyTorch, open_clip and transformers: nothing to compile."""
