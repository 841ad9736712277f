"""Gradio's blocks, with every call checked before Gradio looks at it, and every failure told in one line."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from demo.arguments import check_arguments, check_count
from demo.clients import client_of
from demo.listeners import message_of
from demo.uploads import Uploads, named_paths
from knnclip.errors import UsageError


class CheckedBlocks(gr.Blocks):
    """A page whose calls open only what their own client has uploaded.

    Gradio fetches addresses and looks up files as soon as it prepares the arguments of a call, whatever function is
    called; this is the last place before.
    """

    def __init__(self, uploads: Uploads, **settings: Any) -> None:  # noqa: ANN401 - Gradio's
        """``settings`` as ``gr.Blocks`` takes them."""
        super().__init__(**settings)
        self._uploads = uploads

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **context: Any) -> dict[str, Any]:  # noqa: ANN401
        """As Gradio's, which every call of a client comes to; what goes wrong is a ``gr.Error`` of one line."""
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        assert function.fn is not None, "whatever is done is done in Python"
        try:
            check_count(function.fn, inputs, len(function.inputs))
            self._claim_files(inputs, getattr(context.get("event_data"), "_data", None), context.get("request"))
            if not function.preprocess:  # an endpoint: what is sent is what the act takes
                check_arguments(function.fn, inputs)
            result: dict[str, Any] = await super().process_api(block_fn, inputs, *args, **context)
            return result
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            public = function.api_visibility == "public"
            text = message_of(error)
            raise gr.Error(text if public else html.escape(text), print_exception=False) from None

    async def preprocess_data(self, *args: Any, **context: Any) -> Any:  # noqa: ANN401
        """As Gradio's; what it cannot take is told of as such, not as a failure of the server."""
        try:
            return await super().preprocess_data(*args, **context)
        except Exception:
            raise UsageError("what was sent is not what this takes; choose it again, or load the page again") from None

    def _claim_files(self, inputs: object, event: object, request: Any) -> None:  # noqa: ANN401
        # What else an event says (the picture of a gallery that was clicked, say) nobody opens.
        sent = [event.get("files")] if isinstance(event, dict) else []
        sent += [{"path": event["path"]}] if isinstance(event, dict) and "path" in event else []
        for path in (*named_paths(inputs), *named_paths(sent)):
            self._uploads.claim(path, client_of(request.request), request.session_hash)
