"""What all tests of the repository share: the servers, and that no test is timed."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

SLOW_OR_LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
settings.register_profile("untimed", deadline=None, suppress_health_check=SLOW_OR_LARGE)
settings.load_profile("untimed")
