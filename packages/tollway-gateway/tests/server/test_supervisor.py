"""The supervisor of several workers. What real gateways do with it is shown by the integration tests."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import pytest

from tollway.gateway.server.supervisor import Pauses

PARENT = """
import os, select, signal, socket, sys, time
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.server.control_pipe import Commit, Failed, Prepare, Prepared, Ready, Reloaded, Stop
from tollway.gateway.server.run import StartError
from tollway.gateway.server.signals import Signals
from tollway.gateway.server.supervisor import Supervisor, _woken
from tollway.gateway.server.supervised_reload import Reloads

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

heard = []

def until_told(pipe, kind=Stop):
    while True:
        while heard:
            message = heard.pop(0)
            if isinstance(message, kind):
                return message
            if pipe.is_closed:
                sys.exit(3)
        select.select([pipe], [], [])
        heard.extend(pipe.receive())

def run_worker(number, pipe, config):
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: None)
{become}
    return 0

def greet():
    say("greeting")
    os.kill(os.getpid(), signal.{at_greeting})

class Source:
    path = "the file"
    def changes(self, running):
        from tollway.gateway.config.changes import changes_of
        return changes_of(running, GatewayConfig(endpoints=(), server={{"max_body_bytes": 7}}))

with Signals() as signals, _woken() as wakes:
    signals.tell = lambda _: None
    sockets = [socket.socket() for _ in range(3)]
    config = GatewayConfig(endpoints=())
    reloads = Reloads(Source(), config)
    try:
        Supervisor(sockets, run_worker, greet, config, {drain_s}, reloads=reloads).run(signals, wakes)
    except StartError as error:
        say("failed:", error)
say("end")
"""


def lines_of(become: str, drain_s: float = 30.0, at_greeting: str = "SIGTERM") -> list[str]:
    """Run a supervisor whose three workers do this, in an interpreter of its own: it forks."""
    body = "".join(f"    {line}\n" for line in become.strip("\n").splitlines())
    run = [sys.executable, "-c", PARENT.format(become=body, drain_s=drain_s, at_greeting=at_greeting)]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_it_greets_when_all_listen_and_ends_when_all_have_ended():
    """The first worker starts alone; a signal (here, at the greeting) is passed on to each."""
    said = lines_of(
        """
say("starts", number)
pipe.send(Ready())
until_told(pipe)
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
    pipe.send(Failed("no model"))
    return 1
pipe.send(Ready())
until_told(pipe)
say("stops", number)
"""
    )
    assert "greeting" not in said
    assert "stops 0" in said
    assert ["failed: no model", "end"] == said[-2:]


def test_the_first_that_cannot_start_is_the_only_one():
    said = lines_of('say("starts", number); pipe.send(Failed("no model")); return 1')
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
pipe.send(Ready())
until_told(pipe)
if number == 2:
    os.kill(os.getppid(), signal.SIGINT)
while until_told(pipe).times < 2:
    pass
say("stops", number)
"""
    )
    assert ["stops 0", "stops 1", "stops 2"] == sorted(line for line in said if line.startswith("stops"))


def test_a_third_signal_waits_for_no_model_to_load():
    """A worker that has not said anything yet hears nothing either."""
    said = lines_of(
        """
for times in (1, 2, 3):
    os.kill(os.getppid(), signal.SIGTERM)
    while until_told(pipe).times < times:  # of two signals that wait the system makes one
        pass
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
pipe.send(Ready())
until_told(pipe)
if number == 1:
    while True:
        time.sleep(1000)
say("stops", number)
""",
        drain_s=0.0,
    )
    assert ["end", "greeting", "stops 0", "stops 2"] == sorted(said)


ONE_PREPARES_NOT = """
pipe.send(Ready())
prepare = until_told(pipe, Prepare)
say("prepares", number, prepare.config.server.max_body_bytes)
{answer}
outcome = until_told(pipe, (Commit, Abort))
if number == 0:
    told = until_told(pipe, Reloaded)
    say("result", told.result.result, *[one.message for one in told.result.problems])
    os.kill(os.getppid(), signal.SIGTERM)
until_told(pipe)
say("outcome", number, type(outcome).__name__)
"""


def reloaded(answer: str) -> list[str]:
    """Return what is said when a SIGHUP follows the greeting, and workers answer so to `Prepare`."""
    body = "from tollway.gateway.server.control_pipe import Abort" + ONE_PREPARES_NOT.format(answer=answer)
    return [line for line in lines_of(body, at_greeting="SIGHUP") if not line.startswith("prepares")]


def test_a_reload_is_committed_when_all_have_prepared():
    """One worker counts it, and later ones begin with what it brought."""
    said = reloaded("pipe.send(Prepared(prepare.number))")
    assert "result applied" in said
    assert [f"outcome {number} Commit" for number in range(3)] == sorted(
        line for line in said if line.startswith("outcome")
    )


def test_a_reload_that_one_worker_cannot_prepare_is_none_for_all():
    said = reloaded('pipe.send(Prepared(prepare.number, "no model" if number == 1 else None))')
    assert "result refused no model" in said
    assert [f"outcome {number} Abort" for number in range(3)] == sorted(
        line for line in said if line.startswith("outcome")
    )


def test_a_worker_that_dies_while_it_prepares_ends_the_reload():
    """Its place is taken by one with the configuration that serves."""
    said = lines_of(
        """
from tollway.gateway.server.control_pipe import Abort
pipe.send(Ready())
if os.path.exists("/proc/%d" % os.getppid()) and number == 2 and config.server.max_body_bytes != 7:
    try:
        os.close(os.open(MARK, os.O_CREAT | os.O_EXCL))
        until_told(pipe, Prepare)
        os.kill(os.getpid(), signal.SIGKILL)
    except FileExistsError:
        say("begins", number, config.server.max_body_bytes)
        os.kill(os.getppid(), signal.SIGTERM)
else:
    pipe.send(Prepared(until_told(pipe, Prepare).number))
    until_told(pipe, Abort)
until_told(pipe)
""".replace("MARK", repr(f"{tempfile.mkdtemp()}/mark")),
        at_greeting="SIGHUP",
    )
    assert [f"begins 2 {32 * 1024 * 1024}", "end"] == said[-2:]
