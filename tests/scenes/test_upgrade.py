# SPDX-License-Identifier: Apache-2.0
"""An old and a new version of us side by side, as while a site is upgraded.

Both are processes, on the same keys of a real etcd and, for what a
cinder-volume leaves half done, on the same real Ceph. Which version is the
old one: ``tests/scenes/version.py``.
"""

import itertools
import os
import pathlib
import time
import uuid

import fixtures
import testscenarios
import testtools

from tests.functional.locking import etcd_server
from tests.functional.storage import holder
from tests.functional.storage import test_takeover
from tests.lab import deadline
from tests.scenes import version

load_tests = testscenarios.load_tests_apply_scenarios

TTL_SECONDS = 3
BOTH_WAYS = [('old-then-new', {'is_old_first': True}),
             ('new-then-old', {'is_old_first': False})]


class SideBySideTest(testtools.TestCase):

    scenarios = BOTH_WAYS

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(etcd_server.EtcdServer())
        self.versions = [self.useFixture(version.Version(commit))
                         for commit in (version.COMMIT, None)]
        if not self.is_old_first:
            self.versions.reverse()
        self.prefix = f'/{uuid.uuid4()}'
        self.first, self.second = (
            self.process(one, name)
            for one, name in zip(self.versions, ('first', 'second')))

    def process(self, of, name):
        return of.process(self.server.hosts, self.prefix, name,
                          str(TTL_SECONDS))

    # Locks

    def test_a_lock_is_of_one(self):
        self.assertTrue(self.first.tell('acquire', 'a'))
        self.assertFalse(self.second.tell('try_acquire', 'a'))
        self.second.order('acquire', 'a')
        time.sleep(1)
        self.assertTrue(self.first.tell('release', 'a'))
        self.assertTrue(self.second.answer())
        self.assertFalse(self.first.tell('try_acquire', 'a'))
        self.assertTrue(self.second.tell('release', 'a'))

    def test_the_lock_of_one_who_is_killed(self):
        self.assertTrue(self.first.tell('acquire', 'a'))
        self.first.kill()
        self.assertTrue(self.second.tell('acquire', 'a'))

    def test_many_turns(self):
        inside = str(pathlib.Path(self.useFixture(
            fixtures.TempDir()).path) / 'inside')
        found = [self.process(one, f'{number}') for number, one in enumerate(
            itertools.chain(self.versions, self.versions))]
        for one in found:
            one.order('turns', 'a', 15, inside)
        self.assertEqual([15] * 4, [one.answer() for one in found])

    # Jobs

    def test_a_job_that_the_other_registered(self):
        self.first.tell('register', 'image', 'dcn0', {'priority': 7})
        self.assertEqual([['image', 'dcn0', 'waiting', 7, '', False]],
                         self.second.tell('jobs'))
        token, _tries = self.second.tell('claim', 'image', 'dcn0')
        self.assertIsNone(self.first.tell('claim', 'image', 'dcn0'))
        self.assertEqual('waiting', self.second.tell('look', 'image', 'dcn0'))
        self.first.tell('change', 'pause', 'image', 'dcn0')
        self.assertEqual('paused', self.second.tell('look', 'image', 'dcn0'))
        self.second.tell('failed', 'image', 'dcn0', 'away')
        self.first.tell('change', 'resume', 'image', 'dcn0')
        again, tries = self.first.tell('claim', 'image', 'dcn0')
        self.assertGreater(again, token)
        self.assertEqual(2, tries)
        self.first.tell('done', 'image', 'dcn0')
        self.assertEqual([], self.second.tell('jobs'))

    def test_a_worker_that_is_killed(self):
        self.first.tell('register', 'image', 'dcn0')
        token, _tries = self.first.tell('claim', 'image', 'dcn0')
        self.first.kill()
        self.assertIsNone(self.second.tell('claim', 'image', 'dcn0'))
        again, tries = deadline.wait(
            'the claim of the dead being free',
            lambda: self.second.tell('claim', 'image', 'dcn0'), 60)
        self.assertGreater(again, token)
        self.assertEqual(2, tries)
        self.second.tell('done', 'image', 'dcn0')

    def test_who_asks(self):
        old, new = self.old_and_new()
        old.tell('register', 'image', 'dcn0')
        old.tell('change', 'cancel', 'image', 'dcn0')
        self.assertEqual('cancelled', new.tell('jobs')[0][2])
        self.assertTrue(new.tell('ask', 'image', 'dcn0'))
        self.assertIsNotNone(old.tell('claim', 'image', 'dcn0'))
        old.tell('done', 'image', 'dcn0')

    def old_and_new(self):
        return ((self.first, self.second) if self.is_old_first
                else (self.second, self.first))

    def test_an_image_that_was_deleted(self):
        for store in ('dcn0', 'dcn1'):
            self.first.tell('register', 'image', store)
        self.second.tell('claim', 'image', 'dcn0')
        self.first.tell('change', 'bury', 'image')
        self.assertIsNone(self.second.tell('look', 'image', 'dcn0'))
        self.assertFalse(self.second.tell('register', 'image', 'dcn1'))
        self.assertEqual(['image'], self.second.tell('tombstones'))

    def test_what_only_the_new_one_knows_is_in_nobodys_way(self):
        old, new = self.old_and_new()
        new.tell('register', 'image', 'dcn0', {'windows': ['00:00-23:59']})
        self.assertEqual('waiting', old.tell('jobs')[0][2])
        self.assertIsNotNone(old.tell('claim', 'image', 'dcn0'))
        # Whoever copies, of the new version, tells how far it is.
        self.assertEqual(1, new.tell('report', 'image', 'dcn0', 10))
        self.assertTrue(old.tell('jobs')[0][5])
        self.assertEqual('waiting', old.tell('look', 'image', 'dcn0'))
        self.assertIsNone(new.tell('claim', 'image', 'dcn0'))
        old.tell('failed', 'image', 'dcn0', 'away')
        self.assertEqual('away', new.tell('jobs')[0][4])


class HalfDoneTest(test_takeover.TakeoverTest):
    """What one version has left half done, and the other one ends."""

    scenarios = testscenarios.multiply_scenarios(
        BOTH_WAYS, [found for found in test_takeover.TakeoverTest.scenarios
                    if 'SIGKILL' in found[0]])

    def setUp(self):
        super().setUp()
        self.old = self.useFixture(version.Version(version.COMMIT))

    def holder(self):
        if self.is_old_first:
            server = holder.Server(self.old.directory)
            self.addCleanup(server.close)
            self.useFixture(fixtures.MonkeyPatch(
                'tests.functional.storage.test_takeover.SERVER', server))
        return super().holder()

    def settle(self):
        if self.is_old_first:
            return super().settle()
        old = self.old.process(self.rig.etcd_hosts, f'/{uuid.uuid4()}', 'old',
                               str(TTL_SECONDS))
        self.assertTrue(old.tell(
            'sweep', os.fspath(self.rig.lab.directory),
            [self.volume.name, self.made.name]))
        old.kill()
