"""Models of the Hugging Face hub: from the cache or the hub by id, or from a local folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from knnclip.errors import WeightsError

Loaded = TypeVar("Loaded")


def from_hub(part: str, model: str, load: Callable[[], Loaded]) -> Loaded:
    """What ``load`` makes of a model; ``WeightsError`` says which files are missing or wrong and where they go.

    ``part`` and ``model``, an id or a folder, are for the message; ``load`` is a call of transformers.
    """
    try:
        return load()
    except Exception as error:  # transformers raises errors of many kinds for what is missing, damaged or of other kind
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(model).is_dir():
            raise WeightsError(
                f"{part}: the folder {model} cannot be loaded ({reason}); it needs the config.json, "
                "preprocessor_config.json and model.safetensors that save_pretrained writes for one model"
            ) from error
        raise WeightsError(
            f"{part}: {model} is not a folder, and as a model of huggingface.co it is not on this disk and cannot be "
            f"fetched ({reason}); fetch its config.json, preprocessor_config.json and model.safetensors on another "
            "machine and name their folder, or copy that machine's Hugging Face cache here (HF_HOME says where it is)"
        ) from error


def is_cached(model: str, file: str = "model.safetensors") -> bool:
    """Whether a file of a model is on this disk: in its folder, or in the cache.

    ``model`` is a folder or an id of the hub, ``file`` the file of weights that its library writes.
    """
    from huggingface_hub import try_to_load_from_cache

    if Path(model).is_dir():
        return (Path(model) / file).is_file()
    return isinstance(try_to_load_from_cache(model, file), str)
