"""A plugin that says its secret wherever it can; `install` makes it importable as an installed one is."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from tollway.provider import BaseProvider, ProviderError, Setting, Target


class Leaks(BaseProvider):
    """Fails with its secret in the message, as clients of services do that put an URL there."""

    settings = (Setting("leaky_api_key", "what must not be seen", secret=True, required=True),)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._key = target.config["leaky_api_key"]
        if target.model == "broken":
            raise RuntimeError(f"no model at https://service.test/?key={self._key}")

    def predict(self, payload: dict[str, Any]) -> Any:
        """Fail as the last message says, or answer."""
        said = payload["messages"][-1]["content"]
        if said == "raise":
            raise RuntimeError(f"cannot connect to https://service.test/?key={self._key}")
        if said == "stream":
            return self._pieces()
        if said == "garbage":
            raise ProviderError(f"{self._key} was refused", status=502, code="refused")
        if said == "log":
            logging.getLogger("leaking_provider").error("asked with %s", self._key)
        return "ho"

    def _pieces(self) -> Any:
        yield "ho"
        raise RuntimeError(f"{self._key} was refused")

    def close(self) -> None:
        """Fail with the secret."""
        raise RuntimeError(f"cannot close {self._key}")


def install(folder: Path) -> dict[str, str]:
    """Write the metadata of an installed plugin; returns the variables that let Python find it."""
    metadata = folder / "leaking_provider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: leaking-provider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tollway.providers]\nleaks = leaking_provider:Leaks\n")
    here = Path(__file__)
    (folder / here.name).write_text(here.read_text())
    return {"PYTHONPATH": os.fspath(folder)}
