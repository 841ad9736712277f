"""Folders of pictures that are worked on with a store: answered, corrected, checked, and how far each is."""

from knnclip.projects.orders import Order
from knnclip.projects.project import Project
from knnclip.projects.records import (
    STATES,
    Answered,
    Applying,
    Changes,
    Correction,
    Effect,
    Picture,
    ProjectInfo,
    Standing,
    State,
    Summary,
)

__all__ = [
    "STATES",
    "Answered",
    "Applying",
    "Changes",
    "Correction",
    "Effect",
    "Order",
    "Picture",
    "Project",
    "ProjectInfo",
    "Standing",
    "State",
    "Summary",
]
