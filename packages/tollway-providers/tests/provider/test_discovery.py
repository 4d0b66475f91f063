import sys
from pathlib import Path

import pytest

from tollway.provider import BaseProvider, ProviderImportError, ProviderNotFoundError, discovery


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, into which a test installs distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, distribution: str, provider: str, code: str) -> None:
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[tollway.providers]\n{provider} = {module}:Custom\n")


GOOD = "from tollway.provider import BaseProvider\nclass Custom(BaseProvider):\n    pass\n"


def test_the_built_in_providers_register_like_any_other() -> None:
    names = {n for n, found in discovery.installed().items() if found.distribution == "tollway-providers"}

    assert {"anthropic", "local", "mlflow-model-serving", "openai"} <= names


def test_looking_at_what_is_installed_imports_nothing(site: Path) -> None:
    install(site, "acme-llm", "acme", "raise RuntimeError('imported')")

    found = discovery.installed()["acme"]

    assert ("acme", "acme-llm", "1.2") == (found.name, found.distribution, found.version)
    assert "acme_llm" not in sys.modules


def test_a_name_is_found_in_any_case_and_with_either_dash(site: Path) -> None:
    install(site, "acme-nice", "Acme_Nice", GOOD)

    assert issubclass(discovery.load("acme-NICE"), BaseProvider)


def test_a_name_that_is_not_installed_says_which_are_and_the_pip_command(site: Path) -> None:
    with pytest.raises(
        ProviderNotFoundError, match=r"'acme_x'; installed: .*openai.*pip install tollway-acme-x"
    ):
        discovery.load("acme_x")


@pytest.mark.parametrize(
    "failure", ["import no_such_module", "raise SystemExit(3)", "1 / 0", "def broken(", ""]
)
def test_a_plugin_that_does_not_import_is_named_by_its_distribution(site: Path, failure: str) -> None:
    distribution = f"acme-broken{abs(hash(failure))}"  # a failed import may be cached by name
    install(site, distribution, "broken", failure)

    with pytest.raises(
        ProviderImportError, match=rf"'broken' of {distribution} 1\.2 does not import"
    ) as caught:
        discovery.load("broken")
    assert caught.value.__cause__ is not None


def test_an_entry_point_that_is_no_provider_is_refused(site: Path) -> None:
    install(site, "acme-wrong", "wrong", "class Custom: pass")

    with pytest.raises(ProviderImportError, match=r"acme-wrong 1\.2 is not a provider"):
        discovery.load("wrong")


def test_two_distributions_that_offer_one_name_are_refused_rather_than_picked_from(site: Path) -> None:
    install(site, "acme-one", "same", GOOD)
    install(site, "acme-two", "same", GOOD)

    with pytest.raises(ProviderNotFoundError, match="acme-one, acme-two"):
        discovery.load("same")
