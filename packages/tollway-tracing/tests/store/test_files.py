"""Files are there whole or not at all, whatever the file system knows."""

import os

import pytest

from tollway.tracing.store import _files


@pytest.fixture(params=["without a name", "no such files", "no /proc"])
def system(request, monkeypatch):
    """A system that makes files without a name, and two that do not."""
    real = os.link

    def link(source, *rest, **options):
        if source.startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", source)
        return real(source, *rest, **options)

    if request.param == "no such files":
        monkeypatch.setattr(_files, "_UNNAMED", os.O_WRONLY)
    elif request.param == "no /proc":
        monkeypatch.setattr(os, "link", link)
    return request.param


def test_a_file_is_made_once(system, tmp_path):
    """The second to make a file is told so, and changes nothing; nothing else is left in the folder."""
    path = f"{tmp_path}/a.json"
    assert _files.create(path, b"first\n")
    assert not _files.create(path, b"second\n")
    assert b"first\n" == _files.read(path)
    assert ["a.json"] == os.listdir(tmp_path)


def test_a_folder_that_is_missing_is_told(system, tmp_path):
    """Whoever makes files makes their folder first."""
    with pytest.raises(FileNotFoundError):
        _files.create(f"{tmp_path}/none/a.json", b"x")


def test_a_file_can_be_made_in_a_relative_folder(system, tmp_path, monkeypatch):
    """A store's path may be relative to where the program runs."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("traces")
    assert _files.create("traces/a.json", b"x\n")
    assert b"x\n" == (tmp_path / "traces" / "a.json").read_bytes()


def test_short_writes_are_gone_on_with(tmp_path, monkeypatch):
    """A file is whole although the disk takes it in small bites."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:3]))
    assert _files.create(f"{tmp_path}/a.json", b"0123456789\n")
    assert b"0123456789\n" == _files.read(f"{tmp_path}/a.json")


def test_a_disk_that_takes_nothing_is_told(tmp_path, monkeypatch):
    """A write of no bytes is a refusal, not a reason to try for ever."""
    monkeypatch.setattr(os, "write", lambda file, data: 0)
    with pytest.raises(_files.ShortWriteError):
        _files.create(f"{tmp_path}/a.json", b"x\n")
    assert [] == os.listdir(tmp_path)
