"""Somebody who follows a page of the documentation, block by block."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import wheels


class Reader:
    """Somebody who follows the page: a shell in a folder, with the environment's programs first."""

    def __init__(self, environment: wheels.Environment, folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        pip = self._programs / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {environment.python} "$@"\n')
        pip.chmod(0o755)

    def run(self, script: str, cwd: Path | None = None) -> str:
        """Run one block."""
        links = " ".join(str(folder) for folder in self.environment.wheels)
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=cwd or self.folder,
            env=os.environ
            | {
                "PATH": f"{self._programs}:{self.environment.folder / 'bin'}:/usr/bin:/bin",
                "PIP_FIND_LINKS": links,
                "PIP_CONSTRAINT": str(wheels.CONSTRAINTS),
                "COLUMNS": "300",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
