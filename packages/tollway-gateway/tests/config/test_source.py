"""Files that are no configuration at all: an error that says so, never a crash."""

from __future__ import annotations

import pytest

from tollway.gateway.config import ConfigError, load

from .conftest import GOOD


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, "the file is empty"),
        ("# only a comment\n", None, "the file is empty"),
        ("endpoints:\n\t- name: a\n", 2, "not valid YAML"),
        ("endpoints: [\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        (GOOD + "---\nb: 1\n", 8, "not valid YAML"),
        ("a: *nowhere\n", 1, "not valid YAML"),
        ("a: \x01\n", None, "not valid YAML"),
        (b"endpoints:\n- \xff\xfe\n", 2, "not UTF-8"),
        ("[" * 100_000, 1, "nested deeper"),
        ("#" * 1_100_000, None, "larger than"),
    ],
)
def test_what_is_no_yaml(problem, text: str | bytes, line: int | None, said: str):
    found = problem(text)
    assert line == found.line
    assert said in found.message


def test_a_byte_order_mark_is_no_fault(loaded):
    """Editors of Windows write one."""
    assert loaded(b"\xef\xbb\xbf" + GOOD.encode()).endpoints


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "nowhere.yaml", {})
    with pytest.raises(ConfigError, match="this is a folder"):
        load(tmp_path, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load("nul\0in.yaml", {})


BILLIONS = "a: &a [x, x, x, x, x, x, x, x, x, x]," + ",".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_that_stand_for_billions(problems):
    """A few lines of nested aliases end in one error at once."""
    found = problems(GOOD.replace("{openai_api_key: sk-literal}", f"{{{BILLIONS}}}"))
    assert ["more than 20000 values, aliases written out"] == [problem.message for problem in found]


DEEP = "nested deeper than 64 levels, aliases written out"


@pytest.mark.parametrize("endless", ["{x: &a [*a]}", "{x: &a {y: *a}}", "&a {<<: *a}"])
def test_an_alias_inside_itself_is_found_at_its_line(problem, endless: str):
    found = problem(GOOD.replace("{openai_api_key: sk-literal}", endless))
    assert (7, DEEP) == (found.line, found.message)
    assert "inside itself" in found.hint


def nested(levels: int, first: str, following: str) -> str:
    """Return a mapping of anchors, each of which holds the one before."""
    anchors = [f"x0: &x0 {first}"]
    anchors += [f"x{n}: &x{n} {following.format(f'*x{n - 1}')}" for n in range(1, levels)]
    return f"{{{', '.join(anchors)}}}"


@pytest.mark.parametrize(("first", "following"), [("[1]", "[{}]"), ("{y: 1}", "{{<<: {}}}")])
def test_aliases_inside_aliases_have_a_depth(problems, first: str, following: str):
    """However many: no chain of them meets the end of Python's recursion."""
    for levels in (70, 5000):
        text = GOOD.replace("{openai_api_key: sk-literal}", nested(levels, first, following))
        assert [(7, DEEP)] == [(found.line, found.message) for found in problems(text)]


def test_a_few_aliases_inside_aliases_are_read(loaded):
    (endpoint,) = loaded(
        GOOD.replace("config: {openai_api_key", "config: {<<: &b {<<: &a {}}, openai_api_key")
    ).endpoints
    assert "sk-literal" == endpoint.model.config["openai_api_key"]
