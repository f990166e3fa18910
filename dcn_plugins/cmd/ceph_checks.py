# SPDX-License-Identifier: Apache-2.0
"""Checks of pools: whether they answer from here, and let our user write.

All of them are asked at the same time, each in a thread that nobody waits for
beyond the deadline: a call into librados may take several times as long.
"""

import contextlib
import dataclasses
import errno
import os
import threading
import uuid

from oslo_config import cfg

from dcn_plugins.ceph import cluster
from dcn_plugins.cmd import results
from dcn_plugins import exceptions

#: For whoever waits for the command.
SECONDS = 10.0

#: What librados reads if it is told nothing.
DEFAULT_CONF = '/etc/ceph/ceph.conf'

_SHARED = 'backend_defaults'


@dataclasses.dataclass(frozen=True)
class Pool:
    """A pool that a service works on, and how it gets there.

    :param what: of the service is there, for people.
    :param conf: path of ceph.conf; ``user``: ``client.USER`` of it.
    """

    what: str
    conf: str
    user: str
    pool: str
    connect_seconds: float = SECONDS

    @property
    def store(self):
        """What a connection is called in messages."""
        return self.what


def values_of(conf, section, names):
    """Return options of a backend or store; ``''`` of what is not set.

    What it does not set itself comes from ``[backend_defaults]``, in Cinder
    and in Glance.
    """
    options = [cfg.StrOpt(name) for name in names]
    for group in (section, _SHARED):
        conf.register_opts(options, group)
    return {name: conf[section][name] or conf[_SHARED][name] or ''
            for name in names}


def answer(pools, ask=None, seconds=SECONDS):
    """Return a result for all pools: where each is, or why it is not.

    :param pools: ``[Pool]``.
    :param ask: for tests; as :func:`fsid_of`.
    """
    asked = [_Question(pool, ask or fsid_of) for pool in pools]
    failures, told = [], []
    for one in asked:
        one.join(seconds)
        where = f'{one.pool.what}: pool {one.pool.pool}'
        if one.fsid is not None:
            told.append(f'{where} of Ceph {one.fsid}.')
        else:
            failures.append(f'{where}, as client.{one.pool.user} of '
                            f'{one.pool.conf}: {one.problem(seconds)}')
    if failures:
        return results.failure(' '.join(failures + told))
    return results.success(' '.join(told) or None)


def fsid_of(pool):
    """Return the FSID of the cluster of a pool that we may write to.

    An object that nobody has is removed: whoever may not write hears so, and
    nothing is changed.

    :raises CephError: if it does not answer, or refuses us.
    :raises ConfigError: if librados is missing, or a file.
    """
    if not os.access(pool.conf, os.R_OK):
        raise exceptions.ConfigError(
            pool.conf, 'it cannot be read here', 'Put it there, or run '
            'dcn-status as the user of the service, on its host')
    with _known(pool, {errno.ENOENT: (
            'there is no keyring of it here', 'Put it where "keyring" of that '
            'file says')}):
        there = cluster.Cluster(pool, SECONDS)
    with there:
        with _known(pool, {errno.ENOENT: (
                'there is no such pool', 'Correct its name')}):
            context = there.context(pool.pool)
        with _known(pool, dict.fromkeys((errno.EPERM, errno.EACCES), (
                'it may not write there', 'Give it the capability osd '
                f'"profile rbd pool={pool.pool}"'))):
            cluster.remove(context, f'dcn_nobody.{uuid.uuid4()}')
        return there.fsid


@contextlib.contextmanager
def _known(pool, causes):
    """Say what an error of Ceph means here, and what to do."""
    try:
        yield
    except exceptions.CephRefused as exc:
        if exc.errno not in causes:
            raise
        raise exceptions.ConfigError(pool.what, *causes[exc.errno]) from exc


class _Question(threading.Thread):

    def __init__(self, pool, ask):
        super().__init__(daemon=True)
        self.pool = pool
        self.fsid = None
        self._ask = ask
        self._error = None
        self.start()

    def run(self):
        try:
            self.fsid = self._ask(self.pool)
        except exceptions.DCNError as exc:
            self._error = exc
        # Nobody else would see it, and it would look like silence.
        except Exception as exc:
            self._error = f'{type(exc).__name__}: {exc}'

    def problem(self, seconds):
        """Return why there is no answer."""
        if self._error is not None:
            return f'{str(self._error).rstrip(".")}.'
        return f'no answer within {seconds:g} s.'
