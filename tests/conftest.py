"""What every test shares: property tests that give the same cases on every machine and every run."""

import os

from hypothesis import HealthCheck, settings

# Cases come from the test's own source, so a failure seen once is seen again; slowness is pytest-timeout's business.
settings.register_profile(
    "check", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# HYPOTHESIS_PROFILE=explore looks for new cases instead.
settings.register_profile("explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))
