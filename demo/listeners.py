"""From acts on a session to what Gradio calls: a request in, and an answer or a message that people can read out."""

from __future__ import annotations

import functools
import html
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from gradio.utils import get_upload_folder

from demo.acts import Act
from demo.arguments import check_arguments
from demo.session import Options
from demo.sessions import Sessions
from knnclip.service.refusals import message_of as told


class Listeners:
    """Finds the session of a request and turns what goes wrong into a message."""

    def __init__(self, sessions: Sessions) -> None:
        """For the sessions of one app."""
        self._sessions = sessions
        self.options = sessions.options

    def for_page(self, act: Act[..., Any]) -> Callable[..., Any]:
        """The listener of a component; what goes wrong is a message in the page."""

        def fail(message: str) -> NoReturn:
            # The page takes messages for HTML, and they quote names that anybody may have chosen.
            raise gr.Error(html.escape(message), print_exception=False)

        return self.listener(act, fail)

    def for_client(self, act: Act[..., Any]) -> Callable[..., Any]:
        """An endpoint of the API; what goes wrong is an error with its text."""

        def fail(message: str) -> NoReturn:
            raise gr.Error(message, print_exception=False)

        return self.listener(act, fail)

    def listener(self, act: Act[..., Any], failed: Callable[[str], object]) -> Callable[..., Any]:
        """``act`` with a request in place of its session; ``failed`` makes the answer of what went wrong, or raises.

        Gradio fills in arguments by their types, so the listener has the act's signature, the request's type first.
        What a client sent is checked against the same types before the act sees it.
        """
        signature = inspect.signature(act, eval_str=True)
        request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
        parameters = [request, *list(signature.parameters.values())[1:]]

        @functools.wraps(act)
        def listen(request: gr.Request, *args: Any) -> Any:  # noqa: ANN401 - whatever the act takes and gives
            try:
                check_arguments(act, args)
                session = self._sessions.of(request.session_hash)
                answer = act(session, *args)
                session.keep_up()  # now, so that it takes no time from the answer
                return answer
            except Exception as error:  # nothing may reach the page but a message
                return failed(message_of(error, self.options))

        listen.__dict__["__signature__"] = signature.replace(parameters=parameters)
        listen.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return listen


def message_of(error: Exception, options: Options | None = None) -> str:
    """What people are told of an error, without where the server keeps things, as far as ``options`` tell."""
    kept = () if options is None else (options.store, *options.data_roots)
    return told(error, [Path(get_upload_folder()), *kept])
