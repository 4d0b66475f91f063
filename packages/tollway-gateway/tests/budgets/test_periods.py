from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.budgets.periods import window_at

ZONES = st.sampled_from(
    [
        *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo"),
        *("America/Sao_Paulo", "America/Havana", "Pacific/Apia", "America/St_Johns", "Asia/Beirut"),
    ]
).map(ZoneInfo)
MOMENTS = st.integers(min_value=0, max_value=4_000_000_000)


CASES = """
day   UTC              2026-11-30T23:59:59+00:00  2026-11-30T00:00:00+00:00  2026-12-01T00:00:00+00:00   24
day   Europe/Berlin    2026-03-29T12:00:00+02:00  2026-03-29T00:00:00+01:00  2026-03-30T00:00:00+02:00   23
day   Europe/Berlin    2026-10-25T12:00:00+01:00  2026-10-25T00:00:00+02:00  2026-10-26T00:00:00+01:00   25
day   Asia/Kolkata     2026-11-30T18:30:00+00:00  2026-12-01T00:00:00+05:30  2026-12-02T00:00:00+05:30   24
week  America/New_York 2026-11-01T12:00:00-05:00  2026-10-26T00:00:00-04:00  2026-11-02T00:00:00-05:00  169
month UTC              2028-02-29T00:00:00+00:00  2028-02-01T00:00:00+00:00  2028-03-01T00:00:00+00:00  696
month UTC              2026-12-31T23:00:00+00:00  2026-12-01T00:00:00+00:00  2027-01-01T00:00:00+00:00  744
day   Asia/Beirut      2026-03-29T12:00:00+03:00  2026-03-29T01:00:00+03:00  2026-03-30T00:00:00+03:00   23
day   America/Havana   2026-11-01T00:30:00-05:00  2026-11-01T00:00:00-04:00  2026-11-02T00:00:00-05:00   25
"""
"""In Beirut midnight does not exist that day, in Havana it comes twice: the day begins with the first."""


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_a_period_is_one_of_the_calendar(case):
    """Days of daylight saving time have 23 or 25 hours, weeks begin on Monday."""
    period, name, moment, first, last, hours = case.split()
    zone = ZoneInfo(name)

    start_s, end_s = window_at(period, zone, datetime.fromisoformat(moment).timestamp())

    assert [first, last] == [datetime.fromtimestamp(s, zone).isoformat() for s in (start_s, end_s)]
    assert timedelta(hours=int(hours)) == timedelta(seconds=end_s - start_s)


@given(st.sampled_from(["day", "week", "month"]), ZONES, MOMENTS)
def test_periods_follow_one_another_without_a_gap(period, zone, now_s):
    """Every moment lies in one, and the next begins where it ends."""
    start_s, end_s = window_at(period, zone, now_s)

    assert start_s <= now_s < end_s
    assert (start_s, end_s) == window_at(period, zone, start_s) == window_at(period, zone, end_s - 1)
    assert end_s == window_at(period, zone, end_s).start_s
