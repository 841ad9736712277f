"""The OpenAPI description as a page for people, made here: the usual viewers are fetched from other machines."""

from __future__ import annotations

import html
import json
from typing import Any

Json = dict[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 0 auto; padding: 1rem; color-scheme: light dark }
h2 { font: bold 1rem ui-monospace, monospace; margin: 2rem 0 .3rem; overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8884; border-radius: 4px; font-size: .85rem }
li code { font-weight: bold }
"""


def page(description: Json) -> str:
    """HTML of an OpenAPI description: each route with what it takes, and the types."""
    about = description["info"]
    parts = [
        f"<h1>{_text(about['title'])} {_text(about['version'])}</h1><p>{_text(about['description'])}</p>",
        "<p>The same for programs: <a href='openapi.json'>openapi.json</a></p>",
    ]
    for path, methods in description["paths"].items():
        parts += [_route(method, path, route) for method, route in methods.items()]
    parts.append("<h1>Types</h1>")
    for name, schema in description.get("components", {}).get("schemas", {}).items():
        parts.append(f"<h2 id='{_text(name)}'>{_text(name)}</h2><p>{_text(schema.get('description', ''))}</p>")
        parts.append(f"<pre>{_text(json.dumps(schema.get('properties', schema), indent=1))}</pre>")
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><style>{STYLE}</style>"
    title = f"<title>{_text(about['title'])}</title>"
    return f"<!doctype html><html lang='en'><head>{head}{title}</head><body>{''.join(parts)}</body></html>"


def _route(method: str, path: str, route: Json) -> str:
    lines = [
        f"<li><code>{_text(one['name'])}</code> ({_text(one['in'])}) {_text(one.get('description', ''))}</li>"
        for one in route.get("parameters", [])
    ]
    body = route.get("requestBody", {})
    for kind, content in body.get("content", {}).items():
        shown = _link(content.get("schema", {})) or _text(body.get("description", ""))
        lines.append(f"<li>body, {_text(kind)}: {shown}</li>")
    for status, answer in route["responses"].items():
        shown = ", ".join(filter(None, (_link(one.get("schema", {})) for one in answer.get("content", {}).values())))
        lines.append(f"<li>answer {_text(status)}: {shown or _text(answer.get('description', ''))}</li>")
    said = _text(route.get("description", ""))
    return f"<h2>{_text(method.upper())} {_text(path)}</h2><p>{said}</p><ul>{''.join(lines)}</ul>"


def _link(schema: Json) -> str:
    """A link to a type, or to that of the items of a list; empty for what has no name."""
    named = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    name = _text(named.rpartition("/")[2])
    return f"{'list of ' if 'items' in schema else ''}<a href='#{name}'>{name}</a>" if name else ""


def _text(value: object) -> str:
    return html.escape(str(value))
