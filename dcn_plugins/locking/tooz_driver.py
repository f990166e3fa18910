# SPDX-License-Identifier: Apache-2.0
"""A driver of tooz for etcd, for any service that takes a tooz URL.

::

    [coordination]
    backend_url = dcn-etcd3+http://h1:2379,h2:2379,h3:2379?ttl=15

A lock is granted in the order in which it was asked for, and who has lost one
is told so: by ``acquired``, ``is_still_owner()``, ``heartbeat()`` and an
exception of ``release()``. See :class:`DCNEtcd3Driver` for the options.
"""

import time

from oslo_log import log as logging
from tooz import coordination
from tooz import locking as tooz_locking
from tooz import utils

from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.locking import tooz_errors
from dcn_plugins.locking import tooz_groups

LOG = logging.getLogger(__name__)

# How long a stop waits for work under fenced locks: oslo.service waits for a
# minute. And how long after it, for what the service still has to write down.
DRAIN_SECONDS = 50.0
DRAIN_PAUSE_SECONDS = 0.2
LINGER_SECONDS = 2.0


class DCNLock(tooz_locking.Lock):
    """A lock of :class:`DCNEtcd3Driver`; see ``tooz.locking.Lock``.

    One object may be held several times when it is shared, once else.
    """

    def __init__(self, name, all_locks):
        super().__init__(name)
        self.key = _text_of(name)
        self._locks = all_locks
        self._holds = []

    @tooz_errors.translated
    def acquire(self, blocking=True, shared=False, timeout=None):
        """Queue for the lock; return whether it was granted.

        :param blocking: whether to wait, or for how many seconds.
        :param timeout: another limit of the wait in seconds.
        :raises ToozConnectionError: if etcd is away for longer than
            ``outage``, or when nobody wants to wait.
        """
        # Of equal numbers only the booleans mean a boolean.
        wait = {True: None, False: 0.0}[blocking] if isinstance(
            blocking, bool) else float(blocking)
        if timeout is not None:
            wait = float(timeout) if wait is None else min(wait, timeout)
        mode = lock_queue.SHARED if shared else lock_queue.EXCLUSIVE
        hold = self._locks.acquire([(self.key, mode)], wait)
        if hold is None:
            return False
        self._holds.append(hold)
        return True

    @tooz_errors.translated
    def release(self):
        """Give the lock back; return whether it was held to the end.

        When it was lost, somebody else may have worked at the same time. That
        is an error in the log, too, as most users of tooz look at nothing.

        :raises ToozError: if etcd does not tell. The lock is given back as
            soon as etcd is there again.
        """
        try:
            hold = self._holds.pop()
        except IndexError:
            return False
        try:
            self._locks.release(hold)
        except exceptions.LockLost as exc:
            LOG.error('%s', exc)
            return False
        return True

    @tooz_errors.translated
    def break_(self):
        """Take the lock away from all who hold it.

        Those who wait keep their places. Whoever holds it is told at his
        release.
        """
        return self._locks.break_(self.key)

    @property
    def acquired(self):
        """Whether it is held and provably not lost; asks nobody."""
        holds = self._holds[-1:]
        return bool(holds and self._locks.is_valid(holds[0]))

    @property
    def token(self):
        """A number that is greater than that of all who held it before.

        ``None`` when it is not held.
        """
        holds = self._holds[-1:]
        return holds[0].token if holds else None

    @tooz_errors.translated
    def is_still_owner(self):
        """Ask etcd whether it is held."""
        holds = self._holds[-1:]
        return bool(holds and self._locks.is_held(holds[0]))

    def heartbeat(self):
        """Tell whether it is held and provably not lost.

        There is nothing to do: a thread renews the lease of all locks.
        """
        return self.acquired


