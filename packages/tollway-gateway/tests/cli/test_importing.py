"""`tollway import`: a file on standard output or in a new file, notes on standard error."""

from __future__ import annotations

from pathlib import Path

from .conftest import Tollway

PROXY = "model_list: [{model_name: m, litellm_params: {model: ollama/llama3, mirror: 1}}]\n"


def test_what_is_written_is_checked_by_the_next_command(tollway: Tollway, tmp_path: Path):
    (tmp_path / "proxy.yaml").write_text(PROXY)
    done = tollway("import", "litellm", "proxy.yaml", "-o", "ours.yaml")
    assert (0, "") == (done.exit_code, done.stdout)
    assert "note: model_list[0].litellm_params.mirror: dropped" in done.stderr
    assert "is good: 1 endpoint." in tollway("gateway", "check", "--config-path", "ours.yaml").stdout


def test_notes_are_comments_of_the_file(tollway: Tollway, tmp_path: Path):
    (tmp_path / "proxy.yaml").write_text(PROXY)
    assert (
        "# model_list[0].litellm_params.mirror: dropped" in tollway("import", "litellm", "proxy.yaml").stdout
    )


def test_a_file_is_never_overwritten(tollway: Tollway, tmp_path: Path):
    (tmp_path / "t.toml").write_text("[models.m.providers.p]\ntype = 'openai'\nmodel_name = 'x'\n")
    done = tollway("import", "tensorzero", "t.toml", "-o", "t.toml")
    assert (1, True) == (done.exit_code, "cannot write t.toml: File exists" in done.stderr)


def test_what_cannot_be_read_is_said(tollway: Tollway, tmp_path: Path):
    (tmp_path / "t.toml").write_text("")
    done = tollway("import", "tensorzero", "t.toml")
    assert (2, True) == (done.exit_code, "cannot import t.toml: no model can be imported" in done.stderr)
