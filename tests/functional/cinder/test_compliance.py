# SPDX-License-Identifier: Apache-2.0
"""Cinder's own compliance tests of volume drivers, with our class among them.

Cinder's module lists the registered drivers when it is imported; importing
ours before registers it. Upstream's other drivers are found by a path relative
to Cinder's tree and are not of interest here.
"""

import unittest

from dcn_plugins.cinder import rbd_driver  # noqa: H306  registers the class

from cinder.tests.compliance import test_volume_drivers


class ComplianceTest(test_volume_drivers.TestVolumeDrivers):
    """Upstream's tests, one for each registered driver."""


class OurClassTest(unittest.TestCase):

    def test_our_class_is_among_those_that_were_tested(self):
        drivers = [info.cls for info in test_volume_drivers.VOLUME_DRIVERS]
        self.assertIn(rbd_driver.DCNRBDDriver, drivers)
        tests = [name for name in dir(ComplianceTest)
                 if name.startswith('test_volume_driver_compliance')]
        self.assertEqual(len(drivers), len(tests))
