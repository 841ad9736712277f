"""What the filmstrip of the page asks for; as in ``canvas``, all that comes in is checked here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from demo import canvas, exporting, folder, payload, teaching
from demo.acts import Act, act
from demo.folder import key_of
from demo.folders import picture_folders
from demo.payload import Json
from demo.session import Session
from demo.teaching import project_of
from demo.uploads import uploaded
from knnclip.datasets import FORMATS
from knnclip.errors import UsageError
from knnclip.files import path_text
from knnclip.output.exports import EXPORTS
from knnclip.projects import STATES, State
from knnclip.vocabulary import check_name

LONGEST_PERSON = 60
"""Characters of a person's name: a line that others read."""


WHICH: Mapping[str, tuple[State, ...]] = {"checked": ("checked",), "all": STATES, "sure": STATES}
"""What is exported: pictures that are checked, all with an answer, or those of which every segment is sure enough."""


@act()
def ask(session: Session, data: Json) -> Json:
    """One of the acts below, by its name."""
    do = ASKED.get(str(data.get("do")))
    if do is None:
        raise UsageError("the page asked for something that the folder does not know; load the page again")
    return do(session, data)


@act()
def offers(session: Session, _: Json) -> Json:
    """What may be opened."""
    return {
        "kind": "offers",
        "folders": list(picture_folders(session.options.data_roots)),
        "known": [
            {"key": key_of(info), "name": info.name, "used": info.used.replace("T", " ").removesuffix("Z")}
            for info in folder.known(session)
        ],
        "formats": [card.name for card in FORMATS],
        "exports": [{"name": card.name, "keeps": card.keeps} for card in EXPORTS],
    }


@act()
def open_project(session: Session, data: Json) -> Json:
    """Opens a folder on the server, or a project that is known already."""
    person = _person(data)
    if "key" in data:
        folder.open_known(session, _text(data, "key"), person)
    else:
        labels = data.get("labels")
        if labels is not None and labels != "auto" and labels not in {card.name for card in FORMATS}:
            raise UsageError("there is no such format of labels; choose one of those offered")
        folder.open_folder(session, _text(data, "folder"), labels, person)
    return _opened(session)


