"""Models of open_clip by name, folder or hub, with the activation and input that their weights were trained with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knnclip.errors import UsageError, WeightsError, unknown_name
from knnclip.parts.weights import load_weights, read_weights

PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
"""What open_clip's table of published weights says of their input."""


def load(model: str, tag: str, weights: Path | None) -> Any:  # noqa: ANN401 - open_clip's models share no class
    """The model with its weights, and with the activation that these were trained with.

    ``weights`` is a file in place of the published weights of the tag. Raises ``UsageError`` for a model or a tag that
    open_clip does not know, ``WeightsError`` if the weights are not here.
    """
    import open_clip

    trained = _trained(model, tag, weights)
    quick_gelu = bool(trained.get("quick_gelu", False))
    if weights:
        network = without_weights(model, "cpu", quick_gelu)
        load_weights(network, read_weights(weights), source=str(weights))
        network.visual.preprocess_cfg |= {key: trained[key] for key in PREPROCESSING if key in trained}
        return network
    with loading(model, "weights"):
        return open_clip.create_model(
            model,
            pretrained=tag or None,
            require_pretrained=True,
            weights_only=True,
            force_quick_gelu=quick_gelu,
        )


def _trained(model: str, tag: str, weights: Path | None) -> dict[str, Any]:
    """What open_clip's table of published weights says of the tag: their activation and their input.

    A hub's and a folder's configuration says it itself, and a model without published weights is as it is: nothing.
    A file of weights does not say it: without a tag it is what all published weights of the model agree on.
    """
    import open_clip

    if ":" in model:
        return {}
    if model not in open_clip.list_models():
        raise unknown_name("open_clip model", model, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(model)
    published: dict[str, dict[str, Any]] = {known: open_clip.get_pretrained_cfg(model, known) for known in tags}
    if tag or not weights:
        if tag not in published:
            raise unknown_name(f"pretrained weights of {model}", tag, tags)
        return published[tag]
    said = [{key: known.get(key) for key in ("quick_gelu", *PREPROCESSING)} for known in published.values()]
    if any(other != said[0] for other in said):
        raise UsageError(
            f"the published weights of open_clip model {model} differ in activation or input, and {weights} "
            f"does not say which are its own; add pretrained=TAG, one of {', '.join(tags)}"
        )
    return published[tags[0]] if tags else {}


def without_weights(model: str, device: str, quick_gelu: bool = False) -> Any:  # noqa: ANN401
    """The model with random weights, or on the device ``meta`` with none."""
    import open_clip

    # It warns that the weights are random, which is what is asked for here.
    logging.disable(logging.WARNING)
    try:
        return open_clip.create_model(
            model,
            load_weights=False,
            pretrained_image=False,
            pretrained_text=False,
            device=device,
            force_quick_gelu=quick_gelu,
        )
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def loading(model: str, what: str) -> Iterator[None]:
    """Makes every error within a ``WeightsError`` that says how to get ``what``."""
    try:
        yield
    except Exception as error:  # open_clip raises errors of many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"the {what} of open_clip model {model} are not on this disk and cannot be fetched ({reason}); fetch its "
            "open_clip_model.safetensors and tokenizer on another machine and name their folder as local-dir:FOLDER, "
            "give weights=FILE, or copy that machine's Hugging Face cache here (HF_HOME says where it is)"
        ) from error
