"""What is kept for how long: all versions for a day, then one a day for a month."""

from hypothesis import given
from hypothesis import strategies as st

from homestow.server.rules.retention import DAY_NS, HOUR_NS, Kept, Retention, older_than, versions_to_drop

NOW = 20_000 * DAY_NS + 15 * HOUR_NS
POLICY = Retention()


def kept(*ages_h: int) -> list[Kept]:
    """Versions replaced so many hours ago; the oldest has rev 1."""
    return [Kept(rev, NOW - age * HOUR_NS) for rev, age in enumerate(sorted(ages_h, reverse=True), 1)]


def test_everything_of_the_last_day_stays() -> None:
    """However many versions a day made, all of them can be brought back within 24 hours."""
    assert versions_to_drop(kept(*range(24)), POLICY, NOW) == []


def test_older_days_keep_their_last_version() -> None:
    """Of a day that is over, the newest version stays and the others go."""
    versions = kept(48, 47, 46, 72)

    assert versions_to_drop(versions, POLICY, NOW) == [2, 3]


def test_after_a_month_they_go() -> None:
    """Nothing is kept for longer than the setting says."""
    assert versions_to_drop(kept(24 * 30, 24 * 30 - 1, 24 * 40), POLICY, NOW) == [1, 2]


def test_zero_days_keep_nothing() -> None:
    """Whoever wants no versions gets none."""
    assert versions_to_drop(kept(0, 5), Retention(all_versions_ns=0, daily_versions_ns=0), NOW) == [1, 2]


def test_a_version_from_the_future_stays() -> None:
    """A clock that ran wrong never costs a version."""
    assert versions_to_drop(kept(-500), POLICY, NOW) == []


@given(st.lists(st.integers(-100, 24 * 40), max_size=60, unique=True), st.integers(0, 48))
def test_running_again_later_drops_no_day_that_was_promised(ages: list[int], later_h: int) -> None:
    """The choice is settled: at once again it drops nothing, and each day within the month keeps one version."""
    versions = kept(*ages)
    left = [one for one in versions if one.rev not in versions_to_drop(versions, POLICY, NOW)]
    assert versions_to_drop(left, POLICY, NOW) == []

    later = NOW + later_h * HOUR_NS
    still = [one for one in left if one.rev not in versions_to_drop(left, POLICY, later)]
    young = {one.replaced_ns // DAY_NS for one in left if later - one.replaced_ns < POLICY.daily_versions_ns}
    assert young <= {one.replaced_ns // DAY_NS for one in still}


def test_times_never_go_below_zero() -> None:
    """A machine without a clock battery starts in 1970 and drops nothing."""
    assert older_than(DAY_NS, 5) == 0
    assert older_than(DAY_NS, DAY_NS + 7) == 7
