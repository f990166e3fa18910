# SPDX-License-Identifier: Apache-2.0
"""Whether a cluster answers: its monitors, and one of its OSDs.

For a thread that nobody waits for: a call may take several times as long as
it should.
"""

import dataclasses
import math

from dcn_plugins.ceph import cluster
from dcn_plugins import exceptions

# Of every pool that RBD has initialized; whether it is there is no matter.
_OBJECT = 'rbd_directory'


class Reach:
    """A client that is kept as long as it gets answers.

    :param place: as for :class:`~cluster.Cluster`, with a pool.
    :param seconds: that one call may take; Ceph takes whole ones.
    :param connect: for tests.
    """

    def __init__(self, place, seconds, connect=cluster.Cluster):
        self._seconds = math.ceil(seconds)
        self._place = dataclasses.replace(
            place, connect_seconds=self._seconds)
        self._connect = connect
        self._cluster = None

    def ask(self):
        """Return what is full there, or ``None``.

        :raises CephError: if it does not answer, or refuses us.
        :raises ConfigError: if librados is missing.
        """
        try:
            if self._cluster is None:
                self._cluster = self._connect(self._place, self._seconds)
            cluster.exists(self._cluster.context(self._place.pool), _OBJECT)
            return self._full_reason()
        except BaseException:
            # A new one finds a cluster that is back sooner than the old one,
            # and is not cut off if that is.
            broken, self._cluster = self._cluster, None
            if broken is not None:
                broken.close()
            raise

    def _full_reason(self):
        try:
            return self._cluster.full_reason()
        except exceptions.CephRefused:
            # They have answered.
            return None
