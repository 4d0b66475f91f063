"""The private name by which OpenTelemetry's instrumentation starts a distribution."""

from __future__ import annotations

from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # no `__all__`


class Distro(BaseDistro):  # type: ignore[misc]  # an untyped base
    """A distribution: what a program starts with that was not changed."""

    def set_up(self) -> None:
        """Say what is so where the environment is silent."""

    def _configure(self, **_: Any) -> None:
        self.set_up()
