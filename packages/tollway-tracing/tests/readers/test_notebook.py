"""How a trace shows itself: in one line, and as HTML that is safe whatever is in it."""

from html.parser import HTMLParser

from opentelemetry.trace import StatusCode

from support.store_spans import make_span
from tollway.tracing.store import FileStore

HOSTILE = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """The elements of a page, with all their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def stored(tmp_path, count=3, **more):
    store = FileStore(tmp_path)
    spans = [make_span(1, 1, None, name=HOSTILE, duration_ms=100, attributes={"a": HOSTILE})]
    spans += [make_span(1, n, 1, name="child", duration_ms=10, **more) for n in range(2, count + 1)]
    store.write([spans])
    return store.get(f"{1:032x}")


def test_a_trace_is_one_line(tmp_path):
    line = repr(stored(tmp_path, status=StatusCode.ERROR))
    assert f"<Trace {1:032x} '{HOSTILE}': 100 ms, ERROR, 3 spans>" == line


def test_a_notebook_gets_a_waterfall_that_runs_nothing(tmp_path):
    """Names and values are text; nothing is loaded; every span has a row."""
    tags = Tags(stored(tmp_path)._repr_html_()).found
    assert {"div", "span", "details", "summary", "table", "tr", "td"} >= {tag for tag, _ in tags}
    assert {"style"} >= {name for _, attributes in tags for name in attributes}
    assert 3 == sum(tag == "summary" for tag, _ in tags)


def test_a_long_trace_does_not_fill_a_notebook(tmp_path):
    page = stored(tmp_path, count=400)._repr_html_()
    assert 300 == page.count("<summary")
    assert "100 more spans" in page