class DCNEtcd3Driver(tooz_groups.Groups,
                     coordination.CoordinationDriverWithExecutor):
    """Locks and groups in etcd 3.4 or newer, through its JSON gateway.

    ``dcn-etcd3+http://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`` or
    ``dcn-etcd3+https://...``, with the options below. Of several members one
    with an address of IPv6 comes first, ``[ADDRESS]:PORT``.

    =========== ======= ====================================================
    Name        Default Meaning
    =========== ======= ====================================================
    ttl         15      seconds until the locks of a process that has died,
                        or cannot reach etcd, are free: 3 to 3600
    timeout     5       seconds that one member may take to answer
    outage      300     seconds for which a claim waits for an etcd that is
                        away, before it fails
    namespace   /dcn    beginning of all keys; services that share it exclude
                        each other
    ca_cert             file with the authorities of the servers' certificates
    cert_cert           file with the client's certificate
    cert_key            file with its key
    =========== ======= ====================================================

    Nothing is asked of etcd before the first lock or group, so that a service
    starts without it. The lease is renewed by a thread of the operating
    system, also under eventlet.
    """

    # It is distributed across hosts as well. But who says so has to fail at a
    # start without etcd, and a service has to survive that.
    CHARACTERISTICS = (
        # The lease of a process is renewed for it, whatever it is doing.
        coordination.Characteristics.NON_TIMEOUT_BASED,
        coordination.Characteristics.DISTRIBUTED_ACROSS_THREADS,
        coordination.Characteristics.DISTRIBUTED_ACROSS_PROCESSES,
        coordination.Characteristics.LINEARIZABLE,
        coordination.Characteristics.SERIALIZABLE,
    )

    def __init__(self, member_id, parsed_url, options):
        super().__init__(member_id, parsed_url, options)
        # How tooz runs the calls about groups is for its own classes.
        self._settings = connection.Settings.parsed(
            parsed_url, utils.collapse(options, exclude=['executor']))
        self._hooks_lost = coordination.Hooks()

    def _start(self):
        super()._start()
        settings = self._settings
        self._connection = connection.Connection(settings, self._lost)
        self._client = self._connection.client
        self._session = self._connection.session
        self._locks = locks.Locks(
            self._client, self._session, f'{settings.namespace}/locks',
            settings.outage_seconds, _text_of(self._member_id))

    def _stop(self):
        self._leader_locks.clear()
        if not self._drained():
            # The lease has to outlast the work; it ends with the process.
            LOG.warning('Work is under way after %g s: its locks are kept',
                        DRAIN_SECONDS)
            super()._stop()
            return
        self._locks.close()
        self._connection.close()
        super()._stop()

    def _drained(self):
        """Wait until work that may be fenced has ended; return whether it has.

        Services stop their coordinator before they wait for what they do:
        without its lease, that would be cut off.
        """
        if not self._locks.is_guarding:
            return True
        deadline = session.clock() + DRAIN_SECONDS
        while self._locks.is_guarding:
            if session.clock() >= deadline:
                return False
            time.sleep(DRAIN_PAUSE_SECONDS)
        # What comes after the work, like writing it down, is not known here;
        # a service with threads of the system ends when this returns.
        time.sleep(LINGER_SECONDS)
        return True

    @property
    def locks(self):
        """All of :class:`~dcn_plugins.locking.locks.Locks`, once started.

        For users that need more than tooz has: several names at once, and
        fence records.
        """
        return self._locks

    def get_lock(self, name):
        """Return a :class:`DCNLock`."""
        return DCNLock(name, self._locks)

    def watch_lost_lease(self, callback):
        """Call a function when the locks of this process may be lost.

        It is called by a thread of the operating system: it must be quick,
        and may use nothing that eventlet has changed.
        """
        self._hooks_lost.append(callback)

    def _lost(self):
        self._hooks_lost.run()


def _text_of(name):
    # Any bytes can be told from each other in a text of this encoding.
    found = name if isinstance(name, bytes) else name.encode()
    return found.decode('latin-1')
