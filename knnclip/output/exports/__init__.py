"""Answers in the formats of other tools, one module a format; ``formats.EXPORTS`` lists them."""

from __future__ import annotations

from knnclip.output.exports.base import ExportFormat
from knnclip.output.exports.formats import EXPORTS
from knnclip.output.exports.run import Answered, Export, export

__all__ = ["EXPORTS", "Answered", "Export", "ExportFormat", "export"]
