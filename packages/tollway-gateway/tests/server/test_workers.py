"""The parent of several workers. What real gateways do with it is shown by the integration tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tollway.gateway.server.workers import Pauses

PARENT = """
import os, signal, socket, sys, time
from tollway.gateway.server.run import StartError
from tollway.gateway.server.signals import Signals
from tollway.gateway.server.worker import FAILS, LISTENS
from tollway.gateway.server.workers import Parent, _woken

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def until_told(line):
    line.recv(1)

def become(number, line):
    signal.signal(signal.SIGTERM, lambda *_: None)
{become}
    return 0

def greet():
    say("greeting")
    os.kill(os.getpid(), signal.SIGTERM)

with Signals() as signals, _woken() as wakes:
    signals.tell = lambda _: None
    sockets = [socket.socket() for _ in range(3)]
    try:
        Parent(sockets, become, greet, {drain_s}).run(signals, wakes)
    except StartError as error:
        say("failed:", error)
say("end")
"""


def lines_of(become: str, drain_s: float = 30.0) -> list[str]:
    """Run a parent whose three workers do this, in an interpreter of its own: it forks."""
    body = "".join(f"    {line}\n" for line in become.strip("\n").splitlines())
    run = [sys.executable, "-c", PARENT.format(become=body, drain_s=drain_s)]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_it_greets_when_all_listen_and_ends_when_all_have_ended():
    """The first worker starts alone; a signal to the parent (here, at the greeting) is passed on to each."""
    said = lines_of(
        """
say("starts", number)
line.send(LISTENS)
until_told(line)
say("stops", number)
"""
    )
    assert "starts 0" == said[0]
    assert 1 == said.count("greeting")
    assert ["stops 0", "stops 1", "stops 2"] == sorted(line for line in said if line.startswith("stops"))
    assert "end" == said[-1]


def test_a_worker_that_cannot_start_ends_all():
    """Its reason is told once, and those that serve are told to stop."""
    said = lines_of(
        """
if number == 1:
    line.send(FAILS + b"no model")
    return 1
line.send(LISTENS)
until_told(line)
say("stops", number)
"""
    )
    assert "greeting" not in said
    assert "stops 0" in said
    assert ["failed: no model", "end"] == said[-2:]


def test_the_first_that_cannot_start_is_the_only_one():
    said = lines_of('say("starts", number); line.send(FAILS + b"no model"); return 1')
    assert ["starts 0", "failed: no model", "end"] == said


def test_a_worker_that_is_killed_before_it_listens_tells_how():
    (failed, end) = lines_of("os.kill(os.getpid(), signal.SIGKILL)")
    assert failed.startswith("failed: process ")
    assert failed.endswith("was killed by SIGKILL")
    assert "end" == end


def test_every_signal_is_passed_on():
    """Whoever counts them hears as many as the parent got."""
    said = lines_of(
        """
line.send(LISTENS)
until_told(line)
if number == 2:
    os.kill(os.getppid(), signal.SIGINT)
until_told(line)
say("stops", number)
"""
    )
    assert ["stops 0", "stops 1", "stops 2"] == sorted(line for line in said if line.startswith("stops"))


def test_a_third_signal_waits_for_no_model_to_load():
    """A worker that has not said anything yet hears nothing either."""
    said = lines_of(
        """
for _ in range(3):
    os.kill(os.getppid(), signal.SIGTERM)
    until_told(line)  # of two signals that wait the system makes one
time.sleep(600)
"""
    )
    assert ["end"] == said


@pytest.mark.parametrize(
    ("lived_s", "pauses_s"),
    [
        ([0] * 8, [0, 1, 2, 4, 8, 16, 30, 30]),
        ([0, 0, 0, 60, 0, 59, 61], [0, 1, 2, 0, 1, 2, 0]),
    ],
)
def test_pauses_grow_with_every_early_death(lived_s: list[float], pauses_s: list[float]):
    """None after the first, at most half a minute; who lived a minute is not one that dies at every start."""
    pauses = Pauses()
    assert pauses_s == [pauses.after(lived) for lived in lived_s]


def test_a_worker_that_does_not_stop_in_time_is_killed():
    """The others end by themselves, and so does the parent."""
    said = lines_of(
        """
line.send(LISTENS)
until_told(line)
if number == 1:
    while True:
        time.sleep(1000)
say("stops", number)
""",
        drain_s=0.0,
    )
    assert ["end", "greeting", "stops 0", "stops 2"] == sorted(said)
