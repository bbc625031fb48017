"""What every test shares: property tests that give the same cases on every machine and every run."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Cases come from the test's own source, so a failure seen once is seen again; slowness is pytest-timeout's business.
settings.register_profile(
    "check", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# HYPOTHESIS_PROFILE=explore looks for new cases instead.
settings.register_profile("explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After simulated schedules: which situations they met."""
    from tests.simulation.situations import PROPERTY, summary

    reports = [report for group in ("passed", "failed") for report in terminalreporter.stats.get(group, ())]
    told = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    for line in summary(told):
        terminalreporter.write_line(f"simulation: {line}")
