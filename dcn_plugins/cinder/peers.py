# SPDX-License-Identifier: Apache-2.0
"""Which processes of a cluster are alive. Pure.

Cinder counts a service as down when its row in the database has not been
written for ``service_down_time``. Who is in etcd with a lease is alive however
old his row is: he may stand still in a C library. Who is not, and does not
write his row either, is dead much earlier.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Service:
    """A service as the database has it.

    :param heartbeat: when its row was written; only compared.
    :param is_up: by Cinder's own rule.
    """

    id: int
    host: str
    heartbeat: object
    is_up: bool


class Peers:
    """Remember who is not there any more.

    :param own_host: the service that asks; it is alive.
    :param absent_seconds: how long somebody has to be absent, and silent, to
        count as dead; longer than two heartbeats are apart.
    """

    def __init__(self, own_host, absent_seconds):
        self._own_host = own_host
        self._absent_seconds = absent_seconds
        self._absences = {}

    def alive(self, services, present, now):
        """Return the ids of the services that are alive.

        :param present: hosts that have a lease, or ``None`` if nobody can
            tell; then Cinder's rule decides alone.
        :param now: on a clock that never goes back.
        """
        known, self._absences = self._absences, {}
        return {service.id for service in services
                if self._is_alive(service, present, known, now)}

    def _is_alive(self, service, present, known, now):
        if service.host == self._own_host:
            return True
        if present is None or service.host in present:
            return service.is_up if present is None else True
        heartbeat, since = known.get(service.id, (None, None))
        if heartbeat != service.heartbeat:
            # Written meanwhile: it lives, and only etcd does not know it.
            heartbeat, since = service.heartbeat, now
        self._absences[service.id] = heartbeat, since
        return service.is_up and now - since < self._absent_seconds
