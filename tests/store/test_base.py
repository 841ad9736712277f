from __future__ import annotations

import inspect

import pytest

from knnclip.store import InstanceStore, Store

VERBS = [name for name, member in vars(InstanceStore).items() if inspect.isfunction(member) and name[0] != "_"]


@pytest.mark.parametrize("name", VERBS)
def test_the_store_is_what_the_path_expects(name):
    assert inspect.signature(getattr(Store, name)) == inspect.signature(getattr(InstanceStore, name))


def test_the_protocol_has_verbs():
    assert {"add", "search", "forget"} <= set(VERBS)
