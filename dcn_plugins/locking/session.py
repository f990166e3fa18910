# SPDX-License-Identifier: Apache-2.0
"""The one lease of a process, renewed for as long as it is wanted.

All that a process holds in etcd hangs on one lease: one renewal for
everything, and one thing to watch. It is renewed by a thread of the operating
system, as a service under eventlet may stand still in a C library for longer
than a lease lasts.
"""

import collections
import contextlib
import os
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import lease as leases
from dcn_plugins.locking import witness
from dcn_plugins import native

LOG = logging.getLogger(__name__)

# For a grant, and for the revocation at the end.
CALL_SECONDS = 5.0

# How soon a renewal that has failed is tried again.
RETRY_SECONDS = 0.5

_REWOUND = ('etcd has gone back to an earlier state: it was restored from a '
            'backup. All locks of this process are lost')
_LAPSED = ('The lease of this process was not renewed in time: its locks are '
           'lost')


def clock():
    """Return seconds that also pass while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Session:
    """A lease that is there when it is needed; thread-safe.

    Nothing is opened before the first :meth:`lease`, as services fork after
    they have read their configuration. A process that was forked from one
    with a lease gets its own.

    :param client: :class:`~dcn_plugins.locking.etcd.Client` of the service.
    :param renewer: function that returns a client for the thread that renews.
    :param ttl_seconds: how long a claim outlives its process, whole seconds.
    :param on_lost: called when etcd has ended the lease or nobody can prove
        any more that it has not. It is called by the thread that renews: it
        must be quick and may wait for nothing.
    :param prefix: of a key for a :class:`~dcn_plugins.locking.witness.Witness`
        of each lease. Without one a restored etcd is noticed by its revision
        only.
    """

    def __init__(self, client, renewer, ttl_seconds, on_lost=None,
                 prefix=None):
        self._client = client
        self._make_renewer = renewer
        self._ttl_seconds = ttl_seconds
        self._on_lost = on_lost
        self._prefix = prefix
        self._lock = threading.Lock()
        self._renewal = None
        self._is_closed = False

    def lease(self, seconds):
        """Return a lease that is valid now; ask for one if there is none.

        :param seconds: that this may take.
        :raises EtcdError: if there is none to be had, or the session is
            closed.
        """
        renewal = self._renewal
        if renewal and self._is_usable(renewal):
            return renewal.lease
        deadline = clock() + seconds
        with self._lock:
            renewal = self._renewal
            if renewal and self._is_usable(renewal):
                return renewal.lease
            if self._is_closed:
                raise exceptions.EtcdRefused(
                    'the session of this process is closed', 0, '')
            if renewal and renewal.is_ours and renewal.past.is_rewound:
                self._give_up(renewal, deadline)
            sent_at = clock()
            rewinds = self._client.rewinds
            answer = self._client.call(
                '/lease/grant', {'TTL': str(self._ttl_seconds), 'ID': '0'},
                max(0.0, deadline - sent_at))
            try:
                granted = leases.Lease.granted(
                    int(answer['ID']), float(answer['TTL']), sent_at)
            except (KeyError, TypeError, ValueError) as exc:
                raise exceptions.EtcdUnavailable(
                    'it grants a lease without a number', True) from exc
            if renewal and renewal.is_ours:
                renewal.end(_LAPSED)
            self._renewal = _Renewal(
                granted, self._make_renewer(), self._on_lost,
                _Past(self._client, rewinds, self._prefix and witness.Witness(
                    f'{self._prefix}/{granted.id}', granted.id)))
            return granted

    def _is_usable(self, renewal, margin_seconds=0.0):
        return (not renewal.past.is_rewound
                and renewal.is_usable(margin_seconds))

    def _give_up(self, renewal, deadline):
        """End a lease that an etcd which was restored has brought back.

        With it came what had hung on it once, and was given back since.
        """
        renewal.end(_REWOUND)
        with contextlib.suppress(exceptions.EtcdRefused):
            self._client.call('/lease/revoke', {'ID': str(renewal.lease.id)},
                              max(0.0, deadline - clock()))

    def is_valid(self, lease_id, margin_seconds=0.0):
        """Tell whether a lease is provably valid, and stays so for a margin.

        It asks nobody: it is for the moment before each step of some work.
        """
        renewal = self._renewal
        return bool(renewal and renewal.lease.id == lease_id
                    and self._is_usable(renewal, margin_seconds))

    def left(self, lease_id):
        """Return for how many seconds a lease is provably valid."""
        renewal = self._renewal
        if not renewal or renewal.lease.id != lease_id:
            return 0.0
        return (renewal.lease.left(clock()) if self._is_usable(renewal)
                else 0.0)

    def forget(self, lease_id):
        """Take note that etcd does not know a lease."""
        renewal = self._renewal
        if renewal and renewal.lease.id == lease_id:
            renewal.end('etcd does not know the lease of this process')

    def close(self):
        """End the lease, and with it all that hangs on it; never raises.

        If etcd does not answer, it ends by itself after its time.
        """
        with self._lock:
            renewal, self._renewal = self._renewal, None
            self._is_closed = True
        if not renewal or not renewal.is_ours:
            return
        renewal.end()
        try:
            self._client.call('/lease/revoke',
                              {'ID': str(renewal.lease.id)}, CALL_SECONDS)
        except exceptions.EtcdRefused as exc:
            if exc.code != etcd.NOT_FOUND:
                LOG.warning('The lease of this process could not be given '
                            'back and ends in %s s: %s',
                            self._ttl_seconds, exc)
        except exceptions.EtcdUnavailable as exc:
            LOG.warning('The lease of this process could not be given back '
                        'and ends in %s s: %s', self._ttl_seconds, exc)


class _Past:
    """What etcd must still know while a lease lasts.

    :param client: that of the service, whose changes these are.
    :param rewinds: of that, before the lease was granted.
    :param own: :class:`~dcn_plugins.locking.witness.Witness` or None.
    """

    def __init__(self, client, rewinds, own):
        self._client = client
        self._rewinds = rewinds
        self._witness = own
        self._is_refused = False

    @property
    def is_rewound(self):
        """Whether the revision of etcd has fallen."""
        return self._client.rewinds != self._rewinds

    def is_lost(self, client, seconds, news):
        """Tell whether etcd says that it does not know all of it any more.

        :param client: to ask with.
        :param news: list for what there is to say.
        """
        if self._witness is None or self.is_rewound:
            return self.is_rewound
        try:
            answer = client.transaction(
                self._witness.look(self._client.changes), seconds)
            return self._witness.is_behind(answer) or client.rewinds > 0
        except exceptions.EtcdRefused as exc:
            # Of a lease that has gone the next renewal tells.
            if not etcd.is_not_found(exc) and not self._is_refused:
                self._is_refused = True
                news.append('etcd does not let this process note what it has '
                            'changed. A lock that a backup of etcd brings '
                            f'back may be held until it ends: {exc}')
        except Exception:  # nosec B110
            # If etcd is away the renewals say so.
            pass
        return False


class _Renewal:
    """Renew one lease until it is lost or no longer wanted.

    What the thread has to say it leaves in ``news``: a log handler may wait
    for eventlet.

    A lease that could once not be proven is not relied on any more, even if
    etcd still renews it: an old leader may say so of one that has ended.
    """

    def __init__(self, granted, client, on_lost, past):
        self.lease = granted
        self.past = past
        self.news = collections.deque(maxlen=20)
        self._client = client
        self._on_lost = on_lost
        self._is_ended = False
        self._loss = ''
        self._pid = os.getpid()
        threads = native.module('threading')
        self._stop = threads.Event()
        threads.Thread(target=self._run, name='dcn-lease',
                       daemon=True).start()

    @property
    def is_ours(self):
        """Whether it is not that of a process that this was forked from."""
        return self._pid == os.getpid()

    def is_usable(self, margin_seconds=0.0):
        with contextlib.suppress(IndexError):
            while True:
                LOG.warning('%s', self.news.popleft())
        return (not self._is_ended and self.is_ours
                and self.lease.is_valid(clock(), margin_seconds))

    def end(self, loss=''):
        """Renew it no more.

        :param loss: why it is lost, if it is and nobody was told yet.
        """
        # What is told already stays so.
        if not self._is_ended:
            self._loss = loss
        self._is_ended = True
        self._stop.set()

    def _run(self):
        pause = leases.renewal_seconds(self.lease.ttl_seconds)
        while not self._stop.wait(pause):
            sent_at = clock()
            if not self.lease.is_valid(sent_at):
                self._loss = _LAPSED
                break
            try:
                answer = self._client.call(
                    '/lease/keepalive', {'ID': str(self.lease.id)},
                    leases.renewal_seconds(self.lease.ttl_seconds))
                # Of a lease that has ended it tells no time.
                ttl_seconds = float(answer['result'].get('TTL', 0))
            except Exception as exc:
                self.news.append(f'The lease of this process was not renewed '
                                 f'yet: {type(exc).__name__}: {exc}')
                # Not past its end, to tell that in time.
                pause = min(RETRY_SECONDS, self.lease.left(clock()))
                continue
            if self._stop.is_set():
                # Its end was asked for meanwhile, and is no loss.
                break
            renewed = self.lease.renewed(ttl_seconds, sent_at)
            if renewed is None:
                self._loss = ('etcd has ended the lease of this process, and '
                              'all its locks with it')
                break
            self.lease = renewed
            if self._is_forgotten(ttl_seconds):
                break
            pause = max(0.0, sent_at + leases.renewal_seconds(ttl_seconds)
                        - clock())
        self._client.close()
        if self._loss:
            self._is_ended = True
            self.news.append(self._loss)
            self._tell()

    def _is_forgotten(self, ttl_seconds):
        """End the lease if etcd was restored; tell whether it was.

        It is not renewed meanwhile, so that takes half of the pause at most.
        """
        seconds = leases.renewal_seconds(ttl_seconds) / 2
        if (not self.past.is_lost(self._client, seconds, self.news)
                or self._stop.is_set()):
            return False
        self._loss = _REWOUND
        self._is_ended = True
        try:
            self._client.call('/lease/revoke', {'ID': str(self.lease.id)},
                              seconds)
        except Exception as exc:
            self.news.append('What an earlier state of etcd has brought back '
                             f'stays for {self.lease.left(clock()):.0f} s: '
                             f'{type(exc).__name__}: {exc}')
        return True

    def _tell(self):
        if self._on_lost is None:
            return
        try:
            self._on_lost()
        except Exception as exc:
            self.news.append('What was to be done when the lease was lost '
                             f'has failed: {type(exc).__name__}: {exc}')
