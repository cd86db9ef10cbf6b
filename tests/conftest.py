"""Settings that every test shares."""

import os

from hypothesis import HealthCheck, settings

# the same examples on every machine; explore with HYPOTHESIS_PROFILE=random
settings.register_profile(
    "fixed", derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("random", deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
