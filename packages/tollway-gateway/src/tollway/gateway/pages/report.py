"""Traces as one HTML file: the front end with its data inside, that asks nobody for anything."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import orjson

from tollway.tracing.readers import Trace

from . import aggregates
from .answers import plain, points_of
from .assets import assets
from .facts import row_of
from .spans import trace_object

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Traces</title>
<style>%s</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="tollway-report">%s</script>
<script type="module">%s</script>
</body>
</html>
"""


def report_of(traces: Sequence[Trace], name: str) -> bytes:
    """Return the file. name: of where the traces are from."""
    files = assets()
    style = files["app.css"].body.decode().replace("</style", r"<\/style")
    script = files["app.js"].body.decode().replace("</script", r"<\/script")
    policy = (
        f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    data = orjson.dumps({"answers": _answers(traces, name)}, default=plain, option=orjson.OPT_NON_STR_KEYS)
    # In JSON `<` is only ever inside a text: escaped, nothing in a trace can end the element.
    inside = data.replace(b"<", rb"\u003c").decode()
    return (_PAGE % (policy, style, inside, script)).encode()


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _answers(traces: Sequence[Trace], name: str) -> dict[str, Any]:
    """Return the answers of the JSON API by their paths."""
    few = aggregates.limited(traces)
    window_s = _window_s(traces)
    rows = [row_of(trace) for trace in traces]
    lists = {
        "api/info": {
            "version": version("tollway-gateway"),
            "mode": "report",
            "stores": [name],
            "policy": None,
            "endpoints": [],
            "has_metrics": False,
            "key_required": False,
        },
        "api/traces": {
            "traces": rows,
            "next": None,
            "counted": {"matched": len(rows), "exact": True},
            "problems": [],
        },
        "api/points": points_of([trace.summary for trace in traces]),
        "api/sessions": {"sessions": aggregates.sessions_of(few)},
        "api/services": aggregates.services_of(few, window_s),
        "api/flame": aggregates.flame_of(few),
        "api/facets": {"service": [], "kept": [], "endpoint": [], "model": []},
    }
    return lists | {f"api/traces/{trace.trace_id}": trace_object(trace, {}) for trace in few}


def _window_s(traces: Sequence[Trace]) -> float:
    """Return from the first start to the last end, in seconds; 1 where there is nothing."""
    if not traces:
        return 1.0
    first_ns = min(trace.summary.start_ns for trace in traces)
    return max(1e-3, (max(trace.summary.end_ns for trace in traces) - first_ns) / 1e9)
