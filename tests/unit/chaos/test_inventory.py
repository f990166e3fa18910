# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.chaos import inventory
from tests.unit.chaos import stories


class AncestorsTest(testtools.TestCase):

    def test_all_of_a_chain(self):
        found = stories.having(
            a=stories.image(), b=stories.image(parent=('a', 's')),
            c=stories.image(parent=('b', 's')))
        self.assertEqual(['b', 'a'], found.ancestors('c'))
        self.assertEqual([], found.ancestors('a'))
        self.assertEqual([], found.ancestors('unknown'))

    def test_circle_ends(self):
        found = stories.having(a=stories.image(parent=('a', 's')))
        self.assertEqual(['a'], found.ancestors('a'))


class RenamedTest(testtools.TestCase):

    def test_names_everywhere(self):
        names = {'volume-1': 'v', 'volume-2': 'c', 'snapshot-3': 's'}
        self.assertEqual(
            stories.having(
                counter=4,
                v_deleted=stories.image(snapshots=['s', 'c.clone_snap']),
                c=stories.image(parent=('v.deleted', 'c.clone_snap')),
                other=stories.image(parent=('trash:17', 's'))),
            inventory.renamed(inventory.Inventory({
                'volume-1.deleted': stories.image(
                    snapshots=['snapshot-3', 'volume-2.clone_snap']),
                'volume-2': stories.image(
                    parent=('volume-1.deleted', 'volume-2.clone_snap')),
                'other': stories.image(parent=('trash:17', 'snapshot-3'))},
                4), names))
