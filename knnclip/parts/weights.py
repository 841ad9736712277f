"""Weights from files and into networks, safely: no name in them is imported, nothing is missing or left over unsaid."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knnclip.errors import WeightsError
from knnclip.parts.pickles import read_pickle

if TYPE_CHECKING:
    import torch

SHOWN_KEYS = 5
"""Names of parameters that a message shows: enough to tell which layers they are of, and still one line."""

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Names under which training scripts keep the weights in a checkpoint."""


@dataclass(frozen=True)
class Published:
    """A file of weights that only a person can download, and how it is known again."""

    name: str  # of the file
    page: str  # the address where it is to be had
    size_mb: float
    sha256: str  # as somebody says who has it
    says_so: str  # who that is, for people
    check: Callable[[Path], None]  # ``WeightsError`` unless a file holds the network, whole; reads it, runs nothing


@dataclass(frozen=True)
class Need:
    """Weights that a part loads."""

    name: str  # the path of a file, the model of the hub that they are of, or the package that holds them
    on_disk: bool
    size_mb: float | None  # in float32; None where it is known only to the hub
    by_hand: bool = False  # a file that no library fetches
    published: Published | None = None  # where such a file is to be had
    command: str = ""  # what gets it instead, where a package holds it

    @classmethod
    def of_file(cls, path: Path, published: Published | None = None) -> Need:
        """A file of the user's, or one that is published and named as it is there."""
        known = published if published is not None and path.name == published.name else None
        return cls(str(path), path.is_file(), known.size_mb if known else None, by_hand=True, published=known)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a ``.safetensors`` or PyTorch file, or a ``.pkl`` of detectron2's model zoo, by name, on the CPU.

    PyTorch files are read with ``weights_only=True``, pickles of arrays by ``parts.pickles``; a checkpoint that keeps
    its weights under ``state_dict`` or ``model`` is unwrapped. ``WeightsError`` if the file is missing, truncated, or
    holds anything but tensors, and for a ``.pkl`` whose names are not those of a network.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist or is not a file; check the path of the weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: object = load_file(path)
        elif path.suffix == ".pkl":
            content = read_pickle(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise errors of many kinds for files that are damaged
        said = str(error).strip().splitlines()
        reason = said[0] if said and not said[0].isdecimal() else type(error).__name__  # of a KeyError only the key
        raise WeightsError(
            f"{path} cannot be read as weights ({reason}); expected a complete .safetensors file, a PyTorch file of "
            "tensors alone, or a .pkl of arrays alone"
        ) from error
    if path.suffix == ".pkl":
        content = _tensors_of_the_zoo(content, path)
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in content.items())
    ):
        raise WeightsError(f"{path} holds no tensors by name; expected the state_dict of a network")
    return content  # as it is: PyTorch keeps the versions of a network's modules beside the tensors


def _tensors_of_the_zoo(content: object, path: Path) -> dict[object, object]:
    """The tensors of a ``.pkl`` by name, as detectron2's checkpointer tells its kinds apart."""
    import numpy as np
    import torch

    if not isinstance(content, dict) or not {"model", "__author__"} <= content.keys():
        found = "the names of Caffe2"
    elif content.get("matching_heuristics"):
        found = "names of another library, to be matched by likeness"
    else:
        arrays = content["model"] if isinstance(content["model"], dict) else {}
        return {
            name: torch.from_numpy(value.astype(value.dtype.newbyteorder("=")))
            if isinstance(value, np.ndarray)
            else value
            for name, value in arrays.items()
        }
    raise WeightsError(
        f"{path} has {found}, as backbones to train from have; expected the weights of a whole trained network "
        "(model_final_*.pkl), or load it in detectron2 and save the network's state_dict"
    )


def load_weights(
    network: torch.nn.Module, weights: Mapping[str, torch.Tensor], *, source: str, unused: Collection[str] = ()
) -> None:
    """Puts weights into a network, all of them.

    ``unused`` are prefixes of names that the file may have and the network has not, such as a classifier that was left
    away. Counters of batch normalisation may be missing: frozen networks do not read them. ``WeightsError`` lists what
    is missing, left over or of another shape.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}

    def meant(names: Iterable[str]) -> list[str]:
        return [name for name in names if name in own or not name.startswith(tuple(unused))]

    try:
        # The network looks first, for it may know older names of its own.
        missing, left = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # shapes that differ
        check_fits(own, {name: given[name] for name in meant(given)}, source)
        raise WeightsError(f"{source} does not fit the network: {str(error).splitlines()[-1].strip()}") from error
    found = {name: shape for name, shape in own.items() if name not in missing}
    check_fits(own, found | {name: given.get(name, ()) for name in meant(left)}, source)


def check_fits(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], source: str) -> None:
    """``WeightsError`` unless the shapes of parameters by name are those wanted; it lists what differs."""
    missing = [name for name in wanted if name not in found and not name.endswith("num_batches_tracked")]
    left = [name for name in found if name not in wanted]
    shapes = [
        f"{name} {shape} instead of {wanted[name]}"
        for name, shape in found.items()
        if name in wanted and shape != wanted[name]
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:SHOWN_KEYS])}{', ...' if len(names) > SHOWN_KEYS else ''}"
        for what, names in (("missing", missing), ("left over", left), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise WeightsError(f"{source} does not fit the network: {'; '.join(problems)}; is it of another architecture?")


def weights_digest(network: torch.nn.Module) -> str:
    """16 hexadecimal digits that change with any weight of a network, wherever it was loaded from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(_bytes()).numpy().data)
    return digest.hexdigest()[:16]


def network_mb(network: torch.nn.Module) -> float:
    """Megabytes of a network's tensors, which may be on the meta device."""
    return float(sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())) / 1e6


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8
