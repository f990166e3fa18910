# SPDX-License-Identifier: Apache-2.0
"""The number by which a process notices that etcd was restored."""

import itertools

import testtools

from dcn_plugins.locking import witness
from tests.fakes import etcd

KEY = '/dcn/witness/1'


class History:
    """What a process and its etcd go through, one letter for each event.

    ``c`` the process changes something, ``l`` it looks, ``u`` it looks and
    gets no answer, ``n`` its look does not arrive, ``a`` the last look that
    got no answer arrives, late; ``b`` a backup is made, ``r`` it is brought
    back.
    """

    def __init__(self):
        self.store = etcd.Store()
        self.witness = witness.Witness(KEY, self.store.grant())
        self.changes = object()
        self.late = None
        self.backup = None
        # Whether a number that was answered is not in the backup, and not in
        # etcd.
        self.is_old = self.is_behind = False
        self.told = None

    def run(self, events):
        """Return whether the last look has told of a loss."""
        for event in events:
            getattr(self, f'_{event}')()
        return self.told

    def _look(self):
        return self.witness.look(self.changes)

    def _c(self):
        self.changes = object()

    def _l(self):
        body = self._look()
        answer = self.store.transaction(body)
        self.told = self.witness.is_behind(answer)
        self.is_old = self.is_old or bool(
            answer.get('succeeded') and body['success'])

    def _u(self):
        self.store.transaction(self._look())

    def _n(self):
        self.late = self._look()

    def _a(self):
        if self.late:
            self.store.transaction(self.late)

    def _b(self):
        self.backup = self.store.copy()
        self.is_old = False

    def _r(self):
        if self.backup:
            self.store = self.backup.copy()
            self.is_behind = self.is_behind or self.is_old


class WitnessTest(testtools.TestCase):

    def told(self, events):
        return History().run(events)

    def test_nothing_is_lost(self):
        for events in ('l', 'lll', 'lclcl', 'ul', 'uul', 'cucl', 'lncl',
                       'ncal', 'lncalcl', 'nlal', 'lnlcal'):
            self.assertIs(False, self.told(events), events)

    def test_a_backup_without_the_last_number(self):
        for events in ('blrl', 'lbclrl', 'lbclrcl', 'lbclclrl', 'lbuclrl',
                       'lbclral', 'lnbclral', 'lbclrul'):
            self.assertIs(True, self.told(events), events)

    def test_a_backup_of_all_that_was_answered(self):
        for events in ('lbrl', 'lclbrl', 'lbcrl', 'lblrl'):
            self.assertIs(False, self.told(events), events)

    def test_every_history_of_seven_events(self):
        seen = 0
        for events in itertools.product('clunabr', repeat=6):
            if events.count('b') > 1 or events.count('r') > 1:
                continue
            history = History()
            told = history.run((*events, 'l'))
            if 'r' not in events:
                self.assertFalse(told, events)
            elif history.is_behind:
                # It may have been told by an earlier look, after which there
                # is no other.
                after = ''.join(events).partition('r')[2]
                if 'l' not in after:
                    seen += 1
                    self.assertTrue(told, events)
        self.assertGreater(seen, 100)

    def test_nothing_is_written_while_nothing_is_changed(self):
        history = History()
        history.run('l')
        revision = history.store.revision
        history.run('lll')
        self.assertEqual(revision, history.store.revision)
        history.run('cl')
        self.assertEqual(revision + 1, history.store.revision)

    def test_it_goes_with_the_lease(self):
        history = History()
        history.run('l')
        self.assertEqual([KEY], history.store.keys())
        history.store.expire(1)
        self.assertEqual([], history.store.keys())
