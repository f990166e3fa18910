# SPDX-License-Identifier: Apache-2.0
"""What is found in images that are not where they should be."""

import dataclasses

import testtools

from dcn_plugins.placement import policy_text
from tests.chaos import placement_checker
from tests.chaos import placement_plan

STORES = frozenset(['central', 'archive', 'dcn0', 'dcn1'])
OWNER, OTHER = placement_plan.PROJECTS[:2]
TEXT = f"""\
version: 1
central: [central, archive]
residency:
  - name: stays
    projects: [{OTHER}]
    stores: central, dcn0
kinds:
  - name: public
    visibility: public
    stores: central, dcn0
  - name: snapshots
    kind: snapshot
    stores: all
    leave_edge_after: 20s
default:
  stores: none
  may_ask: all
"""
EARLY = """\
version: 1
central: central
default:
  stores: dcn1
"""


def policy(text):
    return policy_text.policy_of(text)


def look(at=0.0, asked='central,dcn0', visibility='private', is_sure=True):
    return placement_checker.Look(at, asked, visibility, is_sure)


def answer(**changes):
    return {'id': 'i', 'owner': OWNER, 'visibility': 'private',
            'status': 'active', 'stores': 'central,dcn0',
            'dcn_sites': 'central,dcn0', **changes}


