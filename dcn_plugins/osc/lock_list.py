# SPDX-License-Identifier: Apache-2.0
"""All locks of one etcd, as they are at the moment."""

import time

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests
from dcn_plugins.osc import locked

#: Keys of one page, of some 300 bytes each with their values.
_PAGE = 1000


class LockList:
    """The locks below one prefix.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param keys: :class:`~dcn_plugins.locking.lock_keys.Keys`.
    """

    def __init__(self, client, keys):
        self._client = client
        self._keys = keys

    def count(self, seconds):
        """Return how many keys of locks there are; etcd has a quorum then.

        :raises EtcdError: if it has not, or does not answer in time.
        """
        answer = self._client.call('/kv/range', {
            **etcd_requests.range_of(self._keys.of_all()),
            'count_only': True}, seconds)
        return int(answer.get('count', 0))

    def locks(self, seconds):
        """Return each :class:`~dcn_plugins.osc.locked.Lock`, by its name.

        Pages are read one after the other: what they say is of moments
        within ``seconds``.

        :raises EtcdError: if etcd does not answer in time.
        """
        return locked.locks_of(self._keys, self._items(seconds))

    def lease_seconds(self, lease, seconds):
        """Return ``(left, granted)`` of a lease in seconds.

        ``None`` if it has ended.

        :raises EtcdError: if etcd does not answer in time.
        """
        try:
            answer = self._client.call('/lease/timetolive', {'ID': lease},
                                       seconds)
        except exceptions.EtcdRefused:
            return None
        left = int(answer.get('TTL', -1))
        return None if left < 0 else (left, int(answer['grantedTTL']))

    def _items(self, seconds):
        ends_at = time.monotonic() + seconds
        body = {**etcd_requests.range_of(self._keys.of_all()),
                'limit': str(_PAGE)}
        while True:
            answer = self._client.call(
                '/kv/range', body, max(0.0, ends_at - time.monotonic()))
            items = answer.get('kvs', ())
            yield from items
            if not answer.get('more'):
                return
            after = etcd_requests.decoded(items[-1]['key'])
            body['key'] = etcd_requests.encoded(after + '\0')
