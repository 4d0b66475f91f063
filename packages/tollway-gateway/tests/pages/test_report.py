"""A report is one file that asks nobody, in which what traces say is data."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256

from tollway.gateway.pages.report import report_of
from tollway.tracing.readers import Query

from .conftest import Written

HOSTILE = "</script><script>alert(1)</script><!--"


def test_a_report_has_all_that_its_pages_ask_for(written: Written):
    """By the paths of the JSON API; and what a trace says cannot end the element that it is in."""
    trace_id = written.request(f"GET {HOSTILE}", 0, 5, attributes={"a": HOSTILE})
    page = report_of(written.store.find(Query()), "traces").decode()
    inside = page.partition('id="tollway-report">')[2].partition("</script>")[0]
    assert "<" not in inside
    answers = json.loads(inside)["answers"]
    assert "report" == answers["api/info"]["mode"]
    assert [trace_id] == [row["trace_id"] for row in answers["api/traces"]["traces"]]
    assert HOSTILE == answers[f"api/traces/{trace_id}"]["spans"][0]["attributes"]["a"]
    for path in ("api/points", "api/sessions", "api/services", "api/flame", "api/facets"):
        assert path in answers


def test_a_report_runs_its_own_script_and_no_other(written: Written):
    """The policy has the hashes of what is inlined, and lets nothing be loaded."""
    page = report_of(written.store.find(Query()), "traces").decode()
    policy = page.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    style = page.partition("<style>")[2].partition("</style>")[0]
    script = page.partition('<script type="module">')[2].rpartition("</script>")[0]
    for text in (style, script):
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
