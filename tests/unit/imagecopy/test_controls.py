# SPDX-License-Identifier: Apache-2.0
"""Who goes first, and how fast."""

import testtools

from dcn_plugins.imagecopy import controls
from dcn_plugins.imagecopy import request as requests


def request(image_id, priority, *stores):
    return requests.CopyRequest(image_id, image_id, (), tuple(
        requests.Place(store, '', '', '') for store in stores),
        priority=priority)


BOOT = request('boot', requests.Priority.BOOT, 'a')
USER = request('user', requests.Priority.USER, 'a', 'b')
PREFETCH = request('prefetch', requests.Priority.PREFETCH, 'b')


class OrdersTest(testtools.TestCase):

    def test_a_boot_goes_first(self):
        found = controls.orders([PREFETCH, BOOT, USER], set(), None, {})
        self.assertEqual([True, False, True],
                         [order.is_paused for order in found])

    def test_one_that_is_paused_holds_nobody_up(self):
        found = controls.orders([PREFETCH, BOOT, USER], {'boot'}, None, {})
        self.assertEqual([True, True, False],
                         [order.is_paused for order in found])

    def test_those_that_go_share(self):
        found = controls.orders([USER, USER, PREFETCH], set(), 100, {'a': 50})
        self.assertEqual([50.0, 50.0], [order.total for order in found[:2]])
        self.assertEqual([{'a': 25.0}] * 2,
                         [order.stores for order in found[:2]])


class ControlsTest(testtools.TestCase):

    def test_all_are_told_of_each_change(self):
        found = controls.Controls()
        told = {'user': [], 'boot': []}
        user = found.enter(USER, told['user'].append)
        found.set_rates(total=10, stores={'b': 4})
        boot = found.enter(BOOT, told['boot'].append)
        found.leave(boot)
        found.pause('user')
        found.resume('user')
        found.leave(user)
        self.assertEqual([False, False, True, False, True, False],
                         [order.is_paused for order in told['user']])
        self.assertEqual({'b': 4.0}, told['user'][-1].stores)
        self.assertEqual([10.0], [order.total for order in told['boot']])
