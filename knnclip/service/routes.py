"""The acts as routes under ``/v1``: plain JSON over HTTP, described by OpenAPI at ``/v1/docs``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from knnclip.errors import UsageError
from knnclip.output.segment_json import segment_json
from knnclip.service import wire
from knnclip.service.engine import Engine
from knnclip.service.masks import MaskForm, mask_json, mask_of_polygons, mask_of_rle
from knnclip.service.pictures import KeptPicture
from knnclip.service.requests import address_of
from knnclip.structures import Box, Mask
from knnclip.vocabulary import ClassInfo

Json = dict[str, Any]

PICTURE_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A picture file as it is: JPEG, PNG, TIFF, WebP and others.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Masks = Annotated[MaskForm, Query(description="How masks are written; none leaves them out.")]
Explained = Annotated[bool, Query(description="With the probabilities and the stored instances behind each segment.")]
PictureName = Annotated[wire.Text, Query(description="What the store shall call the picture if it is taught.")]


def router(engine: Engine) -> APIRouter:
    """The routes of one engine."""
    routes = APIRouter(prefix="/v1", responses={"4XX": {"model": wire.Problem}, "5XX": {"model": wire.Problem}})

    @routes.get("/health", response_model=wire.Health)
    def health() -> Json:
        """That the server lives; asked without a token."""
        return {"status": "UP"}

    @routes.get("", response_model=wire.Info)
    def info() -> Json:
        """The store in numbers, and the limits."""
        store, limits = engine.segmenter.store, engine.limits
        return {
            "version": version("knnclip"),
            "preset": engine.segmenter.preset.name,
            "generation": store.generation,
            "classes": len(store.vocabulary()),
            "instances": len(store),
            "read_only": engine.read_only,
            "picture_bytes": limits.picture_bytes,
            "picture_px": limits.picture_px,
            "json_bytes": limits.json_bytes,
            "requests_per_minute": limits.per_minute,
        }

    @routes.post("/segment", responses={200: {"model": wire.Answer}}, openapi_extra=dict(PICTURE_BODY))
    async def segment(
        request: Request, masks: Masks = "rle", explained: Explained = False, name: PictureName = ""
    ) -> Response:
        """A picture in, its segments out; nothing else is needed, and nothing is stored."""
        from starlette.concurrency import run_in_threadpool

        content = await request.body()
        return await run_in_threadpool(lambda: _answer(engine, engine.take(content, name), masks, explained))

    @routes.get("/segment/{picture_id}", responses={200: {"model": wire.Answer}})
    def segment_again(picture_id: str, masks: Masks = "rle", explained: Explained = False) -> Response:
        """The segments of a picture that was sent a while ago, by the store as it is now; nothing is encoded again."""
        return _answer(engine, engine.pictures.get(picture_id), masks, explained)

    @routes.post("/teach", response_model=wire.Taught, status_code=HTTPStatus.CREATED)
    def teach(request: Request, sent: wire.Teaching) -> Json:
        """Stores a mask as an instance of a class; what the store knew of this place of this picture gives way."""
        picture = engine.pictures.get(sent.picture_id)
        mask = _mask(sent, picture.analysis.proposals.shape)
        return {"source_id": engine.teach(picture, mask, sent.name, address_of(request))}

    @routes.post("/undo", response_model=wire.Done)
    def undo(request: Request) -> Json:
        """Takes back what was taught last from the same address."""
        return {"act": engine.undo(address_of(request))}

    @routes.post("/redo", response_model=wire.Done)
    def redo(request: Request) -> Json:
        """Does again what was taken back last from the same address."""
        return {"act": engine.redo(address_of(request))}

    @routes.post("/forget", response_model=wire.Count)
    def forget(sent: wire.Forgetting) -> Json:
        """Removes a class, a source or instances for good. It cannot be undone."""
        if sent.name is not None and sent.source_id is None and sent.instance_ids is None:
            return {"instances": engine.forget_class(sent.name, sent.reason)}
        if sent.source_id is not None and sent.name is None and sent.instance_ids is None:
            return {"instances": engine.forget_source(sent.source_id, sent.reason)}
        if sent.instance_ids is not None and sent.name is None and sent.source_id is None:
            return {"instances": engine.forget_instances(sent.instance_ids, sent.reason)}
        raise UsageError("forget takes exactly one of name, source_id and instance_ids")

    @routes.get("/classes", response_model=list[wire.ClassJson])
    def classes() -> list[Json]:
        """The classes with what the store holds of each, in the order of their names."""
        with engine.segmenter.store.view() as view:
            vocabulary, census = view.vocabulary, view.census
        counts = zip(census.instances.tolist(), census.images.tolist(), strict=True)
        return [_class_json(one, *held) for one, held in zip(vocabulary, counts, strict=True)]

    @routes.post("/classes", response_model=wire.ClassJson, status_code=HTTPStatus.CREATED)
    def add_class(sent: wire.NewClass) -> Json:
        """Makes a class without instances."""
        return _class_json(engine.add_class(sent.name, sent.kind == "thing", sent.synonyms), 0, 0)

    @routes.post("/classes/rename", status_code=HTTPStatus.NO_CONTENT)
    def rename(sent: wire.Renaming) -> None:
        """Gives a class another name; its old one stays a synonym."""
        engine.rename(sent.name, sent.new_name)

    @routes.post("/classes/merge", response_model=wire.Count)
    def merge(sent: wire.Merging) -> Json:
        """Makes classes part of another, their names its synonyms. It cannot be undone."""
        return {"instances": engine.merge(sent.names, sent.into)}

    @routes.get("/sources", response_model=list[wire.SourceJson])
    def sources() -> list[Json]:
        """The acts of adding, by rising id."""
        keys = ("source_id", "kind", "description", "created", "instances")
        return [{key: getattr(source, key) for key in keys} for source in engine.sources()]

    @routes.get("/store", response_class=FileResponse)
    def store() -> Response:
        """The whole store as one file, which ``knnclip store import`` reads."""
        folder = tempfile.TemporaryDirectory(prefix="knnclip-")
        name = f"{engine.segmenter.store.path.name}.knnclip"
        try:
            engine.export(Path(folder.name) / name)
        except BaseException:
            folder.cleanup()
            raise
        sent = Path(folder.name) / name
        return FileResponse(sent, filename=name, background=BackgroundTask(folder.cleanup))

    return routes


def _answer(engine: Engine, picture: KeptPicture, masks: MaskForm, explained: bool) -> Response:
    generation, answer = engine.answer(picture)
    segments = [
        {**segment_json(segment, explained=explained), "mask": mask_json(segment.mask, masks)}
        for segment in answer.segments
    ]
    height, width = answer.shape
    return JSONResponse(
        {
            "picture_id": picture.picture_id,
            "width_px": width,
            "height_px": height,
            "generation": generation,
            "segments": segments,
        }
    )


def _mask(sent: wire.Teaching, shape: tuple[int, int]) -> Mask | Box:
    given = sent.mask
    if (given is None) == (sent.box_xyxy is None):
        raise UsageError("a teaching has exactly one of mask and box_xyxy")
    if given is None:
        assert sent.box_xyxy is not None, "one of them is there"
        return sent.box_xyxy
    if (given.rle is None) == (given.polygons is None):
        raise UsageError("a mask has exactly one of rle and polygons")
    if given.rle is not None:
        return mask_of_rle(given.rle.model_dump(), shape)
    assert given.polygons is not None, "one of them is there"
    return mask_of_polygons(given.polygons, shape)


def _class_json(info: ClassInfo, instances: int, images: int) -> Json:
    kind: Literal["thing", "stuff"] = "thing" if info.is_thing else "stuff"
    return {
        "class_id": info.class_id,
        "name": info.name,
        "kind": kind,
        "color": list(info.color),
        "synonyms": list(info.synonyms),
        "instances": instances,
        "images": images,
    }
