"""A config of detectron2, from a file or its model zoo, with the keys that a project adds."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from knnclip.detectron2_catalog import CatalogClasses, detectron2_module
from knnclip.errors import UsageError, WeightsError

ASKER = "the part 'detectron2'"


def read_config(model: str, setup: str, device: str) -> Any:  # noqa: ANN401 - detectron2 has no types
    """The config of a network without weights; nothing in its YAML is executed.

    ``model`` is a file or a name in the zoo, ``setup`` functions as ``MODULE:FUNCTION``, joined by ``/``, that are
    called with the config in turn. ``UsageError`` without detectron2, or for a function that cannot be called;
    ``WeightsError`` for a config that is not there or has keys that nobody added.
    """
    config = detectron2_module("config", ASKER).get_cfg()
    for name in filter(None, setup.split("/")):
        module, _, function = name.partition(":")
        try:
            getattr(import_module(module), function)(config)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                f"detectron2: setup {name!r} cannot be called ({error}); write MODULE:FUNCTION, several joined by /"
            ) from error
    zoo = Path(detectron2_module("", ASKER).__file__).parent / "model_zoo" / "configs"
    file = next((file for file in (Path(model), zoo / model) if file.is_file()), None)
    if file is None:
        raise WeightsError(f"detectron2: {model} is no file and not in the model zoo; check its path")
    try:
        config.merge_from_file(str(file), allow_unsafe=False)
    except Exception as error:  # of YAML, of yacs and of fvcore
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"detectron2: {file} cannot be used ({reason}); expected a YAML config, the keys that its project adds by "
            "setup=MODULE:FUNCTION"
        ) from error
    config.MODEL.DEVICE, config.MODEL.WEIGHTS = device, ""
    return config


def catalog_classes(config: Any) -> CatalogClasses:  # noqa: ANN401
    """The classes of the set that the config tests on; ``UsageError`` where the catalog has no names for it."""
    tested = tuple(config.DATASETS.TEST)
    known = CatalogClasses.of(detectron2_module("data", ASKER).MetadataCatalog.get(tested[0]) if tested else {})
    if config.MODEL.META_ARCHITECTURE == "PanopticFPN":
        known = replace(known, names_things=False)  # it takes value 0 for "some thing", whatever the set calls it
    if not known.names:
        raise UsageError(
            f"detectron2: the catalog knows no class names for {tested[0] if tested else 'an empty DATASETS.TEST'}; "
            "name in DATASETS.TEST of the config a set that detectron2, or a module of setup=, registers"
        )
    return known
