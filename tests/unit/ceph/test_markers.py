# SPDX-License-Identifier: Apache-2.0
"""Markers on the fake RADOS: its contract, every order, lost answers."""

import errno
import itertools

import testtools

from dcn_plugins.ceph import markers
from dcn_plugins import exceptions
from tests.contracts import marker_contract
from tests.fakes import rados


class FakeMarkersTest(marker_contract.MarkerContract, testtools.TestCase):

    def setUp(self):
        self.rados = rados
        self.object = markers.OBJECT
        self.cluster = rados.Cluster()
        super().setUp()

    def ioctx(self):
        return self.cluster.client().open_ioctx('volumes')


class KeysTest(testtools.TestCase):

    def test_keys(self):
        self.assertEqual(('a', 'b/c1'),
                         markers.keys('c1', {'a': 'x', 'b': 's'}))

    def test_what_could_be_taken_for_another_key(self):
        for claim_id, wishes in (
                ('c1', {'a/b': 'x'}), ('c1', {'': 'x'}), ('c/1', {'a': 's'}),
                ('', {'a': 's'}), ('c1', {'a': 'w'}), ('c1', {'a': None})):
            self.assertRaises(ValueError, markers.keys, claim_id, wishes)


class MarkersTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.cluster = rados.Cluster()
        self.ioctxs = [self.cluster.client().open_ioctx('volumes')
                       for _number in range(2)]
        self.one, self.other = (
            markers.Markers(ioctx, rados=rados) for ioctx in self.ioctxs)


class OrderTest(MarkersTestCase):
    """Another claim begins, or ends, between any two requests of ours."""

    def test_never_both_and_nothing_of_who_gives_way(self):
        ended = set()
        for one, other, number, is_ended in itertools.product(
                'xs', 'xs', range(4), (False, True)):
            self.cluster.objects.clear()
            if is_ended:
                self.other.begin('c2', {'a': other}, 'two')
            between = []

            def before(now, wanted=number, mode=other, is_ended=is_ended,
                       seen=between):
                if now == wanted:
                    seen.append(
                        self.other.end('c2', {'a': mode}, 'two') if is_ended
                        else self.other.begin('c2', {'a': mode}, 'two'))

            ours = self.begin_with(before, one)
            left = self.one.everything()
            if is_ended:
                self.assertEqual([True] * len(between), between)
                ended.add((one, other, number, bool(ours), bool(between)))
            elif between and one + other != 'ss':
                self.assertTrue(ours or between[0], (one, other, number))
            self.assertEqual(
                'one' in left.values(), not ours, (one, other, number, left))
        # Who has ended before our second look is not in the way.
        self.assertIn(('x', 'x', 1, False, True), ended)
        self.assertIn(('x', 's', 1, False, True), ended)

    def begin_with(self, before, mode):
        ioctx = self.cluster.client().open_ioctx('volumes')
        ioctx.before = before
        return markers.Markers(ioctx, rados=rados).begin(
            'c1', {'a': mode}, 'one')

    def test_a_marker_that_comes_in_our_retry_stays(self):
        self.one.begin('c0', {'a': 'x'}, 'zero')

        def before(number):
            # We were refused, look, and try again.
            if number == 1:
                self.other.end('c0', {'a': 'x'}, 'zero')
            elif number == 2:
                self.other.begin('c2', {'a': 'x'}, 'two')

        self.assertEqual({'a': 'two'}, self.begin_with(before, 'x'))
        self.assertEqual({'a': 'two'}, self.one.everything())

    def test_who_came_after_us_is_left_alone(self):
        self.one.begin('c0', {'a': 's'}, 'zero')

        def before(number):
            # We have written, and are to give way: somebody fences us.
            if number == 2:
                self.other.begin('c2', {'a': 'x'}, 'two', {
                    'a': 'one', 'a/c0': 'zero'})

        self.assertEqual({'a/c0': 'zero'}, self.begin_with(before, 'x'))
        self.assertEqual({'a': 'two'}, self.one.everything())

    def test_what_changes_all_the_time_is_given_up(self):
        def before(number):
            if number % 2:
                self.other.end('c2', {'a': 'x'}, 'two')
            else:
                self.other.begin('c2', {'a': 'x'}, 'two')

        error = self.assertRaises(exceptions.CephRefused, self.begin_with,
                                  before, 'x')
        self.assertIs(exceptions.Outcome.NOTHING_DONE, error.outcome)


