# SPDX-License-Identifier: Apache-2.0
"""Write down what is in a pool, and what is found there."""

import uuid

import testtools

from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_contents as contents
from dcn_plugins.cinder import volume_names

NOW = 1e9
LONG_AGO = NOW - 86400
NAMES = volume_names.VolumeNames('volume-%s', 'snapshot-%s')
POLICY = leftovers.Policy(NOW, 3600, frozenset(['site@ceph']))

S, D, E = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
SOURCE, CLONE = f'volume-{S}', f'volume-{D}'
DELETED = f'{SOURCE}.deleted'
CLONE_SNAP = f'{CLONE}.clone_snap'


def image(name, *snapshots, **values):
    return contents.Image(**{'name': name, 'id': f'id of {name}', 'size': 8,
                             'snapshots': snapshots, 'changed': LONG_AGO,
                             **values})


def snap(name, *children, **values):
    return contents.Snapshot(**{
        'name': name, 'created': LONG_AGO, 'children': tuple(
            contents.Child('volumes', child, f'id of {child}')
            for child in children), **values})


def volume(volume_id, status='available', **values):
    return contents.VolumeRecord(**{
        'id': volume_id, 'name_id': volume_id, 'status': status,
        'backend': 'site@ceph', 'changed': LONG_AGO, **values})


def known(*volumes, **snapshots):
    by_id = {}
    for record in volumes:
        by_id[record.id] = by_id[record.name_id] = record
    return contents.Known(by_id, snapshots)


class LeftoversTestCase(testtools.TestCase):

    def find(self, *images, known=None, policy=POLICY, **values):
        listing = contents.Listing(
            'volumes', {found.name: found for found in images}, **values)
        return leftovers.find(listing, NAMES, known, policy)

    def assertFound(self, expected, report):
        self.assertEqual(expected, [
            (found.kind, found.subject, found.is_reclaimable)
            for found in report.findings])

    def assertNothing(self, report):
        self.assertFound([], report)

    def assertStays(self, reason, report, number=0):
        self.assertIn(reason, report.findings[number].reason)
