"""An image as basins of its gradient: many small pieces whose borders lie on the image's edges.

Watersheds by flooding (Meyer, "Color image segmentation", 1992): each local minimum of the gradient's length is a
basin, and the borders are where their floods meet.
"""

from __future__ import annotations

import numpy as np

from knnclip.structures import Float32, Image, Int64

MINIMA_SIGMA_PX = 0.7
"""Blur of the gradient before its minima are sought: about a pixel. At 1.2 px there are less than half as many basins;
perfect labels on them reach an IoU of 47 instead of 58 on the poles of a dusky street."""


def superpixels(image: Image, sigma_px: float) -> Int64:
    """``(H, W)``: the basin of each pixel of an ``(H, W, 3) uint8`` image, 0 to R - 1.

    ``sigma_px`` is the blur before the gradient, at least a third of a pixel.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    gradient = _gradient(image, sigma_px)
    smooth = _blurred(gradient, MINIMA_SIGMA_PX)
    minima, _ = ndimage.label(smooth == ndimage.minimum_filter(smooth, 3), np.ones((3, 3), dtype=bool))
    basins: Int64 = watershed(gradient, minima).astype(np.int64) - 1
    return basins


def _gradient(image: Image, sigma_px: float) -> Float32:
    """``(H, W)``: the length of the gradient of the channel in which it is longest."""
    import cv2

    smooth = _blurred(image.astype(np.float32), sigma_px)
    x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    longest: Float32 = np.sqrt((x * x + y * y).max(axis=2))
    return longest


def _blurred(plane: Float32, sigma_px: float) -> Float32:
    import cv2

    blurred: Float32 = cv2.GaussianBlur(plane, (0, 0), sigma_px)
    return blurred