@act(writes=True)
def open_files(session: Session, data: Json) -> Json:
    """Makes a project of files that the page has uploaded."""
    files = data.get("files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise UsageError("the page sent no list of files; choose them again")
    named = [(_file_name(file), uploaded(file.get("path"))) for file in files]
    folder.open_files(session, check_name(_text(data, "name")), named, _person(data))
    return _opened(session)


@act()
def close(session: Session, _: Json) -> Json:
    """Leaves the folder."""
    folder.close(session)
    return {"kind": "note", "text": "left the folder; it is as it was when it is opened again"}


@act()
def show(session: Session, data: Json) -> Json:
    """Puts a picture of the strip under work."""
    folder.show(session, _whole(data, "picture"))
    return _under_work(session, "")


@act()
def go_on(session: Session, _: Json) -> Json:
    """Goes on without checking the picture under work."""
    return _gone_on(session, "")


@act(writes=True)
def accept(session: Session, data: Json) -> Json:
    """Checks the picture under work and goes on to the next one, if the page shows the answer that would be stored."""
    _check_meant(session, data)
    if not teaching.is_current(session) or data.get("version") != teaching.picture_of(session).version:
        return canvas.relabel(session) | {"text": "the store has changed: look at the answer now, then accept it"}
    name = _name_under_work(session)
    folder.accept(session)
    return _gone_on(session, f"checked {name}; ")


@act(writes=True)
def reopen(session: Session, data: Json) -> Json:
    """Takes back that the picture under work was checked."""
    _check_meant(session, data)
    folder.reopen(session)
    return payload.answer(session, with_picture=False) | {"text": f"{_name_under_work(session)} is open again"}


@act(writes=True)
def reject(session: Session, data: Json) -> Json:
    """Says that what is marked is no object."""
    folder.reject(session, canvas.taken_up(session, data))
    return payload.answer(session, with_picture=False) | {"text": "not an object: it has no name now"}


@act(writes=True)
def bind(session: Session, data: Json) -> Json:
    """Binds a digit key to a class."""
    digit, name = _whole(data, "digit"), _text(data, "class")
    folder.bind(session, digit, name)
    return {"kind": "note", "text": f"{digit} is {name} now"}


@act()
def arrange(session: Session, data: Json) -> Json:
    """Sorts and filters the strip."""
    states, name = data.get("states"), data.get("class")
    if not isinstance(states, list) or not (name is None or isinstance(name, str)):
        raise UsageError("the page sent no filter; choose it again")
    order = folder.arrange(session, folder.checked_order(data.get("order")), folder.checked_states(states), name)
    return {"kind": "note", "text": f"{len(order):,} pictures are shown", "order": order}


@act()
def apply(session: Session, _: Json) -> Json:
    """Answers all pictures by the store as it is now."""
    folder.apply(session)
    return {"kind": "note", "text": "answering every picture by the store as it is now"}


@act(holds="nothing")
def stop(session: Session, _: Json) -> Json:
    """Stops that."""
    folder.stop(session)
    return {"kind": "note", "text": "stopped; pictures that were not reached keep their answers"}


@act()
def export(session: Session, data: Json) -> Json:
    """Begins an export of the folder; the page is told when there is something to download."""
    formats, which = data.get("formats"), data.get("which")
    if not isinstance(formats, list) or not isinstance(which, str) or which not in WHICH:
        raise UsageError("the page did not say what to export; choose it again")
    least = canvas.number(data.get("least")) if which == "sure" else 0.0
    wanted = exporting.Wanted(tuple(str(name) for name in formats), WHICH[which], least)
    exporting.start(session, wanted)
    return {"kind": "note", "text": "writing the export"}


@act()
def everything(session: Session, _: Json) -> Json:
    """All pictures anew, for a page that has missed something."""
    session.project.told = 0
    return {"kind": "note", "order": folder.shown(session)}


ASKED: Mapping[str, Act[[Json], Json]] = {
    "offers": offers, "open": open_project, "files": open_files, "close": close, "show": show, "next": go_on,
    "accept": accept, "reopen": reopen, "reject": reject, "bind": bind, "arrange": arrange, "apply": apply,
    "stop": stop, "export": export, "everything": everything,
}  # fmt: skip


def _opened(session: Session) -> Json:
    project = project_of(session).project
    count = project.standing.pictures
    return _under_work(session, f"opened {project.name}: {count:,} pictures; ")


def _gone_on(session: Session, before: str) -> Json:
    if folder.go_on(session):
        return _under_work(session, before)
    if session.teach.picture is None:
        return {"kind": "note", "text": f"{before}no picture is left", "order": folder.shown(session)}
    message = payload.answer(session, with_picture=False)
    return message | {"text": f"{before}every picture is checked", "order": folder.shown(session)}


def _under_work(session: Session, before: str) -> Json:
    """The picture under work, and the strip as it is now."""
    if session.teach.picture is None:
        return {"kind": "note", "text": f"{before}no picture is left", "order": folder.shown(session)}
    message = payload.answer(session, with_picture=True)
    others = ", ".join(session.project.others)
    here = f"; {others} is here as well" if others else ""
    return message | {"text": f"{before}{_name_under_work(session)}{here}", "order": folder.shown(session)}


def _name_under_work(session: Session) -> str:
    picture_id = teaching.picture_of(session).picture_id
    if picture_id is None:
        return "the picture"
    return path_text(Path(project_of(session).project.picture(picture_id).path).name)


def _check_meant(session: Session, data: Json) -> None:
    if data.get("picture") != teaching.picture_of(session).picture_id:
        raise UsageError("another picture is under work by now; look at it first")


def _file_name(file: Json) -> str:
    name = Path(_text(file, "name")).name
    if "\0" in name:
        raise UsageError("a file's name has a character that no system takes; rename it")
    return name or "picture"


def _person(data: Json) -> str:
    name = data.get("person")
    if not isinstance(name, str) or len(name) > LONGEST_PERSON:
        raise UsageError(f"your name has at most {LONGEST_PERSON} characters; others see it beside the picture")
    return check_name(name)


def _text(data: Json, key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise UsageError(f"expected {key} as text from the page, found {value!r}; load the page again")
    return value


def _whole(data: Json, key: str) -> int:
    value = data.get(key)
    if type(value) is not int or abs(value) >= 2**63:
        raise UsageError(f"expected {key} as a whole number from the page, found {value!r}; load the page again")
    return value
