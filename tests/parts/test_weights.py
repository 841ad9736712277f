"""Weights come from files as they are, or not at all."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from knnclip.errors import WeightsError
from knnclip.parts.weights import load_weights, read_weights, weights_digest


def network(seed=0, width=3):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 1), torch.nn.BatchNorm2d(width))


@pytest.fixture
def saved(tmp_path):
    state = network().state_dict()
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pth")
    return tmp_path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "wrapped.pth"])
def test_every_format_gives_the_same_network(saved, name):
    other = network(seed=1)
    assert weights_digest(other) != weights_digest(network())
    load_weights(other, read_weights(saved / name), source=name)
    assert weights_digest(other) == weights_digest(network())


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_truncated_file_is_an_error(saved, name):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_weights(saved / name)


def test_nothing_is_unpickled(tmp_path, capsys):
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "evil.bin").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pt", "evil.bin"):
        with pytest.raises(WeightsError):
            read_weights(tmp_path / name)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{}, {"a": 1}, [torch.zeros(1)]])
def test_a_file_without_tensors_is_an_error(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="no tensors by name"):
        read_weights(tmp_path / "x.pt")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "nothing.pt")


def test_what_does_not_fit_is_listed():
    weights = dict(network().state_dict())
    del weights["0.bias"]
    weights["9.more"] = torch.zeros(1)
    weights["1.weight"] = torch.zeros(7)
    with pytest.raises(WeightsError) as error:
        load_weights(network(), weights, source="file.pt")
    for part in ("file.pt", "1 missing: 0.bias", "1 left over: 9.more", r"1.weight (7,) instead of (3,)"):
        assert part in str(error.value)


def test_a_head_that_was_left_away_and_counters_do_not_matter():
    weights = {name: tensor for name, tensor in network().state_dict().items() if "num_batches" not in name}
    other = network(seed=1)
    load_weights(other, weights | {"classifier.weight": torch.zeros(9)}, source="x", unused=("classifier",))
    assert weights_digest(other) == weights_digest(network())


def test_the_digest_changes_with_any_weight():
    changed = network()
    with torch.no_grad():
        changed[1].running_mean[2] += 1e-6
    assert weights_digest(changed) != weights_digest(network())
    assert weights_digest(network(width=4)) != weights_digest(network())
