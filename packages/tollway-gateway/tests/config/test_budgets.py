"""`budget` and `auth.budgets`: amounts that stay exact, periods of the calendar, problems in their place."""

import pytest

from tollway.gateway.config import ConfigError


def config(budget: str) -> str:
    return f"""
endpoints:
  - name: a
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k}}}}
    budget: {budget}
"""


def test_a_budget_has_an_amount_a_period_a_time_zone_and_an_alert(loaded):
    text = config("{amount: 0.1, period: Month, timezone: Europe/Berlin, alert_at: 80%}")

    (budget,) = loaded(text).endpoints[0].budgets

    assert (10**11, "month", "Europe/Berlin", 0.8) == (
        budget.amount_picousd,
        budget.period,
        budget.timezone,
        budget.alert_at,
    )


def test_there_may_be_several(loaded):
    text = config("[{amount: 1, period: day}, {amount: 20, period: month}]")

    assert ["day", "month"] == [one.period for one in loaded(text).endpoints[0].budgets]


def test_keys_tags_and_routes_have_budgets(loaded):
    text = (
        config("{amount: 1, period: day}")
        + """
routes:
  - name: r
    task_type: llm/v1/chat
    destinations: [{name: a, traffic_percentage: 100}]
    budget: {amount: 2, period: day}
auth:
  keys: [{name: shop, key: a-key-of-a-shop-1234, tags: {team: web}, budget: {amount: 50, period: month}}]
  budgets: [{tags: {team: web}, amount: 500, period: month, timezone: utc}]
"""
    )

    found = loaded(text)

    assert found.has_budgets
    assert [2, 50, 500] == [
        holder.budgets[0].amount_picousd / 10**12
        for holder in (found.routes[0], found.auth.keys[0], found.auth)
    ]
    assert ({"team": "web"}, "UTC") == (found.auth.budgets[0].tags, found.auth.budgets[0].timezone)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            "{period: day}",
            "config.yaml:6: endpoints[0].budget: endpoint 'a': the key 'amount' is missing; add amount",
        ),
        ("{amount: 1}", "the key 'period' is missing; add period"),
        ("{amount: 0, period: day}", "budget.amount: endpoint 'a': must be above 0"),
        ("{amount: -1, period: day}", "must not be negative"),
        ("{amount: 2000000, period: day}", "must be at most 1000000 USD"),
        ("{amount: 0.0000000000001, period: day}", "has more than 12 decimals; round it"),
        ("{amount: 1, period: daily}", "'daily' is not one of day, week, month; did you mean 'day'?"),
        ("{amount: 1, period: day, timezone: Europe/Berln}", "did you mean 'Europe/Berlin'?"),
        ("{amount: 1, period: day, timezone: ../etc/passwd}", "there is no time zone '../etc/passwd'"),
        ("{amount: 1, period: day, alert_at: 0%}", "budget.alert_at: endpoint 'a': must be above"),
        ("{amount: 1, period: day, alert_at: 120%}", "must be from 0% to 100%"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(loaded, budget, message):
    with pytest.raises(ConfigError) as caught:
        loaded(config(budget))

    assert message in str(caught.value)
