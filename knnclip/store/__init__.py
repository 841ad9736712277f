"""The durable, growing database of labelled instances: SQLite is the truth, the FAISS-searched index is a cache."""

from knnclip.store.records import NewSource, Source, StoreInfo
from knnclip.store.store import Store

__all__ = ["NewSource", "Source", "Store", "StoreInfo"]
