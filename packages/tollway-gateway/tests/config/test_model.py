"""Providers and their settings: imported only when named, checked by themselves, secrets never shown."""

from __future__ import annotations

import pytest

from tollway.gateway.config import ConfigError, load

from .conftest import GOOD

SECRET = "sk-1234567890abcdef"


def with_config(config: str, provider: str = "openai", task: str = "llm/v1/chat") -> str:
    text = GOOD.replace("{openai_api_key: sk-literal}", config).replace("openai\n", f"{provider}\n")
    return text.replace("llm/v1/chat", task)


def key_of(config) -> str:
    return config.endpoints[0].model.config["openai_api_key"]


PICKY = """
from tollway.provider import BaseProvider, Setting, SettingProblem

class Provided(BaseProvider):
    settings = (
        Setting("token", "a token", secret=True, required=True),
        Setting("size", "a size", int, default=3),
        Setting("ratio", "a ratio", float),
        Setting("fast", "whether", bool),
    )

    @classmethod
    def check(cls, config, task):
        yield from super().check(config, task)
        token = config.get("token", "")
        if token == "explode":
            raise RuntimeError("check me")
        if token.startswith("sk-"):
            yield SettingProblem("token", f"{token} is refused", f"not {token}")
"""

FREE = "from tollway.provider import BaseProvider\nclass Provided(BaseProvider): pass\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a provider as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install_code(name: str, code: str) -> None:
        module = f"{name}_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tollway-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[tollway.providers]\n{name} = {module}:Provided\n")

    return install_code


@pytest.mark.parametrize("name", ["OpenAI", "OPENAI", "Nice_One", "nice-one"])
def test_a_providers_name_in_any_case(loaded, install, name: str):
    """MLflow reads them so, with either dash."""
    install("nice-one", FREE)
    text = with_config("{openai_api_key: k}", name)
    assert name == loaded(text).endpoints[0].model.provider


def test_a_missing_variable_names_itself_and_the_endpoint(problem):
    found = problem(with_config("{openai_api_key: $OPENAI_API_KEY}"))
    assert "endpoints[0].model.config.openai_api_key" == found.key
    assert "the environment variable OPENAI_API_KEY is not set" == found.message
    assert "endpoint 'chat'" == found.inside
    assert "export OPENAI_API_KEY=…, or give the path of a file that holds it" == found.hint


def test_an_empty_variable_is_as_good_as_none(problem):
    assert "is empty" in problem(with_config("{openai_api_key: $K}"), {"K": ""}).message


@pytest.mark.parametrize("written", ["$MY_KEY", "${MY_KEY}"])
def test_a_secret_from_the_environment(loaded, written: str):
    assert key_of(loaded(with_config(f"{{openai_api_key: '{written}'}}"), {"MY_KEY": SECRET})) == SECRET


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file_without_its_line_end(loaded, tmp_path, end: str):
    """MLflow keeps the newline, which no header can carry."""
    path = tmp_path / "key"
    path.write_bytes(f"{SECRET}{end}".encode())
    assert SECRET == key_of(loaded(with_config(f"{{openai_api_key: {path}}}")))
    assert SECRET == key_of(loaded(with_config("{openai_api_key: $KEY_FILE}"), {"KEY_FILE": str(path)}))


def test_a_secret_as_it_is(loaded):
    assert "sk-literal" == key_of(loaded(GOOD))
    assert "$dollars" == key_of(loaded(with_config("{openai_api_key: $$dollars}")))


def test_only_secrets_are_read_from_files(loaded, tmp_path):
    path = tmp_path / "name"
    path.write_text("inside")
    text = with_config(f"{{openai_api_key: k, openai_deployment_name: {path}}}")
    assert str(path) == loaded(text).endpoints[0].model.config["openai_deployment_name"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "more than 65536 bytes")],
)
def test_a_file_that_holds_no_secret(problem, tmp_path, content: bytes, said: str):
    path = tmp_path / "key"
    path.write_bytes(content)
    assert said in problem(with_config(f"{{openai_api_key: {path}}}")).message


def test_a_dollar_that_names_nothing(problem):
    found = problem(with_config("{openai_api_key: $my-key}"))
    assert "begins with $" in found.message
    assert "my-key" not in str(found)


def test_what_yaml_takes_for_a_date_is_an_api_version(loaded):
    """Azure's versions are dates, and nobody puts them into quotes."""
    text = with_config("{openai_api_key: k, openai_api_version: 2024-10-21}")
    assert "2024-10-21" == loaded(text).endpoints[0].model.config["openai_api_version"]


