"""`price`: decimals that stay exact, and problems that say where they are."""

import pytest

from tollway.gateway.config import ConfigError


def endpoints(price: str, task: str = "llm/v1/chat") -> str:
    return f"""
endpoints:
  - name: a
    endpoint_type: {task}
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k}}}}
    price: {price}
"""


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{input: 3, output: 15}", {"input": 3 * 10**18, "output": 15 * 10**18}),
        ("{input: 0.15, output: '0.6', per: 1M}", {"input": 15 * 10**16, "output": 6 * 10**17}),
        ("{input: 0.1, output: 0.2, per: 1K}", {"input": 10**20, "output": 2 * 10**20}),
        ("{input: 1e-6, output: 2.5e-6, per: 1}", {"input": 10**18, "output": 25 * 10**17}),
        ("{input: 0.1, output: 0, per: 1000}", {"input": 10**20, "output": 0}),
        ("{request: 0.01}", {"request": 10**22, "input": 0, "output": 0}),
        (
            "{input: 3, output: 15, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, request: 0.001}",
            {
                "input": 3 * 10**18,
                "output": 15 * 10**18,
                "cached_input": 3 * 10**17,
                "cache_write": 375 * 10**16,
                "cache_write_1h": 6 * 10**18,
                "request": 10**21,
            },
        ),
    ],
)
def test_decimals_are_read_exactly(loaded, written, expected):
    """In 10^-24 USD for one token; `request` is for one, whatever `per` says."""
    assert expected == loaded(endpoints(written)).endpoints[0].price.prices


def test_an_embedding_needs_no_price_for_output(loaded):
    config = loaded(endpoints("{input: 0.02}", "llm/v1/embeddings"))

    assert {"input": 2 * 10**16} == config.endpoints[0].price.prices


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "{input: 3}",
            "config.yaml:6: endpoints[0].price: endpoint 'a': there is no price for output; add output",
        ),
        ("{output: 3}", "there is no price for input; add input: 0 is a price too"),
        ("{}", "there is no price; add input and output, or request"),
        ("{per: 1M}", "there is no price; add input and output, or request"),
        ("{input: -1, output: 1}", "price.input: endpoint 'a': must not be negative, and is '-1'"),
        ("{input: cheap, output: 1}", "must be an amount of USD, not 'cheap'; write USD in plain decimals"),
        ("{input: .nan, output: 1}", "must be an amount of USD"),
        ("{input: true, output: 1}", "must be an amount of USD"),
        ("{input: 1.0000000000000000001, output: 1}", "has more than 24 decimals; round it"),
        ("{input: 1, output: 1, per: 3}", "must be a power of ten, not '3'; write 1M, 1K or 1"),
        ("{input: 1, output: 1, per: 1T}", "must be a power of ten, not '1T'"),
        ("{input: 1, output: 1, outptu: 2}", "unknown key; did you mean 'output'?"),
        ("3", "price: endpoint 'a': must be a mapping of keys, not '3'"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(loaded, written, message):
    with pytest.raises(ConfigError) as caught:
        loaded(endpoints(written))

    assert message in str(caught.value)
