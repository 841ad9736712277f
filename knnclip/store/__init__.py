"""The growing store of labelled instances."""

from knnclip.store.records import (
    NOTHING,
    Event,
    Exchange,
    SourceInfo,
    SourceKind,
    StoredInstance,
    StoreInfo,
    Withdrawn,
)
from knnclip.store.store import Store
from knnclip.store.view import View

__all__ = [
    "NOTHING",
    "Event",
    "Exchange",
    "SourceInfo",
    "SourceKind",
    "Store",
    "StoreInfo",
    "StoredInstance",
    "View",
    "Withdrawn",
]
