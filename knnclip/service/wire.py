"""What is sent and answered, as types: the routes check requests by them, and the OpenAPI page shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from knnclip.fields import is_text
from knnclip.vocabulary import MAX_NAME_LENGTH

MOST_NAMES = 1000
"""Classes, synonyms or instances in one request: more than a person chooses, few enough for one transaction."""

LONGEST_TEXT = 10_000
"""Characters of a reason, or of what a picture is called."""

LARGEST_ID = 2**63 - 1
"""What SQLite takes."""


def _as_text(text: str) -> str:
    if not is_text(text):
        raise ValueError("expected text without NUL and halves of characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(_as_text)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_as_text)]
Ident = Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True)]
Pixel = Annotated[int, Field(ge=-(2**24), le=2**24, strict=True)]
Coordinate = Annotated[float, Field(ge=-(2**24), le=2**24, allow_inf_nan=False)]
Box = tuple[Pixel, Pixel, Pixel, Pixel]


class Strict(BaseModel):
    """Keys that mean nothing are errors: a mistyped one would be ignored in silence."""

    model_config = ConfigDict(extra="forbid")


class RunLengths(Strict):
    """COCO's run lengths of a whole picture, column by column, false pixels first."""

    size: tuple[Annotated[int, Field(ge=1, strict=True)], Annotated[int, Field(ge=1, strict=True)]] = Field(
        description="Height and width of the picture in pixels."
    )
    counts: str | list[Annotated[int, Field(ge=0, strict=True)]] = Field(description="Compressed, or as plain numbers.")


class MaskJson(Strict):
    """A mask in pixels of the picture: either its run lengths, or polygons, whose union it is."""

    rle: RunLengths | None = None
    polygons: list[Annotated[list[list[Coordinate]], Field(min_length=1)]] | None = Field(
        None, description="Each a list of rings x, y, x, y, ...: its border, then those of its holes."
    )


class Teaching(Strict):
    """A mask of a picture that is of a class, new or known: exactly one of ``mask`` and ``box_xyxy``."""

    picture_id: str = Field(max_length=64, description="As /v1/segment answered it.")
    name: Name = Field(description="Of the class; a synonym means the class that has it.")
    mask: MaskJson | None = None
    box_xyxy: Box | None = Field(None, description="Drawn around the object, which is then found in it; half-open.")


class NewClass(Strict):
    """A class without instances."""

    name: Name
    kind: Literal["thing", "stuff"] = Field("thing", description="Countable objects, or amorphous regions.")
    synonyms: list[Name] = Field([], max_length=MOST_NAMES)


class Renaming(Strict):
    """A class and what it shall be called."""

    name: Name
    new_name: Name


class Merging(Strict):
    """Classes that become part of another."""

    names: list[Name] = Field(min_length=1, max_length=MOST_NAMES)
    into: Name


class Forgetting(Strict):
    """What is removed for good: exactly one of a class, a source, and instances."""

    name: Name | None = None
    source_id: Ident | None = None
    instance_ids: list[Ident] | None = Field(None, min_length=1, max_length=MOST_NAMES)
    reason: Text = Field("", description="Kept in the store's event log.")


class Problem(BaseModel):
    """Why a request was not answered (RFC 9457)."""

    type: Literal["about:blank"]
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="One sentence: what is wrong, and what to do.")


class Health(BaseModel):
    """That the server lives."""

    status: Literal["UP"]


class Info(BaseModel):
    """What is answered from, and what is taken."""

    version: str
    preset: str
    generation: int = Field(description="How many write transactions the store has had.")
    classes: int
    instances: int
    read_only: str | None = Field(description="Why nothing may be written; null where it may.")
    picture_bytes: int
    picture_px: int
    json_bytes: int
    requests_per_minute: float


class Score(BaseModel):
    """The probabilities of one class for one segment."""

    class_: str = Field(alias="class")
    base: float | None
    retrieval: float
    discriminant: float | None
    final: float


class EvidenceJson(BaseModel):
    """A stored instance behind a decision."""

    instance_id: int
    similarity: float
    class_: str = Field(alias="class")
    image: str
    box_xyxy: list[int]
    source_id: int


class SegmentJson(BaseModel):
    """A connected piece of the answer."""

    segment_id: int = Field(description="Means something within one answer.")
    class_: str | None = Field(alias="class", description="null if nothing can name it.")
    is_thing: bool
    decision: Literal["base", "retrieval", "unknown"]
    confidence: float
    area_px: int
    box_xyxy: list[int] = Field(description="x0, y0, x1, y1 in whole pixels, half-open.")
    mask: MaskJson | None
    scores: list[Score] | None = Field(None, description="Only where asked for by explained=true.")
    evidence: list[EvidenceJson] | None = None


class Answer(BaseModel):
    """What is where in a picture."""

    picture_id: str = Field(description="To teach the picture, or to ask again; kept for a while.")
    width_px: int
    height_px: int
    generation: int = Field(description="Of the store that the answer is of.")
    segments: list[SegmentJson]


class Taught(BaseModel):
    """What undoes a teaching: /v1/undo, or /v1/forget with this source."""

    source_id: int


class ClassJson(BaseModel):
    """A class and what the store holds of it."""

    class_id: int
    name: str
    kind: Literal["thing", "stuff"]
    color: list[int] = Field(description="Red, green, blue.")
    synonyms: list[str]
    instances: int
    images: int


class SourceJson(BaseModel):
    """One act of adding: an ingest, a teaching or an import."""

    source_id: int
    kind: Literal["ingest", "teach", "import"]
    description: str
    created: str
    instances: int


class Count(BaseModel):
    """How many instances an act was about."""

    instances: int


class Done(BaseModel):
    """What was taken back, or done again."""

    act: str
