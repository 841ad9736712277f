"""The growing store of labelled instances."""

from knnclip.store.base import InstanceStore
from knnclip.store.records import Event, SourceInfo, SourceKind, StoredInstance
from knnclip.store.store import Store

__all__ = ["Event", "InstanceStore", "SourceInfo", "SourceKind", "Store", "StoredInstance"]