def test_unknown_settings_are_told_where_they_stand(problem):
    found = problem(with_config("{openai_api_key: k,\n        openai_api_bse: x}"))
    assert (8, "endpoints[0].model.config.openai_api_bse") == (found.line, found.key)
    assert "did you mean 'openai_api_base'?" == found.hint


def test_no_secret_is_ever_told(tmp_path, install):
    """Not in what a plugin's own check says, not in a repr."""
    install("picky", PICKY)
    path = tmp_path / "c.yaml"
    path.write_text(with_config(f"{{token: {SECRET}, openai_api_bse: 1}}", "picky"))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert SECRET not in str(caught.value)
    assert "[redacted] is refused; not [redacted]" in str(caught.value)


def test_settings_from_the_environment_have_their_type(loaded, install):
    """What the environment holds is text; what a provider declares decides."""
    install("picky", PICKY)
    text = with_config("{token: t, size: $SIZE, ratio: '0.5', fast: $FAST}", "picky")
    config = loaded(text, {"SIZE": "12", "FAST": "True"}).endpoints[0].model.config
    assert {"token": "t", "size": 12, "ratio": 0.5, "fast": True} == dict(config)


def test_a_setting_of_the_wrong_type(problem, install):
    install("picky", PICKY)
    assert "size must be a int" == problem(with_config("{token: t, size: big}", "picky")).message


def test_a_check_that_fails_itself_is_a_problem(problem, install):
    """A plugin's bug is told as such, without a traceback."""
    install("picky", PICKY)
    found = problem(with_config("{token: explode}", "picky"))
    assert "the check of Provided failed: RuntimeError: check me" == found.message


def test_a_provider_without_declared_settings_takes_any(loaded, install, tmp_path):
    """Only those named like secrets may be files."""
    install("free", FREE)
    path = tmp_path / "f"
    path.write_text("inside\n")
    text = with_config(f"{{my_token: {path}, where: {path}, nested: {{a: [1, $X]}}, none: null}}", "free")
    config = loaded(text, {"X": "y"}).endpoints[0].model.config
    assert {"my_token": "inside", "where": str(path), "nested": {"a": [1, "y"]}, "none": None} == dict(config)


def test_a_task_that_the_provider_does_not_serve(problems):
    found = problems(with_config("{}", "local", "llm/v1/embeddings"))
    assert any("does not serve llm/v1/embeddings" in problem.message for problem in found)


def test_a_provider_that_is_not_installed(problem):
    """What is installed is named, and how to get what is not."""
    found = problem(with_config("{}", "acme"))
    assert (5, "endpoints[0].model.provider") == (found.line, found.key)
    assert ", anthropic, " in found.message.partition("installed: ")[2]
    assert "pip install tollway-acme" in found.message
    assert "did you mean 'openai'?" == problem(with_config("{}", "openia")).hint


def test_a_provider_that_does_not_import(problem, install):
    install("broken", "raise OSError('built for another machine')")
    said = problem(with_config("{}", "broken")).message
    assert "tollway-broken 1.2 does not import: OSError: built for another machine" in said


def test_no_other_provider_is_imported(loaded, install):
    """A broken plugin that nobody names harms nobody."""
    install("free", FREE)
    install("broken", "raise OSError")
    assert loaded(with_config("{}", "free")).endpoints


SOCKS = {"ALL_PROXY": "socks5://me:secret@127.0.0.1:9"}


def test_proxy_that_cannot_be_used_is_a_problem(problem):
    """A proxy variable that fails every request is found before the first, at its model."""
    found = problem(GOOD, SOCKS)
    assert (5, "endpoints[0].model") == (found.line, found.key)
    assert "ALL_PROXY begins with socks5://" in found.message
    assert "or add api.openai.com to NO_PROXY" in found.hint
    assert "secret" not in found.message + found.hint


@pytest.mark.parametrize(
    "environ",
    [
        {**SOCKS, "NO_PROXY": "api.openai.com"},
        {**SOCKS, "no_proxy": "*"},
        {**SOCKS, "https_proxy": "http://127.0.0.1:3128"},
        {"http_proxy": "socks5://127.0.0.1:9"},
    ],
)
def test_proxy_that_no_model_is_behind_is_no_problem(loaded, environ: dict[str, str]):
    assert loaded(GOOD, environ).endpoints


def test_proxy_does_not_matter_to_models_in_this_process(loaded):
    assert loaded(with_config("{}", "local"), SOCKS).endpoints
