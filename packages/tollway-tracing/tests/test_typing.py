from pathlib import Path

from mypy import api


def test_a_typed_program_passes_the_strict_type_checker() -> None:
    """Decorated functions keep their types, and everything public has one."""
    root = Path(__file__).parents[3]
    example = Path(__file__).with_name("typed_tracing.py")

    said, failed, status = api.run(["--strict", "--config-file", str(root / "pyproject.toml"), str(example)])

    assert (0, "") == (status, failed), said
