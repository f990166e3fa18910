# SPDX-License-Identifier: Apache-2.0
"""Take over the work of those who have died, and end what is stuck.

One process of a cluster does it for all. What a dead process had begun is
ended by Cinder's own cleanup, which an operator else has to ask for; see
:mod:`~dcn_plugins.cinder.peers`. Cinder's cleanup knows some states, and only
those that a process has taken over; the others are those of
:mod:`~dcn_plugins.cinder.stuck_states`.
"""

import time

from cinder.common import constants
from cinder import context
from cinder.db import api as db
from cinder import objects
from cinder import service  # noqa: F401  registers report_interval
from cinder.volume import rpcapi
from oslo_config import cfg
from oslo_log import log as logging
import oslo_messaging
from oslo_utils import timeutils

from dcn_plugins.cinder import peers
from dcn_plugins.cinder import stuck_objects
from dcn_plugins.cinder import stuck_states
from dcn_plugins.cinder import suspects

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# How many messages and changes one look makes at most; the rest has time.
MOST_AT_ONCE = 100

# Claims are asked for so many locks at once. Mostly nobody has any.
NAMES_AT_ONCE = 30

# The default of oslo.messaging, which knows it once it serves.
THREADS = 64

# How often a message is tried while RabbitMQ is away. Its own default is to
# try for ever.
SEND_RETRIES = 1

# Objects are looked at so many times in ``quiet_seconds``, but not more often
# than that: the database is that of all sites.
LOOKS = 8
LOOK_SECONDS = 15.0

# How often the same trouble is told.
COMPLAIN_SECONDS = 3600.0


