# SPDX-License-Identifier: Apache-2.0
"""What markers promise; on the fake RADOS and on a real pool.

Mix into a test case that sets ``self.rados``, the module, ``self.object``, a
name that nobody else uses, and has ``ioctx()``, which returns the I/O context
of another client each time.
"""

import errno

from dcn_plugins.ceph import markers
from dcn_plugins import exceptions
from dcn_plugins import native

# Of eventlet's threads only one would run while Ceph works.
threading = native.module('threading')

WAIT_SECONDS = 300

# Of each thread; more than it takes to see that something is wrong.
TURNS = 10


class MarkerContract:

    def setUp(self):
        super().setUp()
        self.one = self.markers()
        self.other = self.markers()

    def markers(self):
        return markers.Markers(self.ioctx(), rados=self.rados,
                               name=self.object)

    def begin(self, claim_id, wishes, replace=None):
        return self.one.begin(claim_id, wishes, f'record {claim_id}', replace)

    def end(self, claim_id, wishes, also=None):
        return self.one.end(claim_id, wishes, f'record {claim_id}', also)

    def assertMarked(self, **found):
        self.assertEqual({key.replace('_', '/'): f'record {claim_id}'
                          for key, claim_id in found.items()},
                         self.other.everything())

    def test_nothing_is_there_before_the_first(self):
        self.assertEqual({}, self.one.everything())
        self.assertEqual({}, self.one.present(['a', 'b/c1']))
        self.assertEqual({}, self.one.present([]))
        self.assertFalse(self.end('c1', {'a': 'x'}))

    def test_who_has_looked_before_is_told_of_any_change(self):
        self.assertIsNone(self.one.version())
        self.begin('c1', {'a': 'x'})
        seen = self.one.version()
        self.assertEqual(seen, self.other.version())
        self.assertEqual({}, self.one.begin('c2', {'b': 'x'}, 'record c2',
                                            version=seen))
        # Also who has come and gone meanwhile.
        seen = self.one.version()
        self.other.begin('c3', {'c': 's'}, 'record c3')
        self.other.end('c3', {'c': 's'}, 'record c3')
        self.assertIsNone(self.one.begin('c4', {'d': 's'}, 'record c4',
                                         version=seen))
        self.assertMarked(a='c1', b='c2')
        seen = self.one.version()
        # Those in the way are asked for without it.
        self.assertIsNone(self.one.begin('c4', {'b': 'x'}, 'record c4',
                                         version=seen))
        self.assertEqual({'b': 'record c2'}, self.one.begin(
            'c4', {'b': 'x'}, 'record c4'))

    def test_begin_and_end(self):
        wishes = {'a': 'x', 'b': 's'}
        self.assertEqual({}, self.begin('c1', wishes))
        self.assertMarked(a='c1', b_c1='c1')
        self.assertEqual({'a': 'record c1'},
                         self.other.present(['a', 'b', 'b/c2']))
        self.assertTrue(self.end('c1', wishes))
        self.assertMarked()

    def test_both_can_be_repeated(self):
        wishes = {'a': 'x', 'b': 's'}
        self.begin('c1', wishes)
        self.assertEqual({}, self.begin('c1', wishes))
        self.assertMarked(a='c1', b_c1='c1')
        self.assertTrue(self.end('c1', wishes))
        self.assertFalse(self.end('c1', wishes))

    def test_texts_of_any_kind(self):
        record = r'{"host": "dcn0-v\u00f6l-0@ceph#' + "'" + 'x' * 5000
        name = 'dcn:image:%2F:%C3%A4'
        self.one.begin('c1', {name: 'x'}, record)
        self.assertEqual({name: record}, self.other.everything())
        self.assertTrue(self.one.end('c1', {name: 'x'}, record))
        self.assertMarked()

    def test_what_cannot_be_compared_is_refused(self):
        for name, record in (('a', ''), ('a', '\xe4'), ('\xe4', 'a')):
            self.assertRaises(ValueError, self.one.begin, 'c1', {name: 'x'},
                              record)
        self.assertMarked()

    def test_exclusive_keeps_all_others_off(self):
        self.begin('c1', {'a': 'x'})
        for wishes in ({'a': 'x'}, {'a': 's'}, {'b': 'x', 'a': 's'},
                       {'b': 's', 'a': 'x'}):
            self.assertEqual({'a': 'record c1'}, self.begin('c2', wishes))
            self.assertMarked(a='c1')

    def test_shared_keeps_exclusive_ones_off(self):
        self.begin('c1', {'a': 's'})
        self.assertEqual({}, self.begin('c2', {'a': 's'}))
        self.assertEqual({'a/c1': 'record c1', 'a/c2': 'record c2'},
                         self.begin('c3', {'a': 'x', 'b': 'x', 'c': 's'}))
        self.assertMarked(a_c1='c1', a_c2='c2')
        # Who has given way is not in the way.
        self.assertEqual({}, self.begin('c4', {'a': 's', 'b': 's'}))

    def test_names_that_begin_alike_are_others(self):
        self.begin('c1', {'a': 's'})
        self.begin('c2', {'ab': 's', 'b': 's'})
        self.assertEqual({}, self.begin('c3', {'abc': 'x'}))
        self.assertEqual({'ab/c2': 'record c2'}, self.begin('c4', {'ab': 'x'}))

    def test_what_was_fenced_is_replaced(self):
        self.begin('c1', {'a': 'x', 'b': 'x'})
        self.begin('c2', {'c': 's', 'd': 's'})
        replace = {'a': 'record c1', 'c/c2': 'record c2', 'z': 'not there'}
        self.assertEqual({}, self.begin('c3', {'a': 'x', 'c': 'x'}, replace))
        self.assertMarked(a='c3', b='c1', c='c3', d_c2='c2')
        self.assertEqual({}, self.begin('c4', {'b': 's'}, {'b': 'record c1'}))
        self.assertMarked(a='c3', b_c4='c4', c='c3', d_c2='c2')

    def test_what_has_changed_is_not_replaced(self):
        self.begin('c1', {'a': 'x'})
        self.assertEqual({'a': 'record c1'}, self.begin(
            'c2', {'a': 'x'}, {'a': 'record c0'}))
        self.assertEqual({'a': 'record c1'}, self.begin(
            'c2', {'a': 's'}, {'a': 'record c0', 'b': 'record c0'}))
        self.begin('c3', {'b': 's'})
        self.assertEqual({}, self.begin(
            'c4', {'c': 'x'}, {'b/c3': 'record c0'}))
        self.assertMarked(a='c1', b_c3='c3', c='c4')

    def test_what_was_to_be_replaced_stays_if_others_are_in_the_way(self):
        self.begin('c1', {'a': 's', 'b': 'x', 'c': 's'})
        self.begin('c2', {'a': 's'})
        replace = {'a/c1': 'record c1', 'b': 'record c1', 'c/c1': 'record c1'}
        self.assertEqual({'a/c2': 'record c2'}, self.begin(
            'c3', {'a': 'x', 'b': 'x', 'd': 's'}, replace))
        self.assertMarked(a_c1='c1', a_c2='c2', b='c1', c_c1='c1')

    def test_what_has_gone_is_not_put_back(self):
        self.begin('c1', {'a': 's'})
        self.assertEqual({'a/c1': 'record c1'}, self.begin(
            'c2', {'a': 'x'}, {'b': 'record c0', 'c/c0': 'record c0'}))
        self.assertMarked(a_c1='c1')

    def test_only_own_markers_are_ended(self):
        wishes = {'a': 'x', 'b': 's'}
        self.begin('c1', wishes)
        self.assertFalse(self.end('c2', wishes))
        self.assertFalse(self.one.end('c1', wishes, 'another record'))
        self.assertMarked(a='c1', b_c1='c1')
        # Somebody took over.
        self.begin('c3', {'a': 'x'}, {'a': 'record c1'})
        self.assertFalse(self.end('c1', wishes))
        self.assertMarked(a='c3')

    def test_those_of_claims_that_were_ended_go_too(self):
        self.begin('c1', {'b': 'x'})
        self.begin('c2', {'c': 's'})
        self.begin('c3', {'a': 'x'})
        self.assertTrue(self.end('c3', {'a': 'x'}, {'b': 'record c1'}))
        self.assertFalse(self.end('c3', {}, {
            'c/c2': 'record c2', 'd': 'record c2'}))
        self.assertMarked()

    def test_many(self):
        # More than an OSD returns at once.
        self.begin('c1', {f'a{number:04}': 's' for number in range(1100)})
        self.begin('c2', {'b': 'x'})
        found = self.other.everything()
        self.assertEqual(1101, len(found))
        self.assertEqual('record c2', found['b'])
        self.assertEqual(
            ['a0000/c1', 'a0001/c1'], sorted(self.one.everything(limit=2)))
        self.assertEqual(600, len(self.one.everything(limit=600)))

    def test_who_excludes_each_other_is_never_told_to_begin_together(self):
        seen = _Seen()
        threads = [threading.Thread(
            target=seen.play, args=(self.markers(), number, mode))
            for number, mode in enumerate('xxsss')]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        self.assertEqual([], seen.faults)
        # All of them had their turns.
        self.assertGreaterEqual(min(seen.turns.values()), TURNS)
        self.assertMarked()


