# SPDX-License-Identifier: Apache-2.0

import copy

import testtools

from tests.bench import blast_bars as bars

GOOD = {
    'fences': 10, 'failed_takeovers': 0, 'zombies_done': 0,
    'guest': {'errors': 0, 'longest_seconds': 1.0, 'is_owner': True},
    'others': {'errors': 0, 'deaths': 0},
    'takeover': {'without_grant': 0, 'longest_seconds': 3.0},
    'blocklist': {'fenced': 10, 'missing': 0, 'others': 0}}


def second(at, **more):
    return {'at': at, 'writes': 50, 'longest': 0.1, 'late': 0.01,
            'errors': [], 'is_owner': True, **more}


def taken(stopped_at, lease_ends_at, held_at):
    return {'stopped_at': stopped_at, 'lease_ends_at': lease_ends_at,
            'held_at': held_at}


class BlastBarsTest(testtools.TestCase):

    def missed(self, *path_and_value):
        record = copy.deepcopy(GOOD)
        if path_and_value:
            *path, last, value = path_and_value
            place = record
            for step in path:
                place = place[step]
            place[last] = value
        return [bar.name for bar in bars.bars(record) if not bar.is_met]

    def test_all_met(self):
        self.assertEqual([], self.missed())

    def test_each_can_be_missed(self):
        for change in (('fences', 11), ('failed_takeovers', 1),
                       ('zombies_done', 1), ('guest', 'errors', 1),
                       ('guest', 'longest_seconds', 1.1),
                       ('guest', 'longest_seconds', float('nan')),
                       ('guest', 'is_owner', False), ('others', 'errors', 1),
                       ('others', 'deaths', 1),
                       ('takeover', 'without_grant', 1),
                       ('takeover', 'longest_seconds', 3.1),
                       ('blocklist', 'missing', 1),
                       ('blocklist', 'others', 1)):
            self.assertEqual(1, len(self.missed(*change)), change)


class GuestFiguresTest(testtools.TestCase):

    def test_only_what_was_in_the_time(self):
        found = bars.guest_figures([
            second(1, longest=9, errors=['early']), second(2, late=0.5),
            second(3, longest=0.7, errors=['one', 'two']),
            second(4, is_owner=False)], 2, 4)
        self.assertEqual(
            {'seconds': 2, 'writes': 100, 'errors': 2,
             'longest_seconds': 0.7, 'late_seconds': 0.5, 'is_owner': True},
            found)

    def test_the_lock_was_lost(self):
        self.assertFalse(bars.guest_figures(
            [second(1), second(2, is_owner=False)], 1, 3)['is_owner'])

    def test_a_guest_that_says_nothing_is_no_good_sign(self):
        guest = {**GOOD['guest'], **bars.guest_figures([], 0, 1)}
        self.assertEqual(1, len([bar for bar in bars.bars(
            {**GOOD, 'guest': guest}) if not bar.is_met]))


class TakeoverFiguresTest(testtools.TestCase):

    def test_since_the_end_of_the_lease(self):
        found = bars.takeover_figures(
            [taken(0, 3, 4), taken(1, 3, 5), taken(0, 2, 7),
             taken(0, 3, None)])
        self.assertEqual(
            {'count': 4, 'without_grant': 1, 'median_seconds': 2,
             'p95_seconds': 5, 'longest_seconds': 5,
             'longest_seconds_since_death': 7}, found)
