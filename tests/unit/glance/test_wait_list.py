# SPDX-License-Identifier: Apache-2.0

import collections

import testtools

from dcn_plugins.glance import wait_list

Request = collections.namedtuple('Request', 'image_id turn', defaults=(0,))


class WaitListTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.list = wait_list.WaitList(3)
        self.a = Request('a')
        self.b = Request('b')

    def take(self, now):
        request = self.list.take(now)
        return request and request.image_id

    def test_earliest_first_and_not_before_its_time(self):
        self.list.add(self.a, 20.0)
        self.list.add(self.b, 10.0)
        self.assertEqual(10.0, self.list.next_due())
        self.assertIsNone(self.take(9.9))
        self.assertEqual('b', self.take(10.0))
        self.assertIsNone(self.take(19.9))
        self.assertEqual('a', self.take(30.0))
        self.assertIsNone(self.list.next_due())

    def test_same_time_is_first_come_first_served(self):
        for name in 'cab':
            self.list.add(Request(name), 1.0)
        self.assertEqual(['c', 'a', 'b'], [self.take(1.0) for _ in 'cab'])

    def test_image_that_waits_is_not_added_again(self):
        self.assertTrue(self.list.add(self.a, 5.0))
        self.assertTrue(self.list.add(Request('a', 1), 1.0))
        self.assertEqual(1, len(self.list))
        self.assertIsNone(self.take(1.0))
        self.assertEqual('a', self.take(5.0))
        self.assertIsNone(self.take(99.0))

    def test_full_list_takes_only_what_it_has(self):
        for name in 'abc':
            self.assertTrue(self.list.add(Request(name), 1.0))
        self.assertFalse(self.list.add(Request('d'), 1.0))
        self.assertTrue(self.list.add(Request('b'), 1.0))

    def test_request_in_hand_counts(self):
        for name in 'abc':
            self.list.add(Request(name), 1.0)
        first = self.list.take(1.0)
        self.assertFalse(self.list.add(Request('d'), 1.0))
        self.list.finish(first)
        self.assertTrue(self.list.add(Request('d'), 1.0))

    def test_change_while_in_hand_waits_anew_after_finish(self):
        self.list.add(self.a, 1.0)
        request = self.list.take(1.0)
        self.assertTrue(self.list.add(Request('a', 1), 2.0))
        self.assertIsNone(self.take(9.0))
        self.list.finish(request)
        self.assertEqual(Request('a', 1), self.list.take(2.0))

    def test_change_while_in_hand_is_seen_by_the_next_look(self):
        self.list.add(self.a, 1.0)
        request = self.list.take(1.0)
        self.list.add(Request('a', 1), 2.0)
        self.list.put_back(request, 5.0)
        self.assertIs(request, self.list.take(5.0))
        self.list.finish(request)
        self.assertEqual(0, len(self.list))

    def test_dropped_image_is_skipped(self):
        self.list.add(self.a, 1.0)
        self.list.add(self.b, 2.0)
        self.list.drop('a')
        self.list.drop('never heard of')
        self.assertEqual(2.0, self.list.next_due())
        self.assertEqual('b', self.take(2.0))

    def test_dropped_and_added_again_has_its_new_time(self):
        self.list.add(self.a, 1.0)
        self.list.drop('a')
        self.list.add(Request('a', 1), 7.0)
        self.assertIsNone(self.take(6.0))
        self.assertEqual('a', self.take(7.0))

    def test_image_dropped_while_in_hand_is_not_put_back(self):
        self.list.add(self.a, 1.0)
        request = self.list.take(1.0)
        self.list.add(Request('a', 1), 2.0)
        self.list.drop('a')
        self.list.put_back(request, 3.0)
        self.assertEqual(0, len(self.list))
        self.assertIsNone(self.take(99.0))
