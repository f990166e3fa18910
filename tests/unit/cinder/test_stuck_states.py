# SPDX-License-Identifier: Apache-2.0
"""What ends each state that volumes and snapshots get stuck in."""

import testtools

from dcn_plugins.cinder import stuck_states
from dcn_plugins.cinder.stuck_states import Remedy

EVERY_STATE = (
    'creating', 'available', 'reserved', 'attaching', 'detaching', 'in-use',
    'maintenance', 'deleting', 'awaiting-transfer', 'error',
    'error_deleting', 'error_managing', 'error_managing_deleting',
    'error_restoring', 'error_extending', 'error_unmanaging',
    'error_backing-up', 'backing-up', 'restoring-backup', 'downloading',
    'uploading', 'retyping', 'extending', 'managing', 'unmanaging',
    'reverting', 'updating', 'restoring')


def volume(status, **values):
    return stuck_states.Found('volume', 'v', status, **values)


def snapshot(status, volume_status='available', **values):
    return stuck_states.Found('snapshot', 's', status,
                              volume_status=volume_status, **values)


def remedied(found):
    """Return what is left alone, and what is not, of all states."""
    return {status: stuck_states.remedy(found(status))
            for status in EVERY_STATE if stuck_states.remedy(found(status))}


class VolumeTest(testtools.TestCase):

    def test_these_states_are_ended_and_no_other(self):
        self.assertEqual({
            'creating': Remedy('error'),
            'downloading': Remedy('error', is_slow=True),
            'deleting': Remedy(again='delete'),
            'error_managing_deleting': Remedy(again='delete'),
            'unmanaging': Remedy(again='unmanage'),
            'extending': Remedy('error_extending'),
            'retyping': Remedy(stuck_states.BY_ATTACHMENTS),
            'reverting': Remedy('error'),
            'managing': Remedy('error_managing'),
            'uploading': Remedy(stuck_states.BY_ATTACHMENTS),
        }, remedied(volume))

    def test_they_are_all_looked_for(self):
        self.assertEqual(
            set(remedied(volume)),
            {*stuck_states.VOLUME_STATES, *stuck_states.UPLOAD_STATES})

    def test_only_work_without_locks_that_may_go_on_is_slow(self):
        cases = [
            (False, volume('creating', worker=stuck_states.NO_ROW)),
            (False, volume('creating', worker=stuck_states.NOBODY)),
            (False, volume('creating', worker=stuck_states.DEAD)),
            (True, volume('creating', worker=stuck_states.ALIVE)),
            (False, volume('creating', worker=stuck_states.ALIVE,
                           has_source=True)),
            (True, volume('downloading', worker=stuck_states.NO_ROW)),
            (False, volume('downloading', worker=stuck_states.ALIVE)),
        ]
        for is_slow, found in cases:
            self.assertEqual(is_slow, stuck_states.remedy(found).is_slow,
                             found)

    def test_a_migration_is_an_error_and_frees_the_volume(self):
        for status, end in (('retyping', stuck_states.BY_ATTACHMENTS),
                            ('maintenance', stuck_states.BY_ATTACHMENTS),
                            ('available', 'available'),
                            ('in-use', 'in-use')):
            for migration_status in ('starting', 'migrating'):
                self.assertEqual(
                    Remedy(end, migration_status='error'),
                    stuck_states.remedy(volume(
                        status, migration_status=migration_status)))

    def test_a_copy_to_another_volume_is_left_alone(self):
        for status in ('retyping', 'maintenance', 'available', 'in-use'):
            self.assertIsNone(stuck_states.remedy(volume(
                status, migration_status='migrating', has_target=True)))

    def test_a_migration_that_is_over_is_none(self):
        for migration_status in (None, 'error', 'success', 'completing'):
            self.assertIsNone(stuck_states.remedy(volume(
                'maintenance', migration_status=migration_status)))


class SnapshotTest(testtools.TestCase):

    def test_these_states_are_ended_and_no_other(self):
        self.assertEqual({
            'creating': Remedy('error'),
            'deleting': Remedy(again='delete'),
            'unmanaging': Remedy(again='unmanage'),
            'restoring': Remedy('available'),
        }, remedied(snapshot))

    def test_they_are_all_looked_for(self):
        self.assertEqual(set(remedied(snapshot)),
                         set(stuck_states.SNAPSHOT_STATES))
        # That is what the database is asked for.
        for status in stuck_states.SNAPSHOT_STATES:
            self.assertIn('ing', status)

    def test_the_deletion_and_the_reverting_of_a_volume_come_first(self):
        self.assertIsNone(
            stuck_states.remedy(snapshot('deleting', 'deleting')))
        self.assertIsNone(
            stuck_states.remedy(snapshot('restoring', 'reverting')))
        self.assertEqual(
            Remedy(again='delete'),
            stuck_states.remedy(snapshot('deleting', 'error_deleting')))


class LastRemedyTest(testtools.TestCase):

    def test_what_cannot_be_sent_for_ever_is_an_error(self):
        for found, status in (
                (volume('deleting'), 'error_deleting'),
                (volume('unmanaging'), 'error_unmanaging'),
                (snapshot('deleting'), 'error_deleting'),
                # A snapshot has no state for it.
                (snapshot('unmanaging'), 'error_deleting')):
            self.assertEqual(Remedy(status), stuck_states.last_remedy(found))

    def test_all_else_stays_as_it_is(self):
        found = volume('extending')
        self.assertEqual(stuck_states.remedy(found),
                         stuck_states.last_remedy(found))


class FoundTest(testtools.TestCase):

    def test_a_change_shows(self):
        same = volume('creating', touched=1)
        self.assertEqual(same.fingerprint,
                         volume('creating', touched=1, worker='alive',
                                own=frozenset('a')).fingerprint)
        for other in (volume('creating', touched=2),
                      volume('deleting', touched=1),
                      volume('creating', touched=1, migration_status='error'),
                      snapshot('creating', touched=1)):
            self.assertNotEqual(same.fingerprint, other.fingerprint)
