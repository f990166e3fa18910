# SPDX-License-Identifier: Apache-2.0
"""Notice that etcd has lost what a process has written there. Pure.

An etcd that is restored from a backup brings the lease of a process that
lives back, and with it each claim that the process had given back since. It
goes on renewing the lease, so such a claim would be held for as long as it
lives. What falls then is the revision; but others may have written more by
the time the process looks than was lost.

So each process has a key of its own with a number in it, which it raises
after it has changed anything. If the number is lower than the last one that
etcd has answered, some of its changes are lost. One that is lost without that
was made after the last look before the backup, and the backup was restored
before the next one.
"""

from dcn_plugins.locking import etcd_requests as requests


class Witness:
    """The number of one lease.

    :param key: that nobody else writes.
    :param lease_id: it goes with that.
    """

    def __init__(self, key, lease_id):
        self._key = key
        self._lease_id = lease_id
        # What etcd has answered, and what was sent and may be there, too.
        self._known = self._sent = 0
        self._changes = None
        self._sent_changes = None

    def look(self, changes):
        """Return the transaction that compares the number, and may raise it.

        :param changes: another object each time when the process has changed
            anything. Nothing is written as long as it is not: each write
            stays in the history of etcd until that is compacted.
        """
        self._sent_changes = changes
        puts = []
        if changes is not self._changes:
            self._sent += 1
            puts = [requests.put(self._key, str(self._sent), self._lease_id)]
        return requests.transaction(
            [requests.has_value(self._key, str(self._known)) if self._known
             else requests.is_absent(self._key)],
            puts, [requests.read(self._key)])

    def is_behind(self, answer):
        """Tell whether etcd has lost changes, from the answer to a look."""
        if answer.get('succeeded'):
            if self._sent_changes is not self._changes:
                self._known = self._sent
                self._changes = self._sent_changes
            return False
        found = int(requests.decoded(next(
            (item['value'] for part in answer['responses']
             for item in part['response_range'].get('kvs', ())), '')) or 0)
        if found <= self._known:
            return True
        # An earlier one that was not answered, or this one from another
        # member. It is not known what had been changed by then.
        self._known = found
        return False
