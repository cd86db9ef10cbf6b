"""Settings that every test shares."""

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

# what XLA compiles is compiled once, for the workers of a run and for all commands that they start; not for other runs
_COMPILED = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _COMPILED = tempfile.mkdtemp(prefix="nce-tests-compiled-")
    os.environ |= {"JAX_COMPILATION_CACHE_DIR": _COMPILED, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}


def pytest_unconfigure(config):
    """Workers have the folder from the process that began the run, whose end it is the end of."""
    if _COMPILED is not None and not hasattr(config, "workerinput"):
        shutil.rmtree(_COMPILED, ignore_errors=True)


# the same examples on every machine; explore with HYPOTHESIS_PROFILE=random
settings.register_profile(
    "fixed", derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("random", deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
