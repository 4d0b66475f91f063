"""Photograph each page, on a gateway with a day of a shop in its store: `make screenshots`.

Needs Chromium and pngquant. `make screenshots ARGS="FOLDER all"` takes every page in both themes, at three
widths, to look at. Without arguments those of the documentation are written into docs/images.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.browser import Visit, chromium
from support.processes import Process
from support.serving import TOLLWAY, Gateway, endpoint, environment
from support.shop_traces import TALKS, Traces, day, send
from support.upstream import Exchange, Upstream, chunk

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDTHS = (1440, 1024, 390)
MS = 1_000_000
SOURCE = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}  # `interpreted`, where nothing is compiled


def assistant(exchange: Exchange) -> None:
    """Answer slowly enough to be seen, as a model does."""
    _, answer = TALKS[0]
    time.sleep(random.lognormvariate(-2.5, 0.5))
    if random.random() < 0.04:
        exchange.answer({"error": {"message": "overloaded"}}, status=503)
        return
    words = answer.split(" ")
    usage = {"prompt_tokens": 18, "completion_tokens": len(words) * 2, "total_tokens": 18 + len(words) * 2}
    if b'"stream"' not in exchange.body:
        message = {"role": "assistant", "content": answer}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        exchange.answer({"id": "c", "model": "gpt-4.1", "choices": [choice], "usage": usage})
        return
    exchange.begin_stream()
    for word in words:
        exchange.event(chunk(f"{word} "))
        time.sleep(0.03)
    exchange.event(chunk("", "stop"))
    exchange.event({"id": "c", "model": "gpt-4.1", "choices": [], "usage": usage})
    exchange.end_stream()


def fill(store: Path) -> dict[str, str]:
    """Store a day of a shop, and return the ids of the traces to photograph, by name."""
    process = Process(
        [*TOLLWAY, "traces", "ui", "--store", store, "--port", "0", "--no-grpc"],
        cwd=store.parent,
        env=environment(**SOURCE),
    )
    url = process.wait_for(r"pages are at (http://\S+)/ui/")[1]
    traces, now_ns = Traces(1), time.time_ns()
    send(url, [traces.otlp(*one) for one in day(traces, now_ns, 900)])
    shown = {
        "agent": (
            traces.agent("Do you have a tent for two that can stand wind?", TALKS[1][1], "chat-42"),
            "slow",
        ),
        "fallback": (traces.chat(*TALKS[0], "chat-42", "fallback"), "error"),
        "good": (traces.checkout(), "ratio"),
        "slow": (traces.checkout(slow=True), "slow"),
        "failed": (traces.checkout(failing=True), "error"),
    }
    talks = [(traces.chat(*talk, "chat-42"), "ratio") for talk in TALKS[1:]]
    made = [
        traces.otlp(one, now_ns - round((one.end_ms + 9000) * MS), kept)
        for one, kept in (*shown.values(), *talks)
    ]
    ids = dict(zip(shown, send(url, made), strict=False))
    process.stop()
    return ids


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """Serve the store by a gateway that has answered for a while."""
    upstream = Upstream(assistant)
    config = {
        "endpoints": [
            endpoint(
                "assistant", "openai", "gpt-4.1", openai_api_base=f"{upstream.url}/v1", openai_api_key="none"
            )
            | {"limit": {"calls": 400, "renewal_period": "minute"}}
        ],
        "tracing": {"sampling_rate": 0.2, "slow_threshold_ms": 1000, "store": "traces"},
    }
    running = Gateway(config, folder, **SOURCE)
    running.wait_until_ready()
    for _ in range(120):
        running.chat("assistant")
    yield running.url
    running.close()
    upstream.close()


def pages(ids: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return address, and what is there once the page is complete, by the picture's name."""
    return {
        "traces": ("#/traces", ".rows .scroller .row"),
        "trace": (f"#/trace/{ids['agent']}", ".span-row"),
        "attempts": (f"#/trace/{ids['fallback']}", ".span-row"),
        "agents": (f"#/trace/{ids['agent']}?view=agents", ".graph .node"),
        "failure": (f"#/trace/{ids['failed']}", ".span-row"),
        "compare": (f"#/compare/{ids['good']}/{ids['slow']}", ".pair"),
        "overview": ("#/overview", ".figures"),
        "session": ("#/session/chat-42", ".turn"),
        "sessions": ("#/session", ".plain"),
        "services": ("#/services", ".graph .node"),
        "flame": ("#/flame", ".flame canvas"),
        "try": ("#/try", ".composer"),
    }


def photograph(visit: Visit, name: str, address: str, wait_for: str, path: Path) -> None:
    """Open a page, do what its picture shows, and write the picture."""
    page = visit.open(address, wait_for)
    if name == "trace" and page.viewport_size and page.viewport_size["width"] > 760:
        page.locator(".span-row:has-text('chat gpt')").nth(1).click()
    if name == "failure":
        page.locator(".span-row:has-text('POST bank/authorize')").click()
        page.click(".failure summary")
    if name == "try":
        page.fill("textarea", TALKS[0][0])
        page.keyboard.press("Enter")
        page.wait_for_selector(".beside :is(.span-row, .notice)")
    page.wait_for_selector(".skeleton", state="detached")
    page.mouse.move(2, 2)
    page.wait_for_timeout(400)  # the hovered row is left, and canvases are drawn
    page.screenshot(path=path)
    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--ext", ".png", "128", path], check=False)


DOCUMENTED = (
    ("traces", 1440, "light"),
    ("traces", 1440, "dark"),
    ("traces", 390, "light"),
    ("trace", 1440, "light"),
    ("trace", 1440, "dark"),
    ("attempts", 1440, "light"),
    ("failure", 1440, "dark"),
    ("agents", 1440, "light"),
    ("compare", 1440, "light"),
    ("overview", 1440, "light"),
    ("session", 1440, "light"),
    ("services", 1440, "dark"),
    ("flame", 1440, "light"),
    ("try", 1440, "light"),
)


def main(folder: Path, *, everything: bool) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp())
    with gateway(work) as url, chromium() as browser:
        shown = pages(fill(work / "traces"))
        all_of_it = [
            (name, width, theme) for name in shown for width in WIDTHS for theme in ("light", "dark")
        ]
        for name, width, theme in all_of_it if everything else DOCUMENTED:
            visit = Visit(browser, url, width=width, height=900 if width > 760 else 780, theme=theme)
            suffix = (
                ""
                if (width, theme) == (1440, "light")
                else f"-{width}-{theme}"
                if width != 1440
                else f"-{theme}"
            )
            photograph(visit, name, *shown[name], folder / f"{name}{suffix}.png")
            visit.close()
    shutil.rmtree(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES, everything="all" in sys.argv[2:])
