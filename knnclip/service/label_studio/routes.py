"""Label Studio's protocol for machine learning back ends: health, setup, predict, and the webhook that teaches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Body
from pydantic import BaseModel

from knnclip.errors import InputError
from knnclip.fields import Fields
from knnclip.service.engine import Engine
from knnclip.service.label_studio.config import LabelConfig, read_config
from knnclip.service.label_studio.images import TaskImages
from knnclip.service.label_studio.learning import AnnotationKey, forget, known, learn
from knnclip.service.label_studio.results import predicted
from knnclip.service.pictures import KeptPicture
from knnclip.service.refusals import message_of

Json = dict[str, Any]

MOST_TASKS = 100
"""Of one request: Label Studio sends as many as a page shows, or some tens of a batch, and waits 100 s for them."""

NAME_CHARACTERS = 100
"""Of a picture's address that are kept as its name."""


class Up(BaseModel):
    """That the back end lives."""

    status: Literal["UP"]
    model_class: str


class SetUp(BaseModel):
    """Which state of the store predictions are of."""

    model_version: str


class Predictions(BaseModel):
    """For each task, in the same order, a prediction, or an empty list where there is none."""

    results: list[dict[str, Any] | list[Any]]
    model_version: str


class Learnt(BaseModel):
    """What a webhook has changed."""

    status: Literal["learnt", "forgotten", "ignored"]
    regions: int = 0
    instances: int = 0


def router(engine: Engine, images: TaskImages) -> APIRouter:
    """The routes of one engine; ``images`` reads the pictures of tasks."""
    routes = APIRouter(tags=["Label Studio"])

    @routes.get("/health", response_model=Up)
    def health() -> Json:
        """That the back end lives; asked without a token."""
        return {"status": "UP", "model_class": "knnclip"}

    @routes.post("/setup", response_model=SetUp)
    def setup() -> Json:
        """Which state of the store predictions are of; the address and the token that are sent are not used."""
        return {"model_version": _version(engine)}

    @routes.post("/predict", response_model=Predictions)
    def predict(sent: Json = Body()) -> Json:  # noqa: B008 - FastAPI's way
        """The segments of each task's picture that have a label of the project, as brushes or polygons."""
        fields = Fields.of(sent, "predict")
        config, tasks = read_config(fields.text("label_config")), fields.items("tasks")
        if len(tasks) > MOST_TASKS:
            raise InputError(f"predict: expected at most {MOST_TASKS} tasks, found {len(tasks)}; ask for less at once")
        results = [_prediction(engine, images, config, task, alone=len(tasks) == 1) for task in tasks]
        return {"results": results, "model_version": _version(engine)}

    @routes.post("/webhook", response_model=Learnt, status_code=HTTPStatus.CREATED)
    def webhook(sent: Json = Body()) -> Json:  # noqa: B008
        """Teaches what an annotation holds when it is made or changed, and forgets it when it is deleted.

        To train is to do so for all annotations of a project, which are asked of Label Studio.
        """
        fields = Fields.of(sent, "webhook")
        action = fields.text("action")
        if action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
            return _learnt(engine, images, _Told.by(fields))
        if action == "ANNOTATIONS_CREATED":
            return {
                "status": "learnt",
                "regions": sum(_learnt(engine, images, told)["regions"] for told in _all(fields)),
            }
        if action == "ANNOTATIONS_DELETED":
            gone = _idents(fields, "annotations")
            return _forgotten(engine, fields, lambda key: key.annotation in gone)
        if action == "TASKS_DELETED":
            gone = _idents(fields, "tasks")
            return _forgotten(engine, fields, lambda key: key.task in gone)
        if action == "START_TRAINING":
            return _trained(engine, images, fields.fields("project"))
        return {"status": "ignored"}

    return routes


