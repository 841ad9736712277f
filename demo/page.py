"""The page as a whole: a tab each for teaching, the vocabulary, ingesting and evaluating, and the endpoints."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Route

from demo import api, evaluate, ingest, teach, vocabulary
from demo.checked_blocks import CheckedBlocks
from demo.gate import Gate
from demo.listeners import Listeners
from demo.modules import serve_module
from demo.session import READ_ONLY, Options
from demo.sessions import MAX_SESSIONS, Sessions
from demo.uploads import MAX_UPLOAD_BYTES
from knnclip.service.app import build as build_service
from knnclip.service.attempts import Attempts
from knnclip.service.engine import Engine
from knnclip.service.hosts import Hosts
from knnclip.service.limits import Limits

CACHE_S = 6 * 3600
"""Uploads and pictures that were shown are deleted after this, and when the app ends: longer than people leave a page
open and come back to it, and short enough that a server that runs for weeks does not fill its disk.
"""

# As wide as a picture that is worked on may be; names break anywhere rather than push the page wider. Errors are
# told in one box at the lower edge: Gradio's stands over the tabs, and its mark over all that an act would change.
CSS = """
.gradio-container, .gradio-container > main { width: 100%; max-width: 2200px !important; margin: 0 auto !important; }
div.app { padding: 12px clamp(8px, 2.5vw, 32px) !important; }
#title .prose { display: flex; flex-wrap: wrap; gap: 0 16px; align-items: baseline; }
#title h1, #title p { margin: 0 !important; }
@media (max-width: 860px) { .html-container { padding-left: 0 !important; padding-right: 0 !important; } }
#examples .grid-container { grid: 60px / auto-flow 84px !important; gap: 6px; padding: 0; overflow-x: auto; }
#examples .thumbnail-item { height: 60px; aspect-ratio: auto; }
#examples .grid-wrap { padding: 4px 0 0; }
#examples { border-width: 0 !important; }
.gradio-container:has(.wb-with-folder) #examples { display: none; }
.caption-label, .caption { white-space: normal !important; overflow-wrap: anywhere; }
.toast-wrap { top: auto !important; bottom: 12px; max-height: 40vh; overflow-y: auto; }
button.stop:not(:disabled) { background: #b3261e !important; color: white !important; }
#classes .thumbnail-item, #instances .thumbnail-item {
  display: flex; flex-direction: column; aspect-ratio: auto; height: auto; }
#classes .thumbnail-item img, #instances .thumbnail-item img { aspect-ratio: 1; height: auto; }
#classes .caption-label, #instances .caption-label { position: static; max-width: 100%; width: 100%; border-radius: 0; }
[data-testid="status-tracker"]:has(> .error) { display: none !important; }
"""


def build(sessions: Sessions) -> gr.Blocks:
    """The app, ready to be launched."""
    listeners = Listeners(sessions)
    settings = {"title": "knnclip", "analytics_enabled": False, "delete_cache": (CACHE_S, CACHE_S)}
    with CheckedBlocks(sessions.uploads, **settings) as page:
        api.build(listeners)  # first: Gradio names the listeners of the page after their functions, too
        gr.HTML("<h1>knnclip</h1><p>Click a region, name it, and every picture knows it.</p>", elem_id="title")
        with gr.Tab("Teach"):
            teach.build(listeners, page)
        with gr.Tab("Vocabulary") as tab:
            vocabulary.build(listeners, tab)
        with gr.Tab("Ingest"):
            ingest.build(listeners)
        with gr.Tab("Evaluate"):
            evaluate.build(listeners)

        def leave(request: gr.Request) -> None:
            sessions.drop(request.session_hash)

        page.unload(leave)
    return cast(gr.Blocks, page)


def launch_settings(sessions: Sessions, hosts: Hosts, password: str | None = None) -> dict[str, Any]:
    """What ``launch`` needs for a page that asks nothing of other machines, and is asked by its own clients alone.

    ``password`` is what other programs must bring.
    """
    attempts = Attempts()
    engine = Engine(sessions.shared, limits=Limits(), read_only=_read_only(sessions.options))
    sessions.closing.callback(engine.close)
    service = build_service(engine, hosts=hosts, token=password, attempts=attempts)
    gate = Middleware(Gate, hosts=hosts, uploads=sessions.uploads, service=service, attempts=attempts)
    return {
        "app_kwargs": {
            "middleware": [gate],
            "routes": [
                Route("/workbench/{name}", serve_module),
                Route("/thumbnails/{token}/{picture_id:int}", sessions.projects.serve_thumbnail),
            ],
        },
        "max_file_size": MAX_UPLOAD_BYTES,
        "state_session_capacity": MAX_SESSIONS,
        "theme": gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        "css": CSS,
        "footer_links": [],
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
        "run_history": False,
        "quiet": True,
        "prevent_thread_lock": True,
    }


def _read_only(options: Options) -> str | None:
    """Why other programs may not write: they have no session, hence no scratch copy either."""
    if options.private:
        return "each session of this demo has a store of its own, and programs have none; start it without --private"
    return READ_ONLY if options.read_only else None
