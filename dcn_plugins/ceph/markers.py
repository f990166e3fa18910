# SPDX-License-Identifier: Apache-2.0
"""What proves that an operation may have begun and has not ended.

Markers are keys of one object in the pool of the images, so they are lost and
restored with these. An operation writes its markers when it has its locks and
before its first change, and takes them away after its last one, before it
releases. A record in etcd without a marker is of an operation that has not
begun or has ended, whatever backup that etcd was restored from.

The key of an exclusive lock is its name; that of a shared one is the name, a
slash and the id of the claim. A slash is in no name.

Why two that exclude each other are never both told that they may begin: all
that happens to one object of RADOS happens in one order, and one request
happens at once. An exclusive claim X writes its key if nobody's is there, and
reads the shared keys *after* that; a shared claim S writes its key in a
request that fails if an exclusive key is there. If S wrote first, then X
finds its key, or S has ended. If X wrote first, then S has written nothing.
Two exclusive claims write the same key, and the second one fails. An X that
has to give way has not begun; an S that was refused because of it looks once
more into etcd, which has granted the lock to one of them only.
"""

import errno
import types

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import errors
from dcn_plugins import exceptions

#: The object, in the pool of the images.
OBJECT = 'dcn_operations'

EXCLUSIVE = 'x'
SHARED = 's'

# The object is newer than was said, or older.
_OTHER_VERSION = (errno.ERANGE, errno.EOVERFLOW)

# How often markers may have changed between a refusal and our look at them.
_TRIES = 5

# An OSD returns at most 1024 keys at once.
_PAGE = 500


def _directly(function, *args):
    return function(*args)


def keys(claim_id, wishes):
    """Return the keys of a claim's markers, as a tuple. Pure.

    :param wishes: ``x`` or ``s`` by name of lock.
    :raises ValueError: for what could be taken for another claim's key, or
        has other characters than ASCII.
    """
    for text in (claim_id, *wishes):
        if not text or '/' in text or not text.isascii():
            raise ValueError(f'{text!r} cannot be a part of a key')
    unknown = set(wishes.values()) - {EXCLUSIVE, SHARED}
    if unknown:
        raise ValueError(f'unknown modes {sorted(unknown)}')
    return tuple(name if mode == EXCLUSIVE else f'{name}/{claim_id}'
                 for name, mode in wishes.items())


