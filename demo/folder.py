"""The acts on a folder of pictures: opening it, going through it, checking its answers, and taking them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast, get_args

from demo import teaching
from demo.acts import act
from demo.folders import folder_of
from demo.session import ProjectState, Session
from demo.teaching import picture_of, project_of
from demo.uploads import errors_naming
from knnclip.errors import ImageError, UsageError
from knnclip.projects import STATES, Order, Project, ProjectInfo, State

TRIES = 20
"""Unreadable pictures that are passed over on the way to the next one; of more the person decides."""

VISIT_S = 5.0
"""How often others are told that somebody is still at a picture; a project takes them for gone after 30 s."""


@act()
def known(session: Session) -> list[ProjectInfo]:
    """The projects beside the session's store, the last used first."""
    return Project.known(session.segmenter.store.path)


@act()
def open_folder(session: Session, name: str, labels: str | None, person: str) -> None:
    """Opens a folder that the app offers, with ``labels`` of a format, or ``auto``; see ``Project.open``."""
    folder, read_only = folder_of(session.options.data_roots, name, labels), session.options.read_only
    _open(session, lambda: Project.open(session.segmenter, folder, labels=labels, read_only=read_only), person)


@act()
def open_known(session: Session, key: str, person: str) -> None:
    """Opens a project again by its ``key_of``; ``UsageError`` for any other."""
    found = next((info for info in known(session) if key_of(info) == key), None)
    if found is None:
        raise UsageError("there is no such project with this store any more; open its folder anew")
    _open(session, lambda: Project.again(session.segmenter, found, read_only=session.options.read_only), person)


@act(writes=True)
def open_files(session: Session, name: str, files: Sequence[tuple[str, Path]], person: str) -> None:
    """Makes a new project of files, each with its name, and zips of them; see ``Project.of_files``."""
    with ExitStack() as naming:
        for given, path in files:
            naming.enter_context(errors_naming(path, given))
        _open(session, lambda: Project.of_files(session.segmenter, name, files), person)


@act()
def close(session: Session) -> None:
    """Leaves the folder; what is known of it stays."""
    session.leave_project()


def key_of(info: ProjectInfo) -> str:
    """By what a page asks for a project of the store."""
    return info.file.parent.name


def _open(session: Session, opened: Callable[[], Project], person: str) -> None:
    taken = session.projects.take(opened)
    session.leave_project()
    session.projects.close_idle()
    session.project = ProjectState(taken, person=person)
    project = taken.project
    last = project.last_visited(person) or project.last_visited()
    if last is not None and last.is_usable:
        try:
            show(session, last.picture_id)
        except ImageError:
            pass
        else:
            return
    go_on(session)


@act()
def show(session: Session, picture_id: int) -> None:
    """Puts a picture under work; ``ImageError`` if it cannot be read."""
    project_of(session).project.ask(picture_id)
    teaching.open_of_project(session, picture_id)
    visit(session)


@act()
def visit(session: Session) -> None:
    """Tells others where this session is, and notes who is there as well."""
    state, picture = session.project, session.teach.picture
    if state.opened is None or picture is None or picture.picture_id is None or session.options.read_only:
        return
    state.others = state.opened.project.visit(picture.picture_id, state.person)
    state.visited_s = time.monotonic()


@act()
def go_on(session: Session) -> bool:
    """Puts the next picture that is not checked under work, in the order that is shown; whether there is one.

    Pictures that cannot be read are passed over.
    """
    project, order = project_of(session).project, session.project.order
    at = None if session.teach.picture is None else session.teach.picture.picture_id
    for _ in range(TRIES):
        following = project.following(at, order)
        if following is None or (session.options.read_only and following.summary is None):
            return False
        try:
            show(session, following.picture_id)
        except ImageError:
            at = following.picture_id  # it says so itself, and is not offered again
        else:
            return True
    raise UsageError(f"{TRIES} pictures that come next cannot be read; choose one in the strip")


@act(writes=True)
def accept(session: Session) -> None:
    """Checks the picture under work: its answer is stored as instances. ``undo`` takes that back."""
    project, picture_id = _of_project(session)
    if project.picture(picture_id).state == "checked":
        return
    project.accept(picture_id)
    session.history.did(
        f"check {Path(project.picture(picture_id).path).name}",
        lambda: project.unaccept(picture_id),
        lambda: project.accept(picture_id),
    )


@act(writes=True)
def reopen(session: Session) -> None:
    """Takes back that the picture under work was checked, and what the store learned by it."""
    project, picture_id = _of_project(session)
    project.unaccept(picture_id)
    session.history.did(
        f"reopen {Path(project.picture(picture_id).path).name}",
        lambda: project.accept(picture_id),
        lambda: project.unaccept(picture_id),
    )
    teaching.relabel(session)


@act(writes=True)
def reject(session: Session, segment_ids: Sequence[int]) -> None:
    """Says of the selected segments, or what was drawn, that they are no object: they are unknown from then on."""
    _of_project(session)
    mask = teaching.marked(session, segment_ids)
    teaching.check_open(session)
    session.history.did("not an object", *teaching.laid(session, mask, None))
    session.teach.drawn = session.teach.point = None
    teaching.relabel(session)


@act(writes=True)
def bind(session: Session, digit: int, class_name: str | None) -> None:
    """Binds a digit key to a class."""
    project_of(session).project.bind(digit, class_name)


@act()
def arrange(session: Session, order: Order, states: Sequence[State], class_name: str | None) -> list[int]:
    """Shows pictures in an order, only those of some states, only those with a class; returns their ids."""
    state = session.project
    state.order, state.states, state.class_name = order, tuple(states), class_name
    return shown(session)


@act()
def shown(session: Session) -> list[int]:
    """The ids of the pictures that are shown, in their order."""
    state = session.project
    found = project_of(session).project.pictures(state.order, states=state.states, class_name=state.class_name)
    return [picture.picture_id for picture in found]


@act()
def apply(session: Session) -> None:
    """Has the background answer every picture by the store as it is now."""
    project_of(session).start()


@act(holds="nothing")
def stop(session: Session) -> None:
    """Ends that after the picture under work; the others keep the answers that they have."""
    project_of(session).project.stop()


def checked_order(name: object) -> Order:
    """An order by its name; ``UsageError`` for one that there is not."""
    for order in get_args(Order):
        if order == name:
            return cast(Order, order)
    raise UsageError(f"there is no order {name!r}; expected one of {', '.join(get_args(Order))}")


def checked_states(names: Sequence[object]) -> tuple[State, ...]:
    """States by their names; ``UsageError`` for one that there is not."""
    if unknown := [name for name in names if name not in STATES]:
        raise UsageError(f"there is no state {unknown[0]!r}; expected some of {', '.join(STATES)}")
    return tuple(state for state in STATES if state in names)


def _of_project(session: Session) -> tuple[Project, int]:
    """The project that is open and its picture under work; ``UsageError`` if there is none."""
    picture_id = picture_of(session).picture_id
    if picture_id is None:
        raise UsageError("the picture under work is not one of the folder; choose one in the strip")
    return project_of(session).project, picture_id
