# SPDX-License-Identifier: Apache-2.0
"""What is kept of placement in etcd, read and written with one deadline."""

from dcn_plugins.locking import etcd_requests

#: How long one call may take, all members of etcd together.
CALL_SECONDS = 5.0

#: Keys of one answer.
PAGE = 1000


class StoredKeys:
    """The keys of etcd; thread-safe.

    Each method raises ``EtcdError`` when etcd does not answer or refuses;
    what was to be written may have been written then.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    """

    def __init__(self, client):
        self._client = client

    def call(self, body):
        """Return the answer to a transaction."""
        return self._client.transaction(body, CALL_SECONDS)

    def item(self, key):
        """Return one key as etcd answers, or ``None`` if it is not there."""
        found = self._client.call(
            '/kv/range', {'key': etcd_requests.encoded(key)},
            CALL_SECONDS).get('kvs', ())
        return found[0] if found else None

    def items(self, prefix):
        """Yield ``(key, item)`` of all keys with a prefix, page by page."""
        body = {**etcd_requests.range_of(prefix), 'limit': str(PAGE)}
        while True:
            answer = self._client.call('/kv/range', body, CALL_SECONDS)
            for item in answer.get('kvs', ()):
                after = etcd_requests.decoded(item['key'])
                yield after, item
            if not answer.get('more'):
                return
            body['key'] = etcd_requests.encoded(after + '\0')


def text_of(item):
    """Return the value of a key as etcd has answered; empty if it is none."""
    try:
        return etcd_requests.decoded(item.get('value', ''))
    except ValueError:
        return ''


def item_read(answer):
    """Return the first key that a transaction has read, or ``None``."""
    for part in answer.get('responses', ()):
        for item in part.get('response_range', {}).get('kvs', ()):
            return item
    return None