class Markers:
    """The markers in one pool, as one client sees them.

    A client that was cut off gets :class:`Fenced` from every call.

    :param ioctx: of the pool of the images; its library's
        ``rados_osd_op_timeout`` is the deadline of each call.
    :param run: calls a function so that nothing but its caller waits.
    :param rados: the module, if it is not the installed one.
    :param name: of the object.
    """

    def __init__(self, ioctx, run=_directly, rados=None, name=OBJECT):
        self._ioctx = ioctx
        self._run = run
        self._rados = rados or bindings.rados()
        self._name = name

    def version(self):
        """Return a number that grows with each change of any marker.

        ``None`` where there has never been one.

        :raises CephError: if that cannot be told.
        """
        is_there = self._read(lambda op: [
            self._ioctx.get_omap_vals(op, '', '', 1)[0]], None)
        return None if is_there is None else self._ioctx.get_last_version()

    def begin(self, claim_id, wishes, record, replace=None, version=None):
        """Write the markers of a claim, or tell which others are in the way.

        To repeat it does no harm.

        :param wishes: ``x`` or ``s`` by name of lock.
        :param record: text of the markers, ASCII, not like that of any other
            claim.
        :param replace: markers by key, of dead claims, which need not stay.
        :param version: what :meth:`version` has returned; nothing is written
            if any marker of anybody has been written or taken away since.
        :returns: an empty dictionary once they are written, and those of
            ``replace`` gone; else the texts of those in the way by key, and
            nothing has changed. ``None`` if nothing is written because of
            ``version``, or because some are in the way while it was given.
        :raises CephError: with the outcome *unknown* if the markers may have
            been written. Then either leave the record in etcd, or call
            :meth:`end` with the same client: Ceph executes what one client
            asks of one object in order, so the write does not come later.
        """
        if not record or not record.isascii():
            # Ceph's binding compares as many bytes as there are characters.
            raise ValueError('a marker is a text of ASCII')
        own = dict.fromkeys(keys(claim_id, wishes), record)
        replace = dict(replace or {})
        expected = {**dict.fromkeys(wishes, ''), **replace}
        for _try in range(_TRIES):
            if self._change(expected, own, replace.keys() - own.keys(),
                            version):
                break
            if version is not None:
                return None
            found = self.present({*wishes, *replace})
            # What has gone meanwhile need not be put back either.
            replace = _common(replace, found)
            expected = {**{name: found.get(name, '') for name in wishes},
                        **replace}
            # Our own are there if this is repeated.
            in_the_way = {
                name: text for name, text in found.items() if name in wishes
                and text not in (own.get(name), replace.get(name))}
            if in_the_way:
                return in_the_way
        else:
            raise _unstable(wishes)
        in_the_way = self._shared_of_others(wishes)
        if in_the_way:
            # Unless somebody has come after us and has done it.
            self._change(own, replace, own.keys() - replace.keys())
        return in_the_way

    def end(self, claim_id, wishes, record, also=None):
        """Take the markers of a claim away, if they are its own.

        It does not fail if there are none; so it can be repeated.

        :param also: further markers by key, of claims that were ended in
            their place; of these too only what is as it is here.
        :returns: whether all were there.
        :raises CephError: with the outcome *unknown* if they may be there.
        """
        gone = {**dict.fromkeys(keys(claim_id, wishes), record),
                **(also or {})}
        is_all = True
        for _try in range(_TRIES):
            if not gone or self._change(gone, {}, gone):
                return is_all
            is_all = False
            gone = _common(gone, self.present(gone))
        raise _unstable(wishes)

    def present(self, wanted):
        """Return the texts of those markers that are there, by key.

        :raises CephError: if that cannot be told.
        """
        wanted = tuple(wanted)
        if not wanted:
            return {}
        return self._read(lambda op: [
            self._ioctx.get_omap_vals_by_keys(op, wanted)[0]])

    def everything(self, limit=10000):
        """Return the texts of all markers by key, at most so many.

        If there are more, those first in order are returned: end these, and
        the others will be found.

        :raises CephError: if that cannot be told.
        """
        found = {}
        last = ''
        while len(found) < limit:
            size = min(_PAGE, limit - len(found))
            page = self._read(lambda op, last=last, size=size: [
                self._ioctx.get_omap_vals(op, last, '', size)[0]])
            if not page:
                break
            found.update(page)
            last = max(page)
        return found

    def _shared_of_others(self, wishes):
        # Own ones are not among them: these are under other names.
        names = [name for name, mode in wishes.items() if mode == EXCLUSIVE]
        if not names:
            return {}
        return self._read(lambda op: [
            self._ioctx.get_omap_vals(op, '', f'{name}/', _PAGE)[0]
            for name in names])

    def _change(self, expected, new, gone, version=None):
        """Write and remove some keys at once, if others are as expected.

        :param expected: texts by key; an empty one says that there is none.
        :returns: whether it was done.
        """
        with self._errors('writing'), self._rados.WriteOpCtx() as op:
            # Nothing can be compared in an object that is not there.
            op.new(self._rados.LIBRADOS_CREATE_IDEMPOTENT)
            if version is not None:
                op.assert_version(version)
            for key, text in expected.items():
                op.omap_cmp(key, text, self._rados.LIBRADOS_CMPXATTR_OP_EQ)
            if gone:
                self._ioctx.remove_omap_keys(op, tuple(gone))
            if new:
                self._ioctx.set_omap(op, tuple(new), tuple(
                    text.encode() for text in new.values()))
            try:
                self._run(self._ioctx.operate_write_op, op, self._name)
                return True
            except self._rados.OSError as exc:
                if exc.errno == errno.ECANCELED or (
                        version is not None and exc.errno in _OTHER_VERSION):
                    return False
                raise

    def _read(self, ask, nothing=types.MappingProxyType({})):
        """Return what one request finds, as texts by key.

        :param nothing: what is returned where there is no object.
        """
        with self._errors('reading'), self._rados.ReadOpCtx() as op:
            answers = ask(op)
            try:
                self._run(self._ioctx.operate_read_op, op, self._name)
            except self._rados.ObjectNotFound:
                return nothing
            # Bytes of whoever are in the way, too.
            return {key: text.decode(errors='backslashreplace')
                    for answer in answers for key, text in answer}

    def _errors(self, verb):
        return errors.translated(
            [self._rados], f'{verb} the markers in {self._name}')


def _common(one, other):
    return {key: text for key, text in one.items() if other.get(key) == text}


def _unstable(wishes):
    return exceptions.CephRefused(
        f'marking {", ".join(wishes)}', 'markers change all the time',
        errno.EAGAIN)
