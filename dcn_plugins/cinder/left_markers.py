# SPDX-License-Identifier: Apache-2.0
"""Markers in RADOS of operations that etcd knows nothing of.

An operation has its record in etcd for longer than its markers. So a marker
without one is of an etcd that was restored from a backup or has lost its
data, and nobody knows of the half-done work but the marker.
"""

from dcn_plugins.cinder import fence_record
from dcn_plugins.cinder import pool_contents


def read(driver):
    """Return a tuple of :class:`~dcn_plugins.cinder.pool_contents.Marker`.

    Empty with a driver that has no markers.

    :raises DCNError: if Ceph or etcd do not tell.
    """
    backend = getattr(driver, 'backend', None)
    locks = backend and backend.locks()
    if not locks:
        return ()
    clients = backend.clients()
    client = clients.take()
    try:
        left = _left(backend.markers(client), locks)
    except BaseException:
        clients.discard(client)
        raise
    clients.give_back(client)
    return left


def _left(markers, locks):
    seen = {key: text for key, text in markers.everything().items()
            if not locks.is_claimed([_lock(key)])}
    # Those that are still the same were there when etcd knew of nobody.
    found = markers.present(seen)
    return tuple(pool_contents.Marker(key, _told(text))
                 for key, text in sorted(seen.items())
                 if found.get(key) == text)


def _lock(key):
    # The id of the claim follows in the key of a shared lock.
    return key.partition('/')[0]


def _told(text):
    """Return what a marker says, for people."""
    try:
        record = fence_record.Record.parsed(text)
    except fence_record.UnknownRecord:
        return text[:200]
    operations = ', '.join(intent['operation'] for intent in record.intents)
    return f'{operations} by {record.host}'