class Takeover:
    """End what the dead have left, at each :meth:`run`.

    :param host: ``host@backend`` of this process.
    :param cluster_name: ``cluster@backend``, or ``None``.
    :param is_claimed: tells for names of locks whether anybody has one of
        them or waits for it, or was lost with one; raises if it cannot tell.
    :param scope: returns the ``locking.names.Scope`` of the backend, or
        raises.
    :param quiet_seconds: how long nobody must have worked on an object.
    :param presence: returns the ``host@backend`` of all processes of the
        cluster that have a lease, or ``None`` if that cannot be told. Each
        must be among them for as long as it lives, once its driver is ready.
    :param is_healthy: tells whether the backend works. While it does not,
        nothing is done, as it would only fail.
    :param zone: availability zone of the backend.
    :param has_upload_locks: whether all drivers of the cluster take
        ``stuck_objects.upload_lock`` while they upload a volume.
    """

    def __init__(self, host, cluster_name, is_claimed, scope, quiet_seconds,
                 presence=None, is_healthy=None, zone=None,
                 has_upload_locks=False, clock=time.monotonic):
        self._host = host
        self._cluster_name = cluster_name
        self._mine = ({'cluster_name': cluster_name} if cluster_name
                      else {'host': host})
        self._is_claimed = is_claimed
        self._scope = scope
        self._presence = presence or (lambda: None)
        self._is_healthy = is_healthy or (lambda: True)
        self._zone = zone
        self._volume_states = stuck_states.VOLUME_STATES + (
            stuck_states.UPLOAD_STATES if has_upload_locks else ())
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._peers = peers.Peers(host, 2 * CONF.report_interval)
        self._suspects = suspects.Suspects(
            quiet_seconds, getattr(CONF, 'executor_thread_pool_size', THREADS))
        self._cleaned = {}
        self._next_look = -float('inf')
        self._complaints = {}

    def run(self):
        """Look once, and do what there is to do; never raises.

        Call it every few seconds.
        """
        try:
            if not self._is_healthy():
                self._suspects.forget()
                return
            self._look(context.get_admin_context(), self._clock())
        except oslo_messaging.MessagingException as exc:
            # What is known stays known, and will be tried again.
            self._complain(exc)
        # The last line of defence: the database, etcd or Ceph may be away,
        # each with errors of its own, and the next look comes.
        except Exception as exc:
            self._suspects.forget()
            self._complain(exc)

    def _complain(self, error):
        complaint = f'{type(error).__name__}: {error}'
        told_at = self._complaints.get(complaint, -float('inf'))
        is_told = self._clock() - told_at < COMPLAIN_SECONDS
        level = LOG.debug if is_told else LOG.warning
        level('What is stuck is not dealt with now: %s', complaint)
        if not is_told:
            self._complaints = {complaint: self._clock()}

    def _look(self, ctxt, now):
        services = [
            peers.Service(row.id, row.host, row.updated_at, bool(row.is_up))
            for row in objects.ServiceList.get_all(ctxt, {
                **self._mine, 'binary': constants.VOLUME_BINARY})]
        alive = self._peers.alive(services, self._presence(), now)
        dead = [peer for peer in services if peer.id not in alive]
        for peer in dead:
            self._clean(ctxt, peer, now)
        if now < self._next_look:
            return
        self._next_look = now + min(LOOK_SECONDS, self._quiet_seconds / LOOKS)
        finder = stuck_objects.Finder(
            ctxt, self._mine, alive, [peer.id for peer in dead], self._scope())
        units = self._suspects.look(finder.find(
            self._volume_states, self._zone_of_lost(ctxt)), now)
        self._note_claims(list(units.items()))
        own = next((peer.id for peer in services if peer.host == self._host),
                   None)
        self._heal(ctxt, finder, own)

    def _clean(self, ctxt, peer, now):
        """Have Cinder end what a dead process had begun."""
        if now < self._cleaned.get(peer.id, now):
            return
        if not db.worker_get_all(ctxt, service_id=peer.id):
            return
        LOG.warning('%s is dead: what it had begun is ended here', peer.host)
        self._rpcapi().do_cleanup(ctxt, objects.CleanupRequest(
            service_id=peer.id, host=peer.host,
            cluster_name=self._cluster_name, binary=constants.VOLUME_BINARY,
            # Not what it begins if it comes back just now.
            until=timeutils.utcnow()))
        self._cleaned[peer.id] = now + self._quiet_seconds

    def _zone_of_lost(self, ctxt):
        """Return the zone to look for volumes in that have no host.

        A scheduler that is down may still have their messages waiting.
        """
        return self._zone if self._zone and objects.ServiceList.get_all(
            ctxt, {'binary': constants.SCHEDULER_BINARY, 'is_up': True}
        ) else None

    def _note_claims(self, units):
        while units:
            batch, names = [], set()
            while units and (not batch or len(names) < NAMES_AT_ONCE):
                batch.append(units.pop())
                names |= _own(batch[-1][1]) | _around(batch[-1][1])
            if not self._is_claimed(names):
                continue
            for unit, members in batch:
                around = _around(members)
                if self._is_claimed(_own(members)):
                    self._suspects.claimed(unit)
                elif around and self._is_claimed(around):
                    self._suspects.claimed(unit, is_own=False)

    def _heal(self, ctxt, finder, service_id):
        all_due = self._suspects.due()
        if not all_due:
            return
        healer = stuck_objects.Healer(ctxt, finder, self._rpcapi, service_id)
        for unit, pairs in list(all_due.items())[:MOST_AT_ONCE]:
            try:
                is_sent = [healer.heal(found, remedy)
                           for found, remedy in pairs]
            except oslo_messaging.MessagingException:
                raise
            # One object of which something is wrong is not in the way of the
            # others.
            except Exception:
                LOG.exception('%s is stuck and cannot be ended', unit)
                is_sent = [True]
            if any(is_sent):
                self._suspects.repeated(unit)

    @staticmethod
    def _rpcapi():
        # A new one each time, as it knows what the oldest service can do.
        found = rpcapi.VolumeAPI()
        found.client.retry = SEND_RETRIES
        return found


def _own(members):
    return frozenset().union(*(found.own for found in members))


def _around(members):
    return frozenset().union(*(found.around for found in members))
