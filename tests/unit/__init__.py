# SPDX-License-Identifier: Apache-2.0
"""Tests that need no service."""

import gc

# As for the functional tests: to look for garbage takes a sixth of the time.
gc.set_threshold(100_000, 50, 100)

try:
    import hypothesis
except ImportError:
    # Tests on real services use what is here, and have no such library.
    pass
else:
    # How fast examples are made says how busy the machine is, and nothing
    # about the code.
    hypothesis.settings.register_profile(
        'dcn', deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.load_profile('dcn')
