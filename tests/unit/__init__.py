# SPDX-License-Identifier: Apache-2.0
"""Tests that need no service."""

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
