"""Planes of colour and texture of an image, made to change little with the light.

Brightness is known by its rank within the image or its z-score, colour by log ratios of the channels against their
median over the image, gradients by their orientation and by their strength against that of their surroundings.
"""

from __future__ import annotations

import numpy as np

from knnclip.structures import Float32, Image

GRADIENT_SIGMAS_PX = (0.7, 1.5, 3.0)
"""Scales of the gradients, each about twice the one before: from a pixel's to that of window frames and branches."""

SMOOTHING_PX = 0.6
"""Blur before logarithms and comparisons of neighbouring pixels: it takes a camera's noise away and leaves edges."""

DARKEST = 0.04
"""Added to brightness in 0..1 before its logarithm, so that noise in the dark does not count as colour."""

SURROUNDINGS_PX = 25
"""Side of the window that a gradient's strength is compared with: several times the coarsest scale."""

STRONGEST = 3.0
"""Most that a gradient counts against its surroundings: a lone edge in a flat place has no more to say."""

RANK_STEPS = 1024
"""Steps of brightness that ranks tell apart: finer than the 8 bits of a camera."""

Planes = dict[str, Float32]


def feature_maps(image: Image) -> Planes:
    """``(H, W) float32`` planes by name:

    * ``rank``, ``brightness_z``: rank in [-0.5, 0.5] and z-score of the log brightness;
    * ``red_green``, ``blue_yellow``: log ratios of the channels, less their median;
    * ``a``, ``b``: Lab chroma less its median, over its mean deviation; ``chroma_rank``, ``b_rank``: ranks of the
      chroma's length and of b;
    * ``gradient``, ``detail``: log of the gradient at the finest scale and of the band from 2 to 4 px, less their mean;
    * for each scale s of ``GRADIENT_SIGMAS_PX``: ``relative_s``, the gradient's strength over its local mean, and this
      times cos 2t, |sin 2t| and cos 4t of the gradient's direction t (``cos2_s``, ``sin2_s``, ``cos4_s``), which tell
      upright from lying and axis-parallel from slanting edges; ``coherence_s`` of the structure tensor, in [0, 1];
    * ``lbp_0`` .. ``lbp_8``, ``lbp_mixed``: rotation-invariant uniform local binary patterns (Ojala et al., PAMI 2002).
    """
    import cv2

    rgb: Float32 = image.astype(np.float32) / np.float32(255)
    log_rgb = np.log(_blurred(rgb, SMOOTHING_PX) + np.float32(DARKEST))
    brightness = log_rgb.mean(axis=2)
    red, green, blue = (np.ascontiguousarray(log_rgb[..., channel]) for channel in range(3))
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    a, b = np.ascontiguousarray(lab[..., 1]), np.ascontiguousarray(lab[..., 2])
    planes = {
        "rank": _rank(_blurred(brightness, 1.0)),
        "brightness_z": (brightness - brightness.mean()) / (brightness.std() + np.float32(0.1)),
        "red_green": _less_median(red - green),
        "blue_yellow": _less_median(blue - (red + green) / 2),
        "a": _deviation(a),
        "b": _deviation(b),
        "chroma_rank": _rank(np.hypot(a, b)),
        "b_rank": _rank(b),
    }
    for sigma_px in GRADIENT_SIGMAS_PX:
        planes.update(_gradients(brightness, sigma_px))
    planes["detail"] = _log_less_mean(np.abs(_blurred(brightness, 2.0) - _blurred(brightness, 4.0)), 0.004)
    planes.update(_local_binary_patterns(brightness))
    return planes


def histogram_planes(plane: Float32, centres: tuple[float, ...], width: float) -> list[Float32]:
    """Soft membership of each pixel in bins: 1 at a bin's centre, falling to 0 at a distance of ``width``."""
    return [np.maximum(0, 1 - np.abs(plane - np.float32(centre)) / np.float32(width)) for centre in centres]


def _gradients(brightness: Float32, sigma_px: float) -> Planes:
    import cv2

    smooth = _blurred(brightness, sigma_px)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REFLECT_101)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REFLECT_101)
    xx, yy, xy = gx * gx, gy * gy, gx * gy
    # Not cv2.magnitude: its last bits depend on where the arrays lie in memory.
    strength = np.sqrt(xx + yy) + np.float32(1e-6)
    local = cv2.blur(strength, (SURROUNDINGS_PX, SURROUNDINGS_PX), borderType=cv2.BORDER_REFLECT_101)
    relative = np.minimum(strength / (local + np.float32(0.005)), STRONGEST)
    cos2, sin2 = (xx - yy) / strength**2, 2 * xy / strength**2
    jxx, jyy, jxy = (_blurred(product, 3 * sigma_px) for product in (xx, yy, xy))
    planes = {
        f"relative_{sigma_px}": relative,
        f"cos2_{sigma_px}": relative * cos2,
        f"sin2_{sigma_px}": relative * np.abs(sin2),
        f"cos4_{sigma_px}": relative * (cos2 * cos2 - sin2 * sin2),
        f"coherence_{sigma_px}": np.sqrt((jxx - jyy) ** 2 + 4 * jxy**2) / (jxx + jyy + np.float32(1e-4)),
    }
    if sigma_px == GRADIENT_SIGMAS_PX[0]:
        planes["gradient"] = _log_less_mean(strength, 0.003)
    return planes


def _local_binary_patterns(brightness: Float32) -> Planes:
    import cv2

    smooth = _blurred(brightness, SMOOTHING_PX)
    # Brighter by a quarter of the image's usual detail: in flat places noise would make the pattern.
    threshold = smooth + np.float32(0.25) * np.abs(smooth - _blurred(smooth, 2.0)).mean() + np.float32(0.003)
    height, width = smooth.shape
    padded = cv2.copyMakeBorder(smooth, 1, 1, 1, 1, cv2.BORDER_REFLECT_101)
    ring = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
    brighter = np.stack([padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] > threshold for dy, dx in ring])
    count = brighter.sum(axis=0, dtype=np.uint8)
    changes = (brighter != np.roll(brighter, 1, axis=0)).sum(axis=0, dtype=np.uint8)
    code = np.where(changes <= 2, count, np.uint8(9))
    names = [*(f"lbp_{count}" for count in range(9)), "lbp_mixed"]
    return {name: (code == value).astype(np.float32) for value, name in enumerate(names)}


def _blurred(plane: Float32, sigma_px: float) -> Float32:
    import cv2

    blurred: Float32 = cv2.GaussianBlur(plane, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101)
    return blurred


def _rank(plane: Float32) -> Float32:
    """Share of the image's pixels that are darker, less a half; told apart in ``RANK_STEPS`` steps of the range."""
    low, high = plane.min(), plane.max()
    steps = ((plane - low) * (np.float32(RANK_STEPS - 1) / np.maximum(high - low, np.float32(1e-6)))).astype(np.int32)
    counts = np.bincount(steps.ravel(), minlength=RANK_STEPS)
    ranks = (np.cumsum(counts) - counts / 2) / plane.size - 0.5
    ranked: Float32 = ranks.astype(np.float32)[steps]
    return ranked


def _less_median(plane: Float32) -> Float32:
    centred: Float32 = plane - np.median(plane)
    return centred


def _deviation(plane: Float32) -> Float32:
    centred = _less_median(plane)
    scaled: Float32 = centred / (np.abs(centred).mean() + np.float32(2))
    return scaled


def _log_less_mean(plane: Float32, offset: float) -> Float32:
    logs = np.log(plane + np.float32(offset))
    centred: Float32 = logs - logs.mean()
    return centred
