# SPDX-License-Identifier: Apache-2.0
"""Errors of rados and rbd as ours, by their errno."""

import contextlib
import errno

from dcn_plugins import exceptions

_UNREACHABLE = frozenset([
    errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTCONN,
    errno.ETIMEDOUT])


@contextlib.contextmanager
def translated(modules, doing):
    """Raise errors of Ceph that the block raises as ours.

    :param modules: ``rados``, ``rbd`` or both.
    :param doing: what the block does, for people.
    :raises CephError: of the class that :func:`of` chooses.
    """
    try:
        yield
    except tuple(module.Error for module in modules) as exc:
        raise of(getattr(exc, 'errno', None), doing, str(exc)) from exc


def of(code, doing, reason):
    """Return the error for an errno, which may be negative or None."""
    code = abs(code) if code else None
    if code == errno.ESHUTDOWN:
        return exceptions.Fenced(doing)
    if code in _UNREACHABLE:
        return exceptions.ClusterUnreachable(doing, reason)
    return exceptions.CephRefused(doing, reason, code)