class _Seen:
    """Who is inside at the same time."""

    def __init__(self):
        self.faults = []
        self.turns = dict.fromkeys(range(5), 0)
        self._lock = threading.Lock()
        self._inside = []

    def play(self, own, number, mode):
        try:
            for turn in range(10000):
                claim_id = f'c{number}-{turn}'
                if self._is_begun(own, claim_id, mode):
                    self._enter(mode)
                    # Something that takes a while.
                    own.present(['a'])
                    self._leave(mode)
                    if not own.end(claim_id, {'a': mode}, claim_id):
                        self.faults.append(f'{claim_id} was gone')
                    self.turns[number] += 1
                if min(self.turns.values()) >= TURNS:
                    return
        # The test shows it.
        except Exception as exc:
            self.faults.append(repr(exc))

    @staticmethod
    def _is_begun(own, claim_id, mode):
        try:
            return not own.begin(claim_id, {'a': mode}, claim_id)
        except exceptions.CephRefused as exc:
            # Here they do change all the time: nobody holds a lock.
            if exc.errno == errno.EAGAIN:
                return False
            raise

    def _enter(self, mode):
        with self._lock:
            self._inside.append(mode)
            if 'x' in self._inside and len(self._inside) > 1:
                self.faults.append(''.join(self._inside))

    def _leave(self, mode):
        with self._lock:
            self._inside.remove(mode)
