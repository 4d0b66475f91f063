"""A plugin that hangs where the caller says; `install` makes it importable as an installed one is."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from pathlib import Path
from typing import Any

from tollway.provider import BaseProvider, Target

FOR_EVER_S = 1_000_000.0


class Hangs(BaseProvider):
    """Does what the last message says; a model called `close` hangs as it is closed, `made` as it is made."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        if target.model == "made":
            time.sleep(FOR_EVER_S)

    def predict(self, payload: dict[str, Any]) -> Any:
        """Hang, or leave something behind that does."""
        said = payload["messages"][-1]["content"]
        if said == "hang":
            time.sleep(FOR_EVER_S)
        if said == "generator":
            return self._pieces()
        if said == "thread":
            threading.Thread(target=time.sleep, args=(FOR_EVER_S,)).start()
        if said == "at exit":
            atexit.register(time.sleep, FOR_EVER_S)
        return "ho"

    def _pieces(self) -> Any:
        yield "ho"
        time.sleep(FOR_EVER_S)

    def close(self) -> None:
        """Hang, if the configuration says so."""
        if self.target.model == "close":
            time.sleep(FOR_EVER_S)


class HangsLater(BaseProvider):
    """The same, in the event loop."""

    async def predict(self, payload: dict[str, Any]) -> str:
        """Hang: deaf to its cancellation, in a thread of its own, or with the whole loop."""
        said = payload["messages"][-1]["content"]
        if said == "executor":
            asyncio.get_running_loop().run_in_executor(None, time.sleep, FOR_EVER_S)
        if said == "loop":
            time.sleep(FOR_EVER_S)  # noqa: ASYNC251 - the fault that is tried
        while said == "deaf":
            try:
                await asyncio.sleep(FOR_EVER_S)
            except asyncio.CancelledError:
                continue
        return "ho"


def install(folder: Path) -> dict[str, str]:
    """Write the metadata of an installed plugin; returns the variables that let Python find it."""
    metadata = folder / "hanging_provider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging-provider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[tollway.providers]\nhangs = hanging_provider:Hangs\nhangs-later = hanging_provider:HangsLater\n"
    )
    here = Path(__file__)
    (folder / here.name).write_text(here.read_text())
    return {"PYTHONPATH": os.fspath(folder)}
