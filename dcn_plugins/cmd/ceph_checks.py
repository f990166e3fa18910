# SPDX-License-Identifier: Apache-2.0
"""Checks of pools: whether they answer from here, and let our user write.

All of them are asked at the same time, each in a thread. Nobody waits for one
beyond the deadline: a call into librados may take several times as long.
"""

import contextlib
import dataclasses
import errno
import os
import threading
import time
import uuid

from oslo_config import cfg

from dcn_plugins.ceph import cluster
from dcn_plugins.cmd import results
from dcn_plugins import exceptions

#: For whoever waits for the command, and for each call: an answer of Ceph says
#: more than that there was none.
SECONDS, _CALL_SECONDS = 12.0, 5.0

#: What librados reads if it is told nothing, and who it is then.
DEFAULT_CONF, DEFAULT_USER = '/etc/ceph/ceph.conf', 'admin'

#: A section for all backends, in Cinder, and in Glance with glance_store 5.0.
SHARED = 'backend_defaults'


def values_of(conf, sections, names):
    """Return options of a backend or store; ``''`` of what is not set.

    :param sections: that may have them, the first one first.
    """
    options = [cfg.StrOpt(name) for name in names]
    for section in sections:
        conf.register_opts(options, section)
    return {name: next(filter(None, (
        conf[section][name] for section in sections)), '') for name in names}


def answer(places, ask=None, seconds=SECONDS):
    """Return a result for all pools: where each is, or why it is not.

    What does not answer may do so where the service runs, and is a warning.

    :param places: ``[Place]`` of :mod:`dcn_plugins.imagecopy.request`; their
        ``store`` is what is named.
    :param ask: for tests; as :func:`fsid_of`.
    """
    ends_at = time.monotonic() + seconds
    failures, warnings, told = [], [], []
    for one in [_Question(place, ask or fsid_of) for place in places]:
        one.join(max(0.0, ends_at - time.monotonic()))
        where = f'{one.place.store}: pool {one.place.pool}'
        if one.fsid is not None:
            told.append(f'{where} of Ceph {one.fsid}.')
            continue
        text = (f'{where}, as client.{one.place.user} of {one.place.conf}: '
                f'{one.problem(seconds)}')
        (warnings if one.is_silent else failures).append(text)
    if failures or warnings:
        return results.of(failures, warnings + told)
    return results.success(' '.join(told) or None)


def fsid_of(place):
    """Return the FSID of the cluster of a pool that we may write to.

    An object that nobody has is removed: whoever may not write hears so, and
    nothing is changed.

    :raises CephError: if it does not answer, or refuses us.
    :raises ConfigError: if librados is missing, or a file.
    """
    if not os.access(place.conf, os.R_OK):
        raise exceptions.ConfigError(
            place.conf, 'it cannot be read here', 'Put it there, or run '
            'dcn-status as the user of the service, on its host')
    place = dataclasses.replace(place, connect_seconds=_CALL_SECONDS)
    with _known(place, {errno.ENOENT: (
            'there is no keyring of it here', 'Put it where "keyring" of that '
            'file says')}):
        there = cluster.Cluster(place, _CALL_SECONDS)
    with there:
        with _known(place, {errno.ENOENT: (
                'there is no such pool', 'Correct its name')}):
            context = there.context(place.pool)
        with _known(place, dict.fromkeys((errno.EPERM, errno.EACCES), (
                'it may not write there', 'Give it the capability osd '
                f'"profile rbd pool={place.pool}"'))):
            cluster.remove(context, f'dcn_nobody.{uuid.uuid4()}')
        return there.fsid


@contextlib.contextmanager
def _known(place, causes):
    """Say what an error of Ceph means here, and what to do."""
    try:
        yield
    except exceptions.CephRefused as exc:
        if exc.errno not in causes:
            raise
        raise exceptions.ConfigError(place.store, *causes[exc.errno]) from exc


class _Question(threading.Thread):

    def __init__(self, place, ask):
        super().__init__(daemon=True)
        self.place = place
        self.fsid = None
        self._ask = ask
        self._error = None
        self.start()

    def run(self):
        try:
            self.fsid = self._ask(self.place)
        # Nobody else would see it, and it would look like silence.
        except Exception as exc:
            self._error = exc

    @property
    def is_silent(self):
        """Whether nobody knows, as there is no answer."""
        return self._error is None or isinstance(
            self._error, exceptions.ClusterUnreachable)

    def problem(self, seconds):
        """Return why there is no FSID."""
        if self._error is None:
            return f'no answer within {seconds:g} s.'
        text = str(self._error).rstrip('.') + '.'
        return text if isinstance(self._error, exceptions.DCNError) else (
            f'{type(self._error).__name__}: {text}')
