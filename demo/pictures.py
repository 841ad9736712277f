"""Pictures for components of the page, as files that are written once, whole, and never again.

Given an array, Gradio writes a file named after its content, in place, even if it is there and just being sent to
somebody else, whose picture then breaks off. These files appear by being renamed, and stay as they are.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gradio.utils import get_upload_folder

from knnclip.files import write_atomically
from knnclip.images import encode_jpeg, encode_png
from knnclip.structures import Image


def photograph(image: Image) -> str:
    """The path of an ``(H, W, 3) uint8`` image as JPEG: crops and pictures with their answers."""
    return _written_once(encode_jpeg(image, max(image.shape)), "jpg")


def drawing(image: Image) -> str:
    """The path of an ``(H, W, 3) uint8`` image as PNG: charts, whose letters stay sharp, and plain colours."""
    return _written_once(encode_png(image), "png")


def _written_once(content: bytes, suffix: str) -> str:
    """The path of a file in the folder that Gradio serves, named after the content and so the same for everybody."""
    file = Path(get_upload_folder()) / "pictures" / f"{hashlib.sha256(content).hexdigest()}.{suffix}"
    try:
        # Gradio deletes files whose status last changed long ago. Setting the times that it has renews that alone.
        status = file.stat()
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    except FileNotFoundError:
        write_atomically(file, content)
    return str(file)
