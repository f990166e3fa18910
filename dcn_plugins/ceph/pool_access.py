# SPDX-License-Identifier: Apache-2.0
"""A pool by the modules rados and rbd, for those who move no data."""

import contextlib

from dcn_plugins.ceph import bindings


@contextlib.contextmanager
def opened(place):
    """Yield an I/O context of a pool, with deadlines for all calls.

    :param place: a :class:`~dcn_plugins.imagecopy.request.Place`, or what has
        its attributes.
    :raises rados.Error: if the cluster does not answer or there is no pool.
    """
    with connected(place) as cluster, cluster.open_ioctx(place.pool) as ioctx:
        yield ioctx


def connected(place):
    """Return a client, to be used as a context manager."""
    return bindings.rados().Rados(
        conffile=place.conf, rados_id=place.user, conf={
            name: f'{place.connect_seconds:g}'
            for name in ('client_mount_timeout', 'rados_mon_op_timeout',
                         'rados_osd_op_timeout')})
