# SPDX-License-Identifier: Apache-2.0

import collections
import random

import testtools

from tests.bench import driver_names as names
from tests.bench import leak_family


class Database:
    """What a real one would say of each request, from its own books."""

    def __init__(self):
        self.volumes = {}
        self.snapshots = {}
        self.asked = collections.Counter()

    def begin(self, request):
        """Raise KeyError or AssertionError for what Cinder refuses."""
        body, operation = request.body, request.operation
        self.asked[operation] += 1
        name = body['volume']['name_id']
        if operation == names.CREATE:
            self.volumes[name] = 'available'
        elif operation == names.CLONE:
            assert self.volumes[body['source']['name_id']] == 'available'
            assert body['volume']['size'] >= body['source']['size']
            self.volumes[name] = 'creating'
        elif operation == names.FROM_SNAPSHOT:
            assert self.snapshots[body['snapshot']][1] == 'available'
            self.volumes[name] = 'creating'
        elif operation == names.SNAPSHOT:
            assert self.volumes[name] == 'available'
            self.snapshots[body['snapshot']] = name, 'creating'
        elif operation == names.EXTEND:
            assert self.volumes[name] == 'available'
            assert body['size'] == body['volume']['size'] + 1
            self.volumes[name] = 'extending'
        elif operation == names.DELETE_SNAPSHOT:
            of, state = self.snapshots[body['snapshot']]
            assert (of, state) == (name, 'available')
            self.snapshots[body['snapshot']] = of, 'deleting'
        else:
            assert self.volumes[name] == 'available'
            assert name not in {of for of, _state
                                in self.snapshots.values()}
            self.volumes[name] = 'deleting'

    def end(self, request):
        """Take note that it was done."""
        body, operation = request.body, request.operation
        name = body['volume']['name_id']
        if operation == names.DELETE:
            del self.volumes[name]
        elif operation == names.DELETE_SNAPSHOT:
            del self.snapshots[body['snapshot']]
        elif operation == names.SNAPSHOT:
            self.snapshots[body['snapshot']] = name, 'available'
        else:
            self.volumes[name] = 'available'


def play(seed, operations, most=8, lanes=12):
    """Play a whole run with requests that overlap; return its database."""
    order = random.Random(-seed)
    family = leak_family.Family(random.Random(seed), operations, most)
    database, going = Database(), []
    while not family.is_over:
        request = family.next() if len(going) < lanes else None
        if request is not None:
            database.begin(request)
            going.append(request)
        if request is None or order.random() < 0.5:
            done = going.pop(order.randrange(len(going)))
            database.end(done)
            family.done(done, leak_family.DONE)
    return database


class LeakFamilyTest(testtools.TestCase):

    def test_only_what_cinder_lets_pass_and_all_is_deleted(self):
        for seed in range(20):
            database = play(seed, 200)
            self.assertEqual(({}, {}),
                             (database.volumes, database.snapshots))
            self.assertGreaterEqual(database.asked.total(), 200)
            self.assertEqual(7, len(database.asked))

    def made(self):
        family = leak_family.Family(random.Random(1), 1)
        request = family.next()
        self.assertEqual(names.CREATE, request.operation)
        return family, request

    def test_what_has_failed_is_deleted(self):
        family, request = self.made()
        family.done(request, leak_family.FAILED)
        deletion = family.next()
        self.assertEqual((names.DELETE, request.target),
                         (deletion.operation, deletion.target))

    def test_a_source_that_is_gone_leaves_nothing_to_delete(self):
        family, request = self.made()
        family.done(request, leak_family.GONE)
        self.assertTrue(family.is_over)
        self.assertEqual([], family.stranded)

    def test_a_deletion_is_given_up_in_the_end(self):
        for outcome in (leak_family.BUSY, leak_family.FAILED,
                        leak_family.DIED):
            family, request = self.made()
            family.done(request, leak_family.DONE)
            for _try in range(3):
                self.assertFalse(family.is_over)
                family.done(family.next(), outcome)
            self.assertTrue(family.is_over)
            self.assertEqual([request.target], family.stranded)

    def test_what_is_deleted_is_not_there_before_the_answer_comes(self):
        family, request = self.made()
        family.done(request, leak_family.DONE)
        deletion = family.next()
        self.assertTrue(family.is_there(request.target.id, False))
        self.assertTrue(family.is_there(request.target.id, True))
        self.assertFalse(family.is_there(request.target.id, False))
        self.assertFalse(family.is_over, 'its answer is to come')
        family.done(deletion, leak_family.DONE)
        self.assertTrue(family.is_over)

    def test_an_extended_volume_has_its_new_size(self):
        sizes = set()
        family = leak_family.Family(random.Random(3), 300, 3)
        while not family.is_over:
            request = family.next()
            family.done(request, leak_family.DONE)
            if request.operation == names.EXTEND:
                sizes.add(request.target.size)
                self.assertEqual(request.body['size'], request.target.size)
        self.assertEqual({2, 3, 4}, sizes)
