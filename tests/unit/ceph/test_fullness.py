# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.ceph import fullness


def check(text, *details, count=None):
    """Return a check as Ceph 16.2 and later tell it."""
    return {'severity': 'HEALTH_WARN', 'muted': False,
            'summary': {'message': text,
                        'count': len(details) if count is None else count},
            'detail': [{'message': detail} for detail in details]}


class ReasonTest(unittest.TestCase):

    def test_nothing(self):
        self.assertIsNone(fullness.reason({
            'POOL_NO_REDUNDANCY': check('1 pool(s) have no replicas')},
            'images'))

    def test_an_osd(self):
        self.assertEqual('1 full osd(s)', fullness.reason(
            {'OSD_FULL': check('1 full osd(s)', 'osd.0 is full')}, 'images'))

    def test_the_pool_and_another_one(self):
        checks = {'POOL_FULL': check(
            '2 pool(s) full', "pool 'images2' is full (no space)",
            "pool 'images' is full (running out of quota)")}
        self.assertEqual("pool 'images' is full (running out of quota)",
                         fullness.reason(checks, 'images'))

    def test_another_pool(self):
        checks = {'POOL_FULL': check(
            '1 pool(s) full', "pool 'images2' is full (no space)")}
        self.assertIsNone(fullness.reason(checks, 'images'))

    def test_not_all_are_told(self):
        checks = {'POOL_FULL': check(
            '51 pool(s) full', "pool 'images2' is full (no space)", count=51)}
        self.assertEqual('51 pool(s) full',
                         fullness.reason(checks, 'images'))

    def test_all(self):
        checks = {'OSD_FULL': check('1 full osd(s)', 'osd.0 is full'),
                  'POOL_FULL': check('1 pool(s) full',
                                     "pool 'images' is full (no space)")}
        self.assertEqual("1 full osd(s); pool 'images' is full (no space)",
                         fullness.reason(checks, 'images'))