class CheckTest(testtools.TestCase):
    """Each history is a good one, but for what a test changes."""

    def setUp(self):
        super().setUp()
        self.story = placement_checker.Story(
            'i', OWNER, 'right', 100.0, [look(100.0)],
            put=[(100.0, 'central')])
        self.reigns = [placement_checker.Reign(0.0, policy(TEXT))]
        self.settled = placement_checker.Settled(
            1000.0, {'i': answer()},
            {('i', store): 'right' for store in STORES},
            {'central': ['i'], 'archive': [], 'dcn0': ['i'], 'dcn1': []})

    def rules(self):
        return [violation.rule for violation in placement_checker.check(
            [self.story], self.reigns, self.settled, STORES)]

    def be(self, **changes):
        """Have Glance answer something else, and Ceph have what it says."""
        told = answer(**changes)
        self.settled.images = {'i': told}
        self.settled.names = {
            store: ['i'] if store in told['stores'].split(',') else []
            for store in STORES}

    def delete(self):
        self.story.is_deleted = True
        self.settled.images = {}
        self.settled.names = dict.fromkeys(STORES, [])

    # What is well

    def test_nothing_is_wrong_with_what_is_good(self):
        self.assertEqual([], self.rules())

    def test_what_is_wanted_by_an_earlier_policy_may_stay(self):
        self.reigns.insert(0, placement_checker.Reign(0.0, policy(EARLY)))
        self.reigns[1].at = 500.0
        self.be(stores='central,dcn0,dcn1')
        self.assertEqual([], self.rules())

    def test_what_a_user_has_put_may_stay(self):
        self.story.put.append((300.0, 'archive'))
        self.be(stores='archive,central,dcn0')
        self.assertEqual([], self.rules())

    def test_a_copy_that_is_wanted_comes_back(self):
        self.story.removed.append((300.0, 'dcn0'))
        self.assertEqual([], self.rules())

    def test_a_change_that_nobody_has_confirmed_may_be_there_or_not(self):
        self.story.looks.append(look(200.0, 'all', is_sure=False))
        self.assertEqual([], self.rules())
        self.be(dcn_sites='all', stores='archive,central,dcn0,dcn1')
        self.assertEqual([], self.rules())

    def test_an_image_whose_time_at_the_edge_is_over_lacks_nothing(self):
        self.story.image_type = 'snapshot'
        self.story.looks = [look(asked=None)]
        self.be(image_type='snapshot', dcn_sites=None,
                created_at='1970-01-01T00:01:40Z', stores='archive,central')
        self.assertEqual([], self.rules())

    def test_a_deleted_image_leaves_a_tombstone(self):
        self.delete()
        self.settled.buried = {'i'}
        self.assertEqual([], self.rules())

    def test_an_image_without_data_is_wanted_nowhere(self):
        self.be(status='queued', stores='')
        self.assertEqual([], self.rules())

    # What is not

    def test_an_image_is_not_where_it_is_wanted(self):
        self.be(stores='central')
        self.assertEqual(['lacking'], self.rules())

    def test_the_newest_policy_is_the_one_that_counts(self):
        self.reigns.append(placement_checker.Reign(500.0, policy(EARLY)))
        self.assertEqual(['lacking'], self.rules())

    def test_an_image_is_where_nobody_has_wanted_it(self):
        self.be(stores='central,dcn0,dcn1')
        self.assertEqual(['unexplained'], self.rules())

    def test_what_a_residency_forbids_explains_nothing(self):
        self.story.owner = OTHER
        self.story.looks = [look(asked='all')]
        self.be(owner=OTHER, dcn_sites='all', stores='central,dcn0,dcn1')
        self.assertEqual(['unexplained'], self.rules())

    def test_a_policy_of_long_before_explains_nothing(self):
        self.reigns.insert(0, placement_checker.Reign(0.0, policy(EARLY)))
        self.reigns[1].at = 50.0
        self.be(stores='central,dcn0,dcn1')
        self.assertEqual(['unexplained'], self.rules())

    def test_a_copy_that_was_removed_has_come_back(self):
        self.story.looks.append(look(200.0, 'central'))
        self.story.removed.append((300.0, 'dcn0'))
        self.be(dcn_sites='central')
        self.assertEqual(['returned'], self.rules())

    def test_what_was_put_before_it_was_removed_explains_nothing(self):
        self.story.put.append((200.0, 'dcn1'))
        self.story.removed.append((300.0, 'dcn1'))
        self.be(stores='central,dcn0,dcn1')
        self.assertEqual(['returned'], self.rules())

    def test_a_deleted_image_is_back(self):
        self.story.is_deleted = True
        self.assertEqual(['resurrected'], self.rules())

    def test_the_data_of_a_deleted_image_are_back(self):
        self.delete()
        self.settled.names = {'dcn1': ['i']}
        self.assertEqual(['orphan'], self.rules())

    def test_an_image_is_gone(self):
        self.settled.images = {}
        self.settled.names = {}
        self.assertEqual(['lost'], self.rules())

    def test_a_change_is_lost(self):
        self.story.looks.append(look(200.0, 'all'))
        self.assertEqual(['lost change'], self.rules())
        self.story.looks[-1] = look(200.0, visibility='public')
        self.assertEqual(['lost change'], self.rules())

    def test_a_change_before_one_that_was_confirmed_has_no_effect(self):
        self.story.looks += [look(200.0, 'none', is_sure=False),
                             look(300.0)]
        self.be(dcn_sites='none')
        self.assertEqual(['lost change'], self.rules())

    def test_a_copy_is_another_one_or_none(self):
        self.settled.contents[('i', 'dcn0')] = 'other'
        self.assertEqual(['wrong content'], self.rules())
        self.settled.contents[('i', 'dcn0')] = None
        self.assertEqual(['unreadable'], self.rules())

    def test_something_is_in_ceph_that_glance_does_not_name(self):
        for store, name in (('dcn1', 'i'), ('dcn0', 'i.partial'),
                            ('archive', 'other')):
            self.be()
            self.settled.names[store] = [*self.settled.names[store], name]
            self.assertEqual(['orphan'], self.rules(), name)

    def test_keys_are_left(self):
        self.settled.jobs = ['/dcn/placement/j/i/dcn0']
        self.assertEqual(['job left'], self.rules())
        self.settled.jobs, self.settled.keys = [], ['/dcn/placement/x']
        self.assertEqual(['stale key'], self.rules())

    def test_an_image_that_is_there_has_a_tombstone(self):
        self.settled.buried = {'i'}
        self.assertEqual(['stale key'], self.rules())

    def test_an_import_has_never_ended(self):
        self.be(os_glance_import_task='t')
        self.assertEqual(['locked'], self.rules())

    def test_a_copy_was_asked_for_that_is_forbidden(self):
        self.story.owner = OTHER
        self.be(owner=OTHER)
        request = placement_checker.Request('i', 'dcn1', 300.0)
        self.settled.requests = [request]
        self.assertEqual(['forbidden'], self.rules())
        # The glance-api that was asked may not have read it yet.
        self.reigns.insert(0, placement_checker.Reign(0.0, policy(EARLY)))
        self.reigns[1].at = 298.0
        self.assertEqual([], self.rules())
        self.settled.requests = [dataclasses.replace(request, at=310.0)]
        self.assertEqual(['forbidden'], self.rules())
