"""What YAML can name and a configuration cannot hold is refused where it stands, wherever that is."""

import pytest

from tollway.gateway.config import ConfigError

PLACES = {
    "text": ("tracing: {{service_name: {}}}", "tracing.service_name"),
    "number": ("tracing: {{sampling_rate: {}}}", "tracing.sampling_rate"),
    "flag": ("tracing: {{capture_content: {}}}", "tracing.capture_content"),
    "duration": ("server: {{drain_timeout: {}}}", "server.drain_timeout"),
    "section": ("tracing: {}", "tracing"),
    "list": ("routes: {}", "routes"),
}

GOOD = """\
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k{}}}}}
"""

REFUSED = [
    "!!python/object:os.system x",
    "!!python/object:os.system {a: b}",
    "!!python/object/apply:os.system [ls]",
    "!!python/name:os.system ''",
    "!!python/tuple [a]",
    "!!binary aGVsbG8=",
    "!!binary '...'",
    "!!set {a, b}",
    "!!omap [a: b]",
    "!!pairs [a: b]",
    "!own x",
    "!own {a: b}",
    "!own [a]",
    "!<x> y",
    "!!bool maybe",
    "!!bool ''",
    "!!int ''",
    "!!int _",
    "!!int +",
    "!!int word",
    "!!float ''",
    "!!float word",
    "!!null word",
    "!!map x",
    "!!seq x",
    "!!merge x",
    "!!value x",
    "=",
    "<<",
]


@pytest.mark.parametrize("value", REFUSED)
@pytest.mark.parametrize("place", ["text", "number", "flag", "duration"])
def test_a_tag_that_is_no_plain_values_is_refused(problem, value: str, place: str):
    """With the line, the key and what to do about it."""
    text, key = PLACES[place]
    found = problem(GOOD.format("") + text.format(value) + "\n")
    assert (5, key) == (found.line, found.key)
    assert found.message
    assert found.hint or "must be" in found.message


@pytest.mark.parametrize("value", [value for value in REFUSED if value.endswith(("]", "}"))])
def test_sections_and_lists_have_no_tags(problem, value: str):
    for place in ("section", "list"):
        text, key = PLACES[place]
        found = problem(GOOD.format("") + text.format(value) + "\n")
        assert (5, key) == (found.line, found.key)


@pytest.mark.parametrize("value", REFUSED)
def test_a_providers_settings_have_no_tags_either(problems, value: str):
    """Nor what is inside of them."""
    for inside in ("{}", "[{}]", "{{a: {}}}"):
        found = problems(GOOD.format(", x: " + inside.format(value)))
        assert {4} == {one.line for one in found}
        assert any(one.key.startswith("endpoints[0].model.config.x") for one in found)


@pytest.mark.parametrize("key", ["!!binary a", "!!python/name:os.system x", "!own x", "[a]", "{a: b}", "="])
def test_a_key_has_no_tag(problem, key: str):
    found = problem(GOOD.format("") + f"? {key}\n: x\n")
    assert (5, "a key must be plain text") == (found.line, found.message)
    assert "without a tag" in found.hint


@pytest.mark.parametrize("value", ["5", "[5]", "[{a: b}, 5]", "!!set {a}", "!own {a: b}", "~", "text"])
def test_only_mappings_are_merged(problem, value: str):
    found = problem(GOOD.format("") + f"tracing:\n  <<: {value}\n")
    assert "<< must name a mapping" in found.message
    assert "&name" in found.hint


@pytest.mark.parametrize(
    "text", ["x: &x {<<: *x}\n", "tracing: &x {<<: *x}\n", "tracing: &x {service_name: *x}\n"]
)
def test_an_alias_that_holds_itself_ends(problems, text: str):
    assert problems(GOOD.format("") + text)


@pytest.mark.parametrize(("value", "read"), [("!!str 7", "7"), ("!!timestamp 2026-11-24", "2026-11-24")])
def test_tags_of_plain_values_are_read(loaded, value: str, read: str):
    config = loaded(GOOD.format("") + f"tracing: {{service_name: {value}}}\n")
    assert read == config.tracing.service_name


@pytest.mark.parametrize(
    "value", [str(2**64), f"-{2**64}", "0x" + "f" * 5_000, "9" * 5_000, "1." + "9" * 500]
)
def test_numbers_have_a_size(problem, value: str):
    """None of them takes long to read, and none is taken for another."""
    found = problem(GOOD.format("") + f"tracing: {{sampling_rate: {value}}}\n")
    assert "is too large a number" in found.message


@pytest.mark.parametrize(
    "where",
    [
        "config: {openai_api_key: %s}}",
        "config: {openai_api_key: k, x: {my_secret: %s}}}",
        "config: {openai_api_key: k}}\ntracing: {otlp: {endpoint: 'http://c', headers: {a: %s}}}",
    ],
)
@pytest.mark.parametrize("value", ["!!int hush", "!own hush", "!!binary hush", "[hush]", "{a: hush}"])
def test_a_secret_with_a_tag_is_not_shown(loaded, where: str, value: str):
    text = GOOD.format("").replace("config: {openai_api_key: k}}", where % value)
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("tracing: {{otlp: {{endpoint: {}}}}}", "'htp://user:hush@host'"),
        ("tracing: {{otlp: {{endpoint: {}}}}}", "'http://user:hush@host:port'"),
        ("tracing: {{otlp: {}}}", "'http://user:hush@host'"),
        ("tracing: {{sampling_rate: {}}}", "'http://user:hush@host'"),
        ("server: {}", "'http://user:hush@host'"),
        ("limits: {{storage: {}}}", "'redis://:hush@host:port'"),
    ],
)
def test_the_password_of_a_url_is_not_shown(loaded, place: str, value: str):
    with pytest.raises(ConfigError) as caught:
        loaded(GOOD.format("") + place.format(value) + "\n")
    assert "hush" not in str(caught.value)


def test_a_repr_holds_no_password(loaded):
    config = loaded(GOOD.format("") + "tracing: {otlp: {endpoint: 'http://user:hush@host'}}\n")
    assert "hush" not in repr(config)


@pytest.mark.parametrize(
    "char", ["\\e", "\\x9b", "\\u202e", "\\u2066", "\\n", "\\r", "\\0", "\\x7f", "\\u2028"]
)
@pytest.mark.parametrize(
    "text", ['server: {{"a{}b": 1}}', 'tracing: {{"a{}b": 1}}', 'tracing: {{sampling_rate: "a{}b"}}']
)
def test_keys_and_values_steer_no_terminal(loaded, text: str, char: str):
    """Each problem is one line of printable characters."""
    with pytest.raises(ConfigError) as caught:
        loaded(GOOD.format("") + text.format(char) + "\n")
    assert str(caught.value).isprintable()
    assert 1 == len(caught.value.problems)
