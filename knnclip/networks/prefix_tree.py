"""Many texts through a causal text tower at once, with no token computed twice.

In a causal tower a token depends on the tokens before it and on nothing behind it. So what the prompts of a name begin
with ("a photo of a") is computed once for all of them, and neither the padding nor anything behind the end of a text at
all: the texts are laid out as the nodes of a tree, one sequence in which each token attends to itself and its ancestors
and has the position that is its depth. The vectors are those of open_clip's ``encode_text`` up to rounding. The 80
prompts of a name are 482 tokens in place of 6160.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TOKENS_AT_ONCE = 1024
"""Most tokens in one tree, before any is shared: more than the 80 prompts of a short name have together. Attention
takes memory by its square, 42 MB for ten heads here; long names are made in several trees."""


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """T texts as a tree of N tokens, a parent before its children; texts that begin alike share the beginning."""

    tokens: torch.Tensor  # (N,) int64
    depths: torch.Tensor  # (N,) int64, 0 for the first token of a text
    visible: torch.Tensor  # (N, N) bool: row i has what token i may attend to, itself and its ancestors
    ends: torch.Tensor  # (T,) int64: the node at which each text ends

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> PrefixTree:
        """The tree of texts of one token or more."""
        import torch

        nodes: dict[tuple[int, int], int] = {}  # by parent (-1 for none) and token
        depths: list[int] = []
        ends = []
        for text in texts:
            node = -1
            for depth, token in enumerate(text):
                if (node, token) not in nodes:
                    nodes[node, token] = len(depths)
                    depths.append(depth)
                node = nodes[node, token]
            ends.append(node)
        visible = torch.eye(len(nodes), dtype=torch.bool)
        for node, (parent, _) in enumerate(nodes):
            if parent >= 0:
                visible[node] |= visible[parent]
        return cls(torch.tensor([token for _, token in nodes]), torch.tensor(depths), visible, torch.tensor(ends))


def encode_texts(clip: Any, tokens: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - open_clip's models share no class
    """``(T, D)``: the unit vectors of ``(T, L)`` tokens, as the model's ``encode_text`` makes them.

    By trees where the tower is causal; others (HF towers, SigLIP's, CoCa's) look at all L tokens.
    """
    import torch

    tower = getattr(clip, "text", clip)
    if not _is_causal(tower):
        found: torch.Tensor = clip.encode_text(tokens, normalize=True)
        return found
    lengths = [int(end) + 1 for end in _ends(tower, tokens)]
    texts = [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]
    vectors = [_encode_tree(clip, PrefixTree.of(some)) for some in _portions(texts)]
    return torch.nn.functional.normalize(torch.cat(vectors), dim=-1)


def _is_causal(tower: Any) -> bool:  # noqa: ANN401
    """Whether a text's vector is that of its end token, which sees what is before it and nothing else."""
    import torch

    mask = getattr(tower, "attn_mask", None)
    if mask is None or getattr(tower, "cls_emb", None) is not None or _pool(tower) not in ("argmax", "eos"):
        return False
    return torch.equal(mask, torch.full_like(mask, float("-inf")).triu(1))


def _pool(tower: Any) -> str:  # noqa: ANN401
    """A text tower on its own and one inside a model have it under different names."""
    return str(getattr(tower, "pool_type", None) or getattr(tower, "text_pool_type", ""))


def _ends(tower: Any, tokens: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """``(T,)``: where each text ends: at the highest token (``argmax``), or at the tower's own end token."""
    if _pool(tower) == "argmax":
        return tokens.argmax(dim=-1)
    end = int(getattr(tower, "eos_id", None) or tower.text_eos_id)
    return tokens.eq(end).int().argmax(dim=-1)


def _portions(texts: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """The texts in their order, as many at a time as ``TOKENS_AT_ONCE`` lets in, at least one."""
    portion: list[list[int]] = []
    for text in texts:
        if portion and sum(map(len, portion)) + len(text) > TOKENS_AT_ONCE:
            yield portion
            portion = []
        portion.append(text)
    if portion:
        yield portion


def _encode_tree(clip: Any, tree: PrefixTree) -> torch.Tensor:  # noqa: ANN401
    """``(T, D)``, not of unit length: the tower over the tree as one sequence, read where the texts end."""
    import torch

    inside = hasattr(clip, "text")
    tower = clip.text if inside else clip
    mask = tower.attn_mask.new_zeros(tree.visible.shape)
    mask.masked_fill_(~tree.visible.to(mask.device), float("-inf"))
    positions = tower.positional_embedding[tree.depths.to(mask.device)]
    # The same modules and weights under other positions, mask and pooling. The tower itself is left as it is, since
    # other threads may be using it.
    view = object.__new__(type(tower))
    view.__dict__ = vars(tower) | {
        "_parameters": tower._parameters | {"positional_embedding": torch.nn.Parameter(positions, requires_grad=False)},
        "_buffers": tower._buffers | {"attn_mask": mask},
        "pool_type" if inside else "text_pool_type": "none",
    }
    sequence = tree.tokens[None].to(mask.device)
    every: torch.Tensor = view(sequence) if inside else view.encode_text(sequence)
    return every[0, tree.ends.to(mask.device)]
