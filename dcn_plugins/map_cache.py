# SPDX-License-Identifier: Apache-2.0
"""The newest site map of a process, read again in the background as it ages.

Who reads the aggregates, and from where, differs by service: nova-scheduler
has the API database, cinder-scheduler has Nova's API.
"""

import threading
import time

from oslo_log import log as logging

from dcn_plugins import site_map

LOG = logging.getLogger(__name__)

# A refusal is given from a map of at most this age; the wait keeps a flood of
# bad requests from becoming one of queries.
FRESH_SECONDS = 1.0

# Beyond this multiple of its normal age a map is not used without reading it
# anew: it means that reading has failed for long, or that nobody has asked.
MAX_AGES = 30

# How long a request waits for a map that another thread is reading. The
# database or the API has limits of its own, for the one that reads.
READ_SECONDS = 30.0


class SiteMaps:
    """The newest site map, read again in the background as it ages.

    Thread-safe. Nothing is opened or started before the first call, as
    nova-scheduler forks after it has built its filters.

    :param max_age_seconds: a map that is older is replaced while it goes on
        being used.
    :param read: function that returns ``[(uuid, metadata, hosts)]``.
    :param max_ages: a map that is older than so many times of that age is
        not used without reading it anew.
    """

    def __init__(self, max_age_seconds, read, max_ages=MAX_AGES):
        self._max_age = max_age_seconds
        self._max_ages = max_ages
        self._read = read
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._map = None
        self._read_at = None
        self._failed_at = None
        self._warned = ()

    def current(self):
        """Return the map; reads and waits only when there is none of use.

        :raises Exception: that of the reader, when there is no map at all
            or none that could be renewed for a long time.
        """
        with self._lock:
            found, age = self._map, self._age()
        if found is None or age > self._max_ages * self._max_age:
            return self.fresh()
        if self._is_due(age) and self._reading.acquire(blocking=False):
            # The lock is released by the thread.
            try:
                threading.Thread(target=self._renew, name='dcn-site-map',
                                 daemon=True).start()
            except RuntimeError:
                self._reading.release()
                LOG.exception('No thread to read the site map')
        return found

    def fresh(self):
        """Return a map that is at most ``FRESH_SECONDS`` old.

        :raises TimeoutError: if another thread reads it for too long.
        :raises Exception: that of the reader.
        """
        asked_at = time.monotonic()
        if not self._reading.acquire(timeout=READ_SECONDS):
            raise TimeoutError('the site map is being read for more than '
                               f'{READ_SECONDS:g} s')
        try:
            with self._lock:
                # Read by another thread while this one was waiting.
                if self._map is not None and (
                        self._read_at >= asked_at - FRESH_SECONDS):
                    return self._map
            return self._replace()
        finally:
            self._reading.release()

    def _is_due(self, age):
        # A database that refuses at once would be asked by every request.
        failed_at = self._failed_at
        return age > self._max_age and (
            failed_at is None
            or time.monotonic() - failed_at > FRESH_SECONDS)

    def _age(self):
        return (None if self._read_at is None
                else time.monotonic() - self._read_at)

    def _renew(self):
        try:
            self._replace()
        # The last line of a thread: the old map stays, and says how old it is.
        except Exception:
            self._failed_at = time.monotonic()
            LOG.exception('Reading the site map failed; the last one, %.0f s '
                          'old, goes on being used', self._age())
        finally:
            self._reading.release()

    def _replace(self):
        read_at = time.monotonic()
        found = site_map.SiteMap(self._read())
        with self._lock:
            self._map, self._read_at = found, read_at
            self._failed_at = None
            is_new = found.faults != self._warned
            self._warned = found.faults
        if is_new:
            for site, fault in found.faults:
                LOG.warning('DCN %s: %s', site, fault)
        return found
