"""Readers of labelled data sets, one per format, and the recognition of a format by its layout."""

from __future__ import annotations

from knnclip.datasets.base import MIN_AREA_PX, AnnotatedMask, ClassLabel, Dataset, LabelledImage, Sample, select_samples
from knnclip.datasets.formats import FORMATS, SCHEMES, Format, Scheme, detect_format, open_dataset
from knnclip.datasets.rejections import Rejection, write_rejections

__all__ = [
    "FORMATS",
    "MIN_AREA_PX",
    "SCHEMES",
    "AnnotatedMask",
    "ClassLabel",
    "Dataset",
    "Format",
    "LabelledImage",
    "Rejection",
    "Sample",
    "Scheme",
    "detect_format",
    "open_dataset",
    "select_samples",
    "write_rejections",
]
