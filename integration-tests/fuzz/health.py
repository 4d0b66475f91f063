"""Whether a gateway is as well as it was: alive, no traceback, no more descriptors, no more memory."""

from __future__ import annotations

from pathlib import Path

from support.serving import Gateway

MORE_DESCRIPTORS = 24
MORE_KIB = 64 * 1024


class Health:
    """Measures a gateway's process when made, and again at each `check`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._process = Path(f"/proc/{gateway.process.pid}")
        self._descriptors = self._count_descriptors()
        self._kib = self._resident_kib()

    def check(self) -> None:
        """Raise AssertionError where the gateway is not well."""
        assert self._process.exists(), f"the gateway ended:\n{self._gateway.process.output}"
        output = self._gateway.process.output
        assert "Traceback" not in output, output[output.index("Traceback") - 500 :]
        descriptors, kib = self._count_descriptors(), self._resident_kib()
        assert descriptors <= self._descriptors + MORE_DESCRIPTORS, f"{descriptors} open descriptors"
        assert kib <= self._kib + MORE_KIB, f"{kib} KiB resident, {self._kib} before"

    def _count_descriptors(self) -> int:
        return sum(1 for _ in (self._process / "fd").iterdir())

    def _resident_kib(self) -> int:
        for line in (self._process / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")
