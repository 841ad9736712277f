"""How right a store is: everything that ``knnclip evaluate``, ``continual``, ``shots`` and ``score`` do, from Python.

- a store on a data set: ``Evaluation`` and ``evaluate``; in shards ``score_images`` and ``write_report``; in a loop of
  your own ``judge_images`` and ``add_up``
- both protocols: ``Splits`` and ``encode_splits``
- classes in steps: ``in_steps`` and ``by_class``, or ``by_data_set``; ``run_continual``, ``write_continual``
- few labelled instances: ``run_shots``, ``write_shots``
- files of anybody: ``score_semantic_files``, ``score_panoptic_files``, ``score_instance_files``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knnclip.evaluation.class_matching import lacking_classes, seen_classes
    from knnclip.evaluation.continual import (
        Arrival,
        Step,
        by_class,
        by_data_set,
        check_groups,
        in_steps,
        order_seeds,
        run_continual,
    )
    from knnclip.evaluation.judge import Outcome, add_up, judge_images, mask_source
    from knnclip.evaluation.report.page import write_page
    from knnclip.evaluation.report.protocols import write_continual, write_shots
    from knnclip.evaluation.runs import Evaluation, add_up_folder, evaluate, read_shard, score_images, write_report
    from knnclip.evaluation.shots import ShotScores, read_shots, run_shots
    from knnclip.evaluation.splits import EncodedSplits, Splits, encode_splits
    from knnclip.evaluation.totals import EvaluationResult, Scores
    from knnclip.metrics.score_files import score_instance_files, score_panoptic_files, score_semantic_files

_HOMES = {
    "Arrival": "knnclip.evaluation.continual",
    "EncodedSplits": "knnclip.evaluation.splits",
    "Evaluation": "knnclip.evaluation.runs",
    "EvaluationResult": "knnclip.evaluation.totals",
    "Outcome": "knnclip.evaluation.judge",
    "Scores": "knnclip.evaluation.totals",
    "ShotScores": "knnclip.evaluation.shots",
    "Splits": "knnclip.evaluation.splits",
    "Step": "knnclip.evaluation.continual",
    "add_up": "knnclip.evaluation.judge",
    "add_up_folder": "knnclip.evaluation.runs",
    "by_class": "knnclip.evaluation.continual",
    "by_data_set": "knnclip.evaluation.continual",
    "check_groups": "knnclip.evaluation.continual",
    "encode_splits": "knnclip.evaluation.splits",
    "evaluate": "knnclip.evaluation.runs",
    "in_steps": "knnclip.evaluation.continual",
    "judge_images": "knnclip.evaluation.judge",
    "lacking_classes": "knnclip.evaluation.class_matching",
    "mask_source": "knnclip.evaluation.judge",
    "order_seeds": "knnclip.evaluation.continual",
    "read_shard": "knnclip.evaluation.runs",
    "read_shots": "knnclip.evaluation.shots",
    "run_continual": "knnclip.evaluation.continual",
    "run_shots": "knnclip.evaluation.shots",
    "score_images": "knnclip.evaluation.runs",
    "score_instance_files": "knnclip.metrics.score_files",
    "score_panoptic_files": "knnclip.metrics.score_files",
    "score_semantic_files": "knnclip.metrics.score_files",
    "seen_classes": "knnclip.evaluation.class_matching",
    "write_continual": "knnclip.evaluation.report.protocols",
    "write_page": "knnclip.evaluation.report.page",
    "write_report": "knnclip.evaluation.runs",
    "write_shots": "knnclip.evaluation.report.protocols",
}

__all__ = [
    "Arrival",
    "EncodedSplits",
    "Evaluation",
    "EvaluationResult",
    "Outcome",
    "Scores",
    "ShotScores",
    "Splits",
    "Step",
    "add_up",
    "add_up_folder",
    "by_class",
    "by_data_set",
    "check_groups",
    "encode_splits",
    "evaluate",
    "in_steps",
    "judge_images",
    "lacking_classes",
    "mask_source",
    "order_seeds",
    "read_shard",
    "read_shots",
    "run_continual",
    "run_shots",
    "score_images",
    "score_instance_files",
    "score_panoptic_files",
    "score_semantic_files",
    "seen_classes",
    "write_continual",
    "write_page",
    "write_report",
    "write_shots",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    # Names are imported when first used: whoever wants the classes of an answer does not wait for the charts.
    if name not in _HOMES:
        raise AttributeError(f"module 'knnclip.evaluation' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
