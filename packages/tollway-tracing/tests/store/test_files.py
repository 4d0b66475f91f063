"""Files are there whole or not at all, whatever the file system knows."""

import os
import stat
from pathlib import Path

import pytest

from tollway.tracing.store import _files
from tollway.tracing.store._files import Files, LinkError


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


@pytest.fixture
def files(tmp_path):
    """The files of a store that has one day."""
    made = Files(f"{tmp_path}/traces")
    made.make_folder(f"{made.root}/2026-11-24/a.json")
    return made


@pytest.fixture
def path(files):
    return f"{files.root}/2026-11-24/a.json"


def names(path):
    return os.listdir(os.path.dirname(path))


def test_a_file_is_made_once(system, files, path):
    """The second to make a file is told so, and changes nothing; nothing else is left in the folder."""
    assert files.create(path, b"first\n")
    assert not files.create(path, b"second\n")
    assert b"first\n" == files.read(path)
    assert ["a.json"] == names(path)


def test_a_folder_that_is_missing_is_told(system, files):
    """Whoever makes files makes their folder first."""
    with pytest.raises(FileNotFoundError):
        files.create(f"{files.root}/none/a.json", b"x")


def test_a_file_can_be_made_in_a_relative_folder(system, tmp_path, monkeypatch):
    """A store's path may be relative to where the program runs."""
    monkeypatch.chdir(tmp_path)
    files = Files("traces")
    files.make_folder("traces/day/a.json")
    assert files.create("traces/day/a.json", b"x\n")
    assert b"x\n" == (tmp_path / "traces" / "day" / "a.json").read_bytes()


def test_short_writes_are_gone_on_with(files, path, monkeypatch):
    """A file is whole although the disk takes it in small bites."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:3]))
    assert files.create(path, b"0123456789\n")
    assert b"0123456789\n" == files.read(path)


def test_a_disk_that_takes_nothing_is_told(files, path, monkeypatch):
    """A write of no bytes is a refusal, not a reason to try for ever."""
    monkeypatch.setattr(os, "write", lambda file, data: 0)
    with pytest.raises(_files.ShortWriteError):
        files.create(path, b"x\n")
    assert [] == names(path)


def test_a_part_of_a_file_is_read(files, path):
    files.create(path, b"0123456789\n")
    assert b"345" == files.read(path, 3, 3)
    assert b"" == files.read(path, 20)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("mode", "folder_mode"), [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755)])
def test_modes_are_the_stores_whatever_the_umask(system, tmp_path, mode, folder_mode):
    """New files by all ways, and every folder from the store's own down to theirs."""
    files = Files(f"{tmp_path}/traces", mode)
    day = f"{files.root}/indexes/by_status/2026-11-24"
    files.make_folder(f"{day}/x")
    files.create(f"{day}/created", b"x\n")
    files.append(f"{day}/appended", b"x\n")
    files.replace(f"{day}/replaced", b"x\n")
    assert {mode} == {mode_of(f"{day}/{name}") for name in ("created", "appended", "replaced")}
    folders = (files.root, f"{files.root}/indexes", f"{files.root}/indexes/by_status", day)
    assert {folder_mode} == {mode_of(folder) for folder in folders}


def test_what_is_there_keeps_its_mode(files, path):
    """A store that others may read stays so, for its old files."""
    os.chmod(os.path.dirname(path), 0o755)
    files.create(path, b"x\n")
    os.chmod(path, 0o644)
    files.append(path, b"y\n")
    files.make_folder(path)
    assert (0o644, 0o755, b"x\ny\n") == (mode_of(path), mode_of(os.path.dirname(path)), files.read(path))


def test_a_folder_keeps_the_bit_that_hands_its_group_on(tmp_path):
    """A setgid folder makes setgid folders: a store's setting of modes does not undo it."""
    os.chmod(tmp_path, 0o2755)
    Files(f"{tmp_path}/traces").make_folder(f"{tmp_path}/traces/day/x")
    assert {0o2700} == {mode_of(f"{tmp_path}/traces"), mode_of(f"{tmp_path}/traces/day")}


@pytest.fixture
def elsewhere(tmp_path):
    """A folder outside of the store, with a file in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "a.json").write_bytes(b"theirs\n")
    return folder


INDEX_LINKS = [
    ("indexes", "by_status/2026-11-25/b.jsonl"),
    ("indexes/by_status", "2026-11-25/b.jsonl"),
    ("indexes/by_status/2026-11-25", "b.jsonl"),
]


@pytest.mark.parametrize(
    ("write", "linked", "rest"),
    [
        *((write, "2026-11-25", "b.json") for write in (Files.create, Files.append, Files.replace)),
        *((write, *link) for write in (Files.append, Files.replace) for link in INDEX_LINKS),
    ],
)
def test_a_linked_folder_is_not_written_through(system, files, elsewhere, write, linked, rest):
    """Whichever folder below the store's own is the link; the error says where it is."""
    link, target = Path(files.root) / linked, elsewhere / rest
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    target.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(LinkError, match="not followed"):
        write(files, f"{link}/{rest}", b"x\n")
    target.write_bytes(b"theirs\n")
    assert b"" == files.read(f"{link}/{rest}")


def test_a_linked_file_is_not_written_through(files, path, elsewhere):
    """Nor read: what it leads to is none of the store's."""
    os.symlink(elsewhere / "a.json", path)
    assert not files.create(path, b"x\n")
    with pytest.raises(LinkError, match="not followed"):
        files.append(path, b"x\n")
    assert b"" == files.read(path)
    assert b"theirs\n" == (elsewhere / "a.json").read_bytes()


def test_the_stores_own_folder_may_be_a_link(tmp_path, elsewhere):
    """Where a store lies is its owner's choice."""
    (tmp_path / "link").symlink_to(elsewhere)
    files = Files(f"{tmp_path}/link")
    files.make_folder(f"{files.root}/day/x.json")
    assert files.create(f"{files.root}/day/x.json", b"x\n")
    assert b"x\n" == (elsewhere / "day" / "x.json").read_bytes()


def test_a_pipe_in_a_files_place_holds_up_no_reader(files, path):
    os.mkfifo(path)
    assert b"" == files.read(path)
