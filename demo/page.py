"""The page as a whole: a tab each for teaching, the vocabulary, ingesting and evaluating, and the endpoints."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Route

from demo import api, evaluate, ingest, teach, vocabulary
from demo.checked_blocks import CheckedBlocks
from demo.gate import Gate
from demo.hosts import Hosts
from demo.listeners import Listeners
from demo.modules import serve_module
from demo.sessions import MAX_SESSIONS, Sessions
from demo.uploads import MAX_UPLOAD_BYTES

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


def launch_settings(sessions: Sessions, hosts: Hosts) -> dict[str, Any]:
    """What ``launch`` needs for a page that asks nothing of other machines, and is asked by its own clients alone."""
    return {
        "app_kwargs": {
            "middleware": [Middleware(Gate, hosts=hosts, uploads=sessions.uploads)],
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