class FailureTest(MarkersTestCase):

    def fault(self, code, is_done=False):
        fault = rados.OSError('something', code)
        fault.is_done = is_done
        return fault

    def assertUnknown(self, call):
        error = self.assertRaises(exceptions.ClusterUnreachable, call,
                                  'c1', {'a': 'x'}, 'one')
        self.assertIs(exceptions.Outcome.UNKNOWN, error.outcome)
        self.assertIsInstance(error.__cause__, rados.OSError)

    def test_no_answer_to_begin(self):
        for is_done in (False, True):
            self.ioctxs[0].faults = [self.fault(errno.ETIMEDOUT, is_done)]
            self.assertUnknown(self.one.begin)
            self.assertEqual({'a': 'one'} if is_done else {},
                             self.other.everything())
            self.assertEqual({}, self.one.begin('c1', {'a': 'x'}, 'one'))
            self.one.end('c1', {'a': 'x'}, 'one')

    def test_no_answer_to_end(self):
        for is_done in (False, True):
            self.one.begin('c1', {'a': 'x'}, 'one')
            self.ioctxs[0].faults = [self.fault(errno.ETIMEDOUT, is_done)]
            self.assertUnknown(self.one.end)
            self.assertEqual({} if is_done else {'a': 'one'},
                             self.other.everything())
            self.assertEqual(not is_done,
                             self.one.end('c1', {'a': 'x'}, 'one'))

    def test_no_answer_to_a_look(self):
        self.ioctxs[0].faults = [self.fault(errno.ETIMEDOUT)]
        self.assertRaises(exceptions.ClusterUnreachable, self.one.everything)
        self.ioctxs[0].faults = [self.fault(errno.ETIMEDOUT)]
        self.assertRaises(exceptions.ClusterUnreachable, self.one.present,
                          ['a'])

    def test_our_client_was_cut_off(self):
        self.one.begin('c1', {'a': 'x'}, 'one')
        client = self.cluster.client()
        own = markers.Markers(client.open_ioctx('volumes'), rados=rados)
        self.cluster.blocklist.add(client.address)
        for call in (lambda: own.begin('c2', {'b': 'x'}, 'two'),
                     lambda: own.end('c1', {'a': 'x'}, 'one'),
                     own.everything):
            error = self.assertRaises(exceptions.Fenced, call)
            self.assertIs(exceptions.Outcome.PARTIAL, error.outcome)
        self.assertEqual({'a': 'one'}, self.one.everything())

    def test_we_may_not(self):
        self.ioctxs[0].faults = [self.fault(errno.EACCES)]
        error = self.assertRaises(exceptions.CephRefused, self.one.begin,
                                  'c1', {'a': 'x'}, 'one')
        self.assertEqual(errno.EACCES, error.errno)

    def test_the_pool_is_gone(self):
        self.ioctxs[0].faults = [
            rados.ObjectNotFound('no such pool', errno.ENOENT)]
        self.assertRaises(exceptions.CephRefused, self.one.begin,
                          'c1', {'a': 'x'}, 'one')

    def test_what_is_no_text_is_in_the_way(self):
        self.one.begin('c1', {'a': 'x'}, 'one')
        self.cluster.objects[markers.OBJECT]['b'] = b'\xff'
        self.assertEqual({'b': '\\xff'}, self.one.begin(
            'c2', {'b': 'x'}, 'two'))

    def test_the_end_of_nothing_makes_no_object(self):
        self.assertFalse(self.one.end('c1', {'a': 'x'}, 'one'))
        self.assertEqual({}, self.cluster.objects)

    def test_requests_go_where_they_are_sent(self):
        calls = []

        def run(function, *args):
            calls.append(function.__name__)
            return function(*args)

        own = markers.Markers(self.ioctxs[0], run, rados)
        own.begin('c1', {'a': 's'}, 'one')
        self.assertEqual(['operate_write_op'], calls)
        own.begin('c2', {'b': 'x', 'c': 'x'}, 'two')
        self.assertEqual(['operate_write_op', 'operate_read_op'], calls[1:])
        own.begin('c3', {'b': 'x'}, 'three', {'b': 'two', 'a/c1': 'one'})
        self.assertEqual(['operate_write_op', 'operate_read_op'], calls[3:])
        own.end('c3', {'b': 'x'}, 'three', {'c': 'two'})
        self.assertEqual(['operate_write_op'], calls[5:])
