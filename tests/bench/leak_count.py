# SPDX-License-Identifier: Apache-2.0
"""What there is in a pool and in etcd, to the last object and key."""

import base64
import contextlib
import re

import rados
import rbd

from dcn_plugins.ceph import markers
from dcn_plugins import exceptions
from dcn_plugins.locking import etcd

CALL_SECONDS = 10.0

# Without an image, these objects hold nothing but what there was of it.
_INDEXES = frozenset([
    'rbd_children', 'rbd_directory', 'rbd_info', 'rbd_trash',
    'rbd_object_map', markers.OBJECT])
# All of etcd's keys: "from the first one", "without an end".
_ALL_KEYS = {'key': 'AA==', 'range_end': 'AA=='}
_GROUP = re.compile('/dcn/groups/[^/]+/')


class Place:
    """One pool and one etcd, for their administrator; both to ourselves.

    :param rig: :class:`tests.functional.storage.rig.Rig`, started.
    """

    def __init__(self, rig):
        self._rig = rig

    def __enter__(self):
        self._cluster = rados.Rados(conffile=self._rig.conf)
        self._cluster.connect(timeout=10)
        self._ioctx = self._cluster.open_ioctx(self._rig.pool)
        self._etcd = etcd.Client(
            [etcd.Endpoint(host, int(port)) for host, port in (
                member.split(':') for member in self._rig.etcd_hosts.split(
                    ','))], etcd.Pool())
        return self

    def __exit__(self, *_exc):
        self._etcd.close()
        self._ioctx.close()
        self._cluster.shutdown()

    def counts(self):
        """Return how much there is, by kind."""
        api = rbd.RBD()
        images = api.list(self._ioctx)
        return {
            'images': len(images),
            'snapshots': sum(self._snapshots(name) for name in images),
            'trash': len(list(api.trash_list(self._ioctx))),
            'objects': sum(1 for found in self._ioctx.list_objects()
                           if found.key not in _INDEXES),
            'markers': len(markers.Markers(self._ioctx).everything()),
            'keys': len(self.keys()), 'leases': self._leases()}

    def set_clones(self, is_v2):
        """Choose the kind of clones that are made from now on.

        :param is_v2: those whose snapshots need not be protected. Clients
            older than Ceph 13 cannot read them, so they have to be allowed.
        """
        self._rig.ceph.ceph('osd', 'set-require-min-compat-client',
                            'mimic' if is_v2 else 'luminous')

    def _snapshots(self, name):
        with rbd.Image(self._ioctx, name, read_only=True) as image:
            return len(list(image.list_snaps()))

    def keys(self):
        """Return all keys in etcd but those that say that there is a group.

        tooz keeps a group, one of each cluster, until somebody removes it.
        Its members hang on their leases, and count.
        """
        answer = self._etcd.call(
            '/kv/range', {**_ALL_KEYS, 'keys_only': True}, CALL_SECONDS)
        found = [base64.b64decode(entry['key']).decode(errors='replace')
                 for entry in answer.get('kvs', ())]
        return [key for key in found if not _GROUP.fullmatch(key)]

    def _leases(self):
        return len(self._etcd.call('/lease/leases', {}, CALL_SECONDS)
                   .get('leases', ()))

    def addresses(self):
        """Return the entries of the blocklist."""
        return {line.split()[0] for line in self._rig.ceph.ceph(
            'osd', 'blocklist', 'ls').splitlines() if line.strip()}

    def clear(self):
        """Remove everything, whatever it is."""
        for found in list(self._ioctx.list_objects()):
            self._ioctx.remove_object(found.key)
        self._etcd.call('/kv/deleterange', _ALL_KEYS, CALL_SECONDS)
        for lease in self._etcd.call('/lease/leases', {}, CALL_SECONDS).get(
                'leases', ()):
            # It may end by itself.
            with contextlib.suppress(exceptions.EtcdRefused):
                self._etcd.call('/lease/revoke', {'ID': lease['ID']},
                                CALL_SECONDS)
