"""Every command and program of the README is run as a newcomer would: in order, in a copy of the tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import WAIT_S, Process, free_port
from support.serving import environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

ANSWER_S = 240.0
"""What the embedded model may take for an answer of any length, while other tests use the machine's cores."""

_ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of the README."""

    language: str
    text: str

    def __str__(self) -> str:
        return " ".join(self.text.split()[:4])


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]


def blocks(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


@dataclass(frozen=True, slots=True)
class Tree:
    """The source tree, its environment beside it, and the gateway that the README's first command started."""

    path: Path
    port: int
    gateway: Process

    def run(self, *command: str, **variables: str) -> str:
        """Run a command of the README; it must succeed."""
        done = subprocess.run(
            [word.replace("localhost:8000", f"localhost:{self.port}") for word in command],
            cwd=self.path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def wait_for_a_trace(self) -> None:
        """Wait for what a person's own slowness waits for: a trace is written just after its answer.

        Where another process runs the test that asked, ask here.
        """
        if not (self.path / "traces").exists():
            (asking,) = [block for block in blocks("sh") if "curl" in block.text]
            self.run("bash", "-ec", asking.text)
        deadline = time.monotonic() + WAIT_S
        while not list(self.path.glob("traces/*/**/*.json*")):
            assert time.monotonic() < deadline, self.gateway.output
            time.sleep(0.02)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """What `git clone` and the first block give; traces go into the copy."""
    path = tmp_path_factory.mktemp("tree")
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv", "traces"):
            (path / entry.name).symlink_to(entry)
    (path / ".venv").symlink_to(sys.prefix)
    first = blocks("sh")[0].text.split()
    assert ["make", "run"] == first
    port = free_port()
    # The tests' own environment is installed already, and must not be installed again from here.
    command = [*first, "-o", ".venv/run.stamp", f"PORT={port}"]
    gateway = Process(
        [sys.executable, "-c", _ON_A_TERMINAL, *command], cwd=path, env=environment(SHELL="/bin/bash")
    )
    gateway.wait_for(r"listens on http://127\.0\.0\.1:\d+")
    yield Tree(path, port, gateway)
    gateway.close()


def test_every_block_is_one_that_is_run():
    """A block in another language needs a test of its own."""
    assert {"sh", "text", "python", "yaml"} == {block.language for block in BLOCKS}


def shape(tree: str) -> list[str]:
    """Return the lines of a printed trace without what differs each time: its durations."""
    lines = tree.strip().splitlines()
    return [re.sub(r"[\d.]+ (?:µs|ms|s|min)", "TIME", line).strip() for line in lines if "── " in line]


(TREE,) = (block.text for block in blocks("text"))

CHECKS = {
    "curl": lambda said: json.loads(said)["choices"][0]["message"]["content"],
    "tollway traces list": lambda said: shape(TREE) == shape(said),
    "tollway gateway check": lambda said: "is good: 2 endpoints." in said,
}
"""What each command of a shell says when it works."""


@pytest.mark.parametrize("block", blocks("sh")[1:], ids=str)
def test_commands(tree: Tree, block: Block):
    """In the order of the page: the request of one is in the list of the next."""
    if "traces list" in block.text:
        tree.wait_for_a_trace()
    said = tree.run("bash", "-ec", block.text)
    (check,) = [check for name, check in CHECKS.items() if name in block.text]
    assert check(said), said


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_programs(tree: Tree, block: Block):
    """Each runs by itself, and says something if it prints."""
    said = tree.run(sys.executable, "-W", "error", "-c", block.text)
    assert ("print(" in block.text) == bool(said.strip())


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_configurations(tree: Tree, block: Block):
    """Each is a whole file that the gateway takes."""
    (tree.path / "from-readme.yaml").write_text(block.text)
    said = tree.run(
        ".venv/bin/tollway", "gateway", "check", "--config-path", "from-readme.yaml", OPENAI_API_KEY="k"
    )
    assert "is good" in said


INLINE = sorted(set(re.findall(r"`(?:\.venv/bin/)?tollway ([a-z][^`]*)`", README)))


@pytest.mark.parametrize("command", INLINE)
def test_commands_in_the_text(tree: Tree, command: str):
    """Each is there, with every option that is named."""
    words = [word.strip("[]|") for word in command.split()]
    names = [word for word in words[: 1 + len(words)] if re.fullmatch("[a-z][a-z-]*", word)][:2]
    told = tree.run(".venv/bin/tollway", *names, "--help")
    assert [] == [word for word in words if word.startswith("--") and word not in told]


def test_show_prints_the_trace_of_the_request(tree: Tree):
    """The id in the list is one that `traces show` takes."""
    tree.wait_for_a_trace()
    listed = json.loads(tree.run(".venv/bin/tollway", "traces", "list", "--json"))
    said = tree.run(".venv/bin/tollway", "traces", "show", listed[-1]["trace_id"])
    assert "└── " in said


def test_ctrl_c_ends_the_first_command_with_0(tree: Tree):
    """Make ends as the gateway does."""
    tree.gateway.type("\x03")
    assert 0 == tree.gateway.wait(), tree.gateway.output
    assert "Traceback" not in tree.gateway.output
