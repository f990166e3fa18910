# SPDX-License-Identifier: Apache-2.0
"""Which cinder-volumes of a cluster have a lease in etcd.

Each is a member of a group of tooz for as long as its lease lasts. A service
that is not there is dead long before Cinder counts it as down.
"""

import contextlib
import time

from oslo_log import log as logging
import tooz
from tooz import coordination

LOG = logging.getLogger(__name__)

# A lease that was lost and replaced is noticed so late.
ANNOUNCE_SECONDS = 5.0


class Presence:
    """The group of one cluster.

    :param coordinator: returns tooz' coordinator of this process, or ``None``.
    :param cluster: name of the cluster.
    :param host: ``host@backend`` of this process.
    """

    def __init__(self, coordinator, cluster, host, clock=time.monotonic):
        self._coordinator = coordinator
        self._group = f'cinder-volumes of {cluster}'.encode()
        self._host = host.encode()
        self._clock = clock
        self._due_at = 0.0

    def announce(self):
        """Be a member; cheap, to be called again and again.

        :raises ToozError: if etcd does not answer.
        """
        if self._clock() < self._due_at:
            return
        self._due_at = self._clock() + ANNOUNCE_SECONDS
        coordinator = self._coordinator()
        try:
            coordinator.join_group(self._group, self._host).get()
        except coordination.GroupNotCreated:
            with contextlib.suppress(coordination.GroupAlreadyExist):
                coordinator.create_group(self._group).get()
            with contextlib.suppress(coordination.MemberAlreadyExist):
                coordinator.join_group(self._group, self._host).get()
        except coordination.MemberAlreadyExist:
            LOG.debug('%s is there', self._host)

    def hosts(self):
        """Return the hosts that are there, or ``None`` if nobody tells."""
        coordinator = self._coordinator()
        found = set()
        try:
            for member in coordinator.get_members(self._group).get():
                with contextlib.suppress(coordination.MemberNotJoined):
                    found.add(coordinator.get_member_capabilities(
                        self._group, member).get().decode())
        except tooz.ToozError as exc:
            LOG.debug('Who is there cannot be told: %s', exc)
            return None
        return found
