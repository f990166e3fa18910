# SPDX-License-Identifier: Apache-2.0
"""Numbers of all processes, for graphs and alarms, in etcd.

Below the prefix of the namespace::

    n/STORE    what has become of copies to a store, ever since
    s          the last comparison of all images

Error handling: ``EtcdError`` when etcd does not answer or refuses. What was to
be added is kept then, in this process, and added with the next call.
"""

import secrets
import threading
import urllib.parse

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import stored_keys
from dcn_plugins.placement import survey as surveys
from dcn_plugins.placement import tally as tallies


class Numbers:
    """The numbers below one prefix; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    """

    def __init__(self, client, prefix):
        self._keys = stored_keys.StoredKeys(client)
        self._prefix = prefix.rstrip('/')
        self._pending = {}
        self._sent = {}
        self._lock = threading.Lock()
        self._is_flushing = threading.Lock()

    def count(self, store, **values):
        """Add to the tally of a store; asks nobody.

        :param values: of :class:`~dcn_plugins.placement.tally.Tally`.
        """
        with self._lock:
            self._pending[store] = self._pending.get(
                store, tallies.Tally()).plus(tallies.Tally(**values))

    def flush(self):
        """Write what was counted; while one thread does, others need not."""
        if not self._is_flushing.acquire(blocking=False):
            return
        try:
            # What was sent without an answer first.
            for stores in self._sent, self._pending:
                for store in list(stores):
                    self._add(store)
        finally:
            self._is_flushing.release()

    def tallies(self):
        """Return the :class:`~dcn_plugins.placement.tally.Tally` of stores."""
        prefix = f'{self._prefix}/n/'
        return {urllib.parse.unquote(key.removeprefix(prefix)):
                tallies.tally_of(stored_keys.text_of(item))
                for key, item in self._keys.items(prefix)}

    def note(self, survey):
        """Write the survey of a comparison of all images."""
        self._call([], [requests.put(self._survey_key(),
                                     surveys.text_of(survey))])

    def survey(self):
        """Return the last survey; ``None`` if there is none."""
        found = self._keys.item(self._survey_key())
        return found and surveys.survey_of(stored_keys.text_of(found))

    def _add(self, store):
        if store not in self._sent:
            with self._lock:
                self._sent[store] = (self._pending.pop(store),
                                     secrets.token_urlsafe(9))
        added, by = self._sent[store]
        key = self._key(store)
        for _race in range(jobs.MOST_RACES):
            before, compare = self._look(key)
            # That of a call whose answer was lost, or that was sent twice.
            if before.by == by or self._call([compare], [requests.put(
                    key, tallies.text_of(before.plus(added, by)))]).get(
                        'succeeded'):
                del self._sent[store]
                return
        raise exceptions.EtcdUnavailable(
            f'the numbers of the store {store} were changed by others '
            f'{jobs.MOST_RACES} times in a row')

    def _look(self, key):
        """Return the tally, and the comparison that it is still that."""
        found = self._keys.item(key)
        if found is None:
            return tallies.Tally(), requests.is_absent(key)
        return (tallies.tally_of(stored_keys.text_of(found)),
                requests.was_changed_at(key, found['mod_revision']))

    def _key(self, store):
        return f'{self._prefix}/n/{urllib.parse.quote(store, safe="")}'

    def _survey_key(self):
        return f'{self._prefix}/s'

    def _call(self, compare, success):
        return self._keys.call(requests.transaction(compare, success))
