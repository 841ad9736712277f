"""Any panoptic, semantic or instance network of detectron2, by its config and weights.

detectron2 is not a dependency: it is imported when this part is asked for.
"""

from knnclip.networks.detectron2.part import CARD

__all__ = ["CARD"]
