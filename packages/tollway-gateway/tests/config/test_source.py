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


@pytest.mark.parametrize("bomb", ["{x: &a [*a]}", "{x: &a {y: *a}}", "&a {<<: *a}", f"{{{BILLIONS}}}"])
def test_aliases_that_stand_for_billions(problems, bomb: str):
    """A few lines of nested aliases, or one that holds itself, end in one error at once."""
    found = problems(GOOD.replace("{openai_api_key: sk-literal}", bomb))
    assert ["more than 20000 values, aliases written out"] == [problem.message for problem in found]
