# SPDX-License-Identifier: Apache-2.0

import random

import testtools

from tests.chaos import history
from tests.chaos import ledger
from tests.chaos import users


class UsersTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.random = random.Random(4)
        self.users = users.Users(self.random)

    def ask(self, kind):
        """Ask until a request of a kind comes; all others are granted."""
        for _try in range(1000):
            request = self.users.request()
            if request.kind == kind:
                return request
            self.users.answered(request, history.OK)
        self.fail(f'nobody asks for {kind}')

    def rest(self):
        """Return what is asked for until nothing is possible any more."""
        found = []
        while request := self.users.request():
            found.append(request)
        return found

    def test_the_same_seed_asks_for_the_same(self):
        def some(seed):
            made = users.Users(random.Random(seed))
            found = []
            for _round in range(50):
                found.append(made.request())
                made.answered(found[-1], history.OK)
            return found

        self.assertEqual(some(7), some(7))
        self.assertNotEqual(some(7), some(8))

    def test_all_kinds_are_asked_for(self):
        for kind in (*history.MAKING, history.EXTEND, history.REVERT,
                     history.WRITE, history.DELETE):
            self.users.answered(self.ask(kind), history.OK)

    def test_family_stays_small(self):
        for _round in range(500):
            self.users.answered(self.users.request(), history.OK)
            images = {name for name in self.users.names() if '@' not in name}
            self.assertLessEqual(len(images), users.MOST_VOLUMES)

    def test_source_of_a_clone_may_be_deleted_meanwhile(self):
        # The race that the manager's locks are for.
        for _try in range(100):
            clone = self.ask(history.CLONE)
            if any(request.kind == history.DELETE
                   and request.target == clone.source
                   for request in self.rest()):
                return
            self.users = users.Users(self.random)
        self.fail('nobody deletes the source')

    def test_source_of_a_clone_is_not_changed_meanwhile(self):
        for _try in range(50):
            source = self.ask(history.CLONE).source
            self.assertNotIn(source, [
                request.target for request in self.rest() if request.kind in (
                    history.EXTEND, history.REVERT, history.WRITE)])
            self.users = users.Users(self.random)

    def test_one_operation_at_a_time_changes_an_object(self):
        for _try in range(50):
            targets = [request.target for request in self.rest()]
            self.assertEqual(len(set(targets)), len(targets))
            self.users = users.Users(self.random)

    def test_nothing_is_made_of_what_is_being_changed(self):
        request = self.ask(history.EXTEND)
        self.assertNotIn(request.target, [
            ledger.image_of(other.source or other.target)
            for other in self.rest()])

    def test_of_what_has_failed_only_the_deletion_is_asked_for(self):
        failed = self.ask(history.CREATE)
        self.users.answered(failed, history.FAILED)
        for _round in range(300):
            request = self.users.request()
            if failed.target in (request.target, request.source):
                self.assertEqual(history.DELETE, request.kind)
                return
            self.users.answered(request, history.OK)
        self.fail('nobody deletes it')

    def test_volume_with_snapshots_is_not_deleted(self):
        snapshot = self.ask(history.SNAPSHOT)
        self.users.answered(snapshot, history.OK)
        volume = ledger.image_of(snapshot.target)
        for request in self.rest():
            if request.kind == history.DELETE:
                self.assertNotEqual(volume, request.target)

    def test_refused_deletion_leaves_it_as_it_was(self):
        request = self.ask(history.DELETE)
        self.users.answered(request, history.REFUSED)
        self.assertTrue(self.users.exists(request.target))

    def test_size_after_an_extension(self):
        request = self.ask(history.EXTEND)
        self.users.answered(request, history.OK)
        self.assertEqual(request.size, self.users.size(request.target))

    def test_everything_can_be_deleted(self):
        for _round in range(100):
            self.users.answered(self.users.request(), self.random.choice(
                [history.OK, history.FAILED, history.UNKNOWN]))
        while self.users.names():
            self.users.answered(self.users.deletion(), history.OK)
        self.assertIsNone(self.users.deletion())