@dataclass(frozen=True, eq=False)
class _Told:
    """An annotation as Label Studio tells of it, with the task and the project that it is of."""

    project: Fields
    task: Fields
    annotation: Fields

    @classmethod
    def by(cls, webhook: Fields) -> _Told:
        return cls(webhook.fields("project"), webhook.fields("task"), webhook.fields("annotation"))

    @property
    def key(self) -> AnnotationKey:
        return AnnotationKey.of(self.project.ident("id"), self.task.ident("id"), self.annotation.ident("id"))


def _all(webhook: Fields) -> Iterator[_Told]:
    """The annotations of a webhook that tells of several at once, each with its task."""
    tasks = [Fields.of(item, "task") for item in webhook.items("task")]
    by_id = {str(task.ident("id")): task for task in tasks}
    for place, item in enumerate(webhook.items("annotation")):
        annotation = Fields.of(item, f"annotation[{place}]")
        task = by_id.get(str(annotation.ident("task")))
        if task is None:
            raise InputError(f"{annotation.where}: its task is not sent with it")
        yield _Told(webhook.fields("project"), task, annotation)


def _learnt(engine: Engine, images: TaskImages, told: _Told) -> Json:
    if told.annotation.flag("was_cancelled"):  # a skipped task: what is drawn in it is no answer
        return {"status": "forgotten", "regions": 0, "instances": forget(engine, told.key, "the task was skipped")}
    with engine.writing():  # before anything is fetched for nothing
        pass
    picture = _picture(engine, images, read_config(told.project.text("label_config")), told.task)
    return {"status": "learnt", "regions": learn(engine, told.key, picture, told.annotation.items("result"))}


def _trained(engine: Engine, images: TaskImages, project: Fields) -> Json:
    """Learns all annotations that a project has, and forgets those that it has not any more."""
    number = project.whole("id", 1)
    exported = images.exported(number)
    regions, there = 0, set()
    for place, item in enumerate(exported):
        task = Fields.of(item, f"export[{place}]")
        for annotation in task.items("annotations"):
            told = _Told(project, task, Fields.of(annotation, f"export[{place}].annotations"))
            there.add(told.key)
            regions += _learnt(engine, images, told)["regions"]
    gone = [key for key in known(engine, str(number)) if key not in there]
    return {
        "status": "learnt",
        "regions": regions,
        "instances": sum(forget(engine, key, "the annotation was deleted") for key in gone),
    }


def _forgotten(engine: Engine, fields: Fields, is_gone: Callable[[AnnotationKey], bool]) -> Json:
    gone = [key for key in known(engine, str(fields.fields("project").ident("id"))) if is_gone(key)]
    return {
        "status": "forgotten",
        "instances": sum(forget(engine, key, "the annotation was deleted") for key in gone),
    }


def _idents(fields: Fields, key: str) -> set[str]:
    return {str(Fields.of(item, f"{key}[{place}]").ident("id")) for place, item in enumerate(fields.items(key))}


def _prediction(engine: Engine, images: TaskImages, config: LabelConfig, task: object, *, alone: bool) -> Any:  # noqa: ANN401 - an object or an empty list
    """The prediction of a task. Where one of several cannot be answered it has none, and the log says why."""
    try:
        picture = _picture(engine, images, config, Fields.of(task, "task"))
        generation, answer = engine.answer(picture)
    except InputError as error:
        if alone:
            raise
        logging.getLogger(__name__).warning("no prediction: %s", message_of(error, engine.folders))
        return []
    return {**predicted(answer, config), "model_version": _version_of(generation)}


def _picture(engine: Engine, images: TaskImages, config: LabelConfig, task: Fields) -> KeptPicture:
    address = task.fields("data").content.get(config.data_key)
    name = "" if str(address).startswith("data:") else unquote(str(address).partition("?")[0].rpartition("/")[2])
    return engine.take(images.read(address), name[-NAME_CHARACTERS:])


def _version(engine: Engine) -> str:
    return _version_of(engine.segmenter.store.generation)


def _version_of(generation: int) -> str:
    """Grows with the store: Label Studio asks anew for tasks whose predictions are of another version."""
    return f"knnclip-{generation}"
