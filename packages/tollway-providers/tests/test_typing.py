from pathlib import Path

from mypy import api


def test_a_plugin_that_is_typed_passes_the_strict_type_checker() -> None:
    """Each way to write a provider is one that strict mypy accepts, and answers have the types they claim."""
    root = Path(__file__).parents[3]
    example = Path(__file__).with_name("typed_provider.py")

    said, failed, status = api.run(["--strict", "--config-file", str(root / "pyproject.toml"), str(example)])

    assert (0, "") == (status, failed), said
