"""The growing store of labelled instances."""

from knnclip.store.records import Event, SourceInfo, SourceKind, StoredInstance, StoreInfo
from knnclip.store.store import Store
from knnclip.store.view import View

__all__ = ["Event", "SourceInfo", "SourceKind", "Store", "StoreInfo", "StoredInstance", "View"]
