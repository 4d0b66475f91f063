"""The store of responses: bounded, and each for its owner alone."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.gateway.conversations import Conversations, Kept


def kept(name: str, owner: str | None = None, text: str = "a") -> Kept:
    output: list[dict[str, Any]] = [{"type": "message", "content": text}]
    return Kept(owner, [{"role": "user", "content": text}], {"id": name, "output": output})


@pytest.fixture(params=["memory", "folder"])
def folder(request, tmp_path) -> str | None:
    return str(tmp_path) if request.param == "folder" else None


def test_is_found_by_its_owner_alone(folder):
    store = Conversations(folder)
    store.keep(kept("a", "anna"))
    store.keep(kept("b"))
    assert kept("a", "anna") == store.find("a", "anna")
    assert kept("b") == store.find("b", None)
    for name, owner in (("a", "otto"), ("a", None), ("b", "anna"), ("c", None), ("../a", None), (7, None)):
        assert store.find(name, owner) is None


def test_a_name_that_is_kept_again_counts_once(folder):
    """The bound is on what is there: what gave way to another text is not counted any more."""
    size = len(str(kept("a", text="x" * 1000)))
    store = Conversations(folder, max_bytes=4 * size)
    store.keep(kept("b"))
    for _ in range(50):
        store.keep(kept("a", text="x" * 1000))
    assert kept("b") == store.find("b", None)


def test_the_one_written_longest_ago_gives_way(folder):
    store = Conversations(folder, max_entries=2)
    for name in ("a", "b", "a", "c"):
        store.keep(kept(name))
    assert [True, False, True] == [store.find(name, None) is not None for name in ("a", "b", "c")]


def test_only_its_owner_deletes(folder):
    store, other = Conversations(folder), Conversations(folder)
    store.keep(kept("a", "anna"))
    assert not store.delete("a", "otto")
    assert store.find("a", "anna") is not None
    assert (store if folder is None else other).delete("a", "anna")
    assert store.find("a", "anna") is None
    assert not store.delete("a", "anna")
