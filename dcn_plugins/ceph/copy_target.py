# SPDX-License-Identifier: Apache-2.0
"""An image that is made by copying: partial, frozen, published.

Each step leaves something that the next copy takes up, whatever happens to
this one: a partial image is compared and completed, and one that has its name
is complete.
"""

import ctypes
import enum
import errno
import logging
import os
import random
import time
import urllib.parse

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster as clusters
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import flatten
from dcn_plugins.ceph import image_handle
from dcn_plugins.ceph import image_names
from dcn_plugins import exceptions

LOG = logging.getLogger(__name__)

_ZEROS = ctypes.create_string_buffer(checksums.GRAIN_BYTES)
_EXCLUSIVE = 0
# What a lock or a watcher of somebody else is answered with, and what he has
# made, or removed, since we looked.
_BUSY = (errno.EROFS, errno.EBUSY, errno.EAGAIN, errno.EEXIST, errno.ENOENT)


# Two that begin at one time may take away from each other what they have just
# made, and neither would have it.
_TRIES = 4
_chance = random.SystemRandom()


class Found(enum.Enum):
    """What a target had when it was opened."""

    NOTHING = 'nothing'
    #: Some of it, or a base: what there is has to be compared.
    PARTIAL = 'partial'
    #: All of it, under its name.
    WHOLE = 'whole'


class CopyTarget:
    """An image of a pool, while it is made.

    :param cluster: a :class:`~dcn_plugins.ceph.cluster.Cluster`.
    :param name: what it is called at its end; ``partial``: until then.
    :param snapshot: what it is read from at its end.
    :param key: of the attribute that says whose it is.
    :param is_ours: function that says so of that attribute, or of ``None``.
    :param text: of the attribute of a new one.
    :param check: called while something is waited for; raises to stop.
    :param step: called with the name of what has just been done, for tests.
    """

    def __init__(self, cluster, pool, name, partial, snapshot, size,
                 object_bytes, key, is_ours, text, check=lambda: None,
                 step=lambda name: None):
        self._cluster = cluster
        self._context = cluster.context(pool)
        self._pool = pool
        self._name = name
        self._partial = partial
        self._snapshot = snapshot
        self._size = size
        self._wanted_object_bytes = object_bytes
        self._key = key
        self._is_ours = is_ours
        self._text = text
        self._check = check
        self._step = step
        self._image = None
        self._image_id = None
        self._is_superfluous = False
        self._doing = f'copying to {pool}/{name} of {cluster.fsid}'

    @property
    def object_bytes(self):
        return self._image.object_bytes

    @property
    def location(self):
        """``rbd://FSID/POOL/IMAGE/SNAPSHOT``, as Glance writes it."""
        return 'rbd://' + '/'.join(
            urllib.parse.quote(part, '') for part in (
                self._cluster.fsid, self._pool, self._name, self._snapshot))

    def open(self, base=None):
        """Open what there is, or make it; return what was :class:`Found`.

        :param base: name of an image that has some of the content.
        :raises TargetBusy: if somebody else copies to it.
        :raises ForeignImage: if the name belongs to an image that is not
            ours.
        :raises CephError: if Ceph does not let us.
        """
        for number in range(_TRIES):
            try:
                found = self._opened(base)
                self._image_id = self._image.id
                return found
            except exceptions.CephRefused as exc:
                if exc.errno not in _BUSY:
                    raise
                if number + 1 == _TRIES:
                    raise exceptions.TargetBusy(
                        f'{self._pool}/{self._name}',
                        self._cluster.fsid) from exc
            self._check()
            time.sleep(_chance.uniform(0.1, 1.0))

    def _opened(self, base):
        names = image_names.ImageNames(self._context)
        if names.finish_rename(self._partial, self._name):
            return self._open_whole()
        found = self._open_or_make(names, base)
        if self._is_superfluous:
            self.close()
            self._remove_partial()
            raise self._lost('it has been copied meanwhile', errno.EEXIST)
        return found

    def _open_or_make(self, names, base):
        partial_id = names.id_of(self._partial)
        if partial_id:
            found = self._adopt()
            if found:
                return found
            if names.id_of(self._partial) != partial_id:
                raise self._lost('somebody else is faster', errno.ENOENT)
            self._step('distrust')
        # Also what is left of one that was made or removed half. To look for
        # it first takes two round trips of fifteen.
        if partial_id or names.is_left(self._partial):
            self._remove_partial()
        if base and self._clone(base):
            found = self._adopt()
            if not found:
                raise self._lost('somebody else is faster', errno.ENOENT)
            return found
        self._create()
        return Found.NOTHING

    def _lost(self, reason, code):
        """Return the error of a race that has been lost: look again."""
        return exceptions.CephRefused(self._doing, reason, code)

    def _open_whole(self):
        try:
            self._image = image_handle.ImageHandle(
                self._cluster, self._pool, self._name, self._snapshot)
        except exceptions.CephRefused as exc:
            if exc.errno != errno.ENOENT:
                raise
            raise self._foreign('has no snapshot ' + self._snapshot) from exc
        text = clusters.attribute(self._context, self._image.header,
                                  self._key)
        if not self._is_ours(text) or self._image.size != self._size:
            raise self._foreign('was not made by this copier from this image')
        return Found.WHOLE

    def _foreign(self, reason):
        self.close()
        return exceptions.ForeignImage(
            f'{self._pool}/{self._name}', self._cluster.fsid, reason)

    def _open_partial(self):
        """Open it for writing, and nobody else can from now on.

        Nor can anybody else give the final name. But somebody may have done
        so before: to this image, which is not ours to change then, also if he
        has died while he did it; or to another one.
        """
        image = image_handle.ImageHandle(
            self._cluster, self._pool, self._partial, is_writer=True)
        try:
            image.call('rbd_lock_acquire', _EXCLUSIVE)
            names = image_names.ImageNames(self._context)
            if names.id_of(self._partial) != image.id:
                raise self._lost('it has got its name', errno.ENOENT)
            named = names.id_of(self._name)
            if named == image.id:
                raise self._lost('it is getting its name', errno.EAGAIN)
            self._is_superfluous = bool(named)
        except BaseException:
            image.close()
            raise
        return image

    def _adopt(self):
        """Go on with a partial image; return ``None`` if it is of no use."""
        try:
            flatten.finish(self._cluster, self._pool, self._partial,
                           self._check)
            image = self._open_partial()
        except exceptions.CephRefused as exc:
            if exc.errno == errno.ENOENT:
                return None
            raise
        try:
            if not self._is_ours(clusters.attribute(
                    self._context, image.header, self._key)):
                image.close()
                return None
            self._thaw(image)
            if image.size != self._size:
                image.call('rbd_resize', self._size)
        except BaseException:
            image.close()
            raise
        self._image = image
        return Found.PARTIAL

    def _thaw(self, image):
        """Remove the snapshot of a copy that ended before it had its name."""
        if image.snapshot(self._snapshot) is not None:
            if image.is_protected(self._snapshot):
                image.call('rbd_snap_unprotect', self._snapshot.encode())
            image.call('rbd_snap_remove', self._snapshot.encode())

    def _features(self):
        """Return what images get in this cluster, and what we need."""
        return flatten.features(self._cluster.setting(
            'rbd_default_features')) | image_handle.EXCLUSIVE_LOCK

    def _create(self):
        with image_names.Options(self._features(),
                                 self._wanted_object_bytes) as options:
            options.create(self._context, self._partial, self._size)
        self._step('create')
        self._image = self._open_partial()
        self._step('lock')
        clusters.set_attribute(self._context, self._image.header, self._key,
                               self._text)
        self._step('record')

    def _clone(self, base):
        """Clone a base and say whether there was one."""
        with image_names.Options(self._features(),
                                 self._wanted_object_bytes) as options:
            try:
                options.clone(self._context, base, self._snapshot,
                              self._partial)
            except exceptions.CephRefused as exc:
                # There is none, or its snapshot is not protected.
                if exc.errno == errno.EEXIST:
                    raise
                LOG.info('%s: no clone of %s: %s', self._doing, base, exc)
                return False
        self._step('clone')
        with image_handle.ImageHandle(self._cluster, self._pool,
                                      self._partial) as image:
            clusters.set_attribute(self._context, image.header, self._key,
                                   self._text)
        return True

    def write(self, offset, address, length, done):
        """Begin to write; the memory must stay as it is up to the end."""
        self._image.write(offset, address, length, done)

    def zero(self, offset, length, done):
        """Begin to make a part read as zeros.

        The last grain of an image that ends within an object is written: an
        object that ends anywhere in it has no checksum.
        """
        tail = 0
        if offset + length == self._size and self._size % self.object_bytes:
            tail = (self._size % checksums.GRAIN_BYTES
                    or checksums.GRAIN_BYTES)
        if not tail:
            self._image.zero(offset, length, done)
            return
        codes = []

        def ended(code):
            codes.append(code)
            if len(codes) == 1 + (length > tail):
                done(min(codes))

        if length > tail:
            self._image.zero(offset, length - tail, ended)
        self._image.write(offset + length - tail, ctypes.addressof(_ZEROS),
                          tail, ended)

    def extend(self, number, length, done):
        """Begin to have an object that is there end with zeros, later."""
        self._image.extend(number, length, done)

    def sums(self, number, length, done):
        """Begin to ask for the checksums of the grains of an object."""
        self._image.sums(number, [(0, length, checksums.GRAIN_BYTES)], done)

    def fine_sums(self, number, length, done):
        """Begin to ask for those of all grains, and for those of blocks."""
        self._image.sums(number, [
            (0, length, checksums.GRAIN_BYTES),
            (0, length, checksums.BLOCK_BYTES)], done)

    def error(self, code):
        """Return the error of a call that has returned ``code``."""
        return errors.of(code, self._doing, os.strerror(-code))

    def attribute(self, key):
        """Return a text that is kept with the image, or ``None``."""
        return clusters.attribute(self._context, self._image.header, key)

    def set_attribute(self, key, text):
        """Keep a text with the image."""
        clusters.set_attribute(self._context, self._image.header, key, text)

    def freeze(self):
        """Take the snapshot that the image is read from, and protect it.

        All writes must have ended. What is found out about them afterwards
        still counts: a snapshot without a name of the image is nobody's.
        """
        name = self._snapshot.encode()
        self._image.call('rbd_snap_create', name)
        self._step('snapshot')
        self._image.call('rbd_snap_protect', name)
        self._step('protect')

    def _wants_lock(self):
        return flatten.features(self._cluster.setting(
            'rbd_default_features')) & image_handle.EXCLUSIVE_LOCK

    def publish(self):
        """Give the image its name; it is whole, verified and frozen."""
        names = image_names.ImageNames(self._context)
        try:
            names.rename(self._partial, self._name, self._image.id)
        except exceptions.CephRefused:
            # Somebody who came meanwhile has taken steps of it for us.
            names.finish_rename(self._partial, self._name)
            if names.id_of(self._name) != self._image.id:
                raise
        self._step('rename')
        if not self._wants_lock():
            # Not before, as nobody else may take what has no name yet.
            self._drop_lock()

    def _drop_lock(self):
        try:
            self._image.call('rbd_update_features',
                             image_handle.EXCLUSIVE_LOCK, 0)
        except exceptions.CephError as exc:
            LOG.info('%s: the image keeps its exclusive lock: %s',
                     self._doing, exc)

    def discard(self):
        """Remove the image, whatever it is called by now.

        What somebody else has given its name meanwhile is left alone.

        :raises CephError: also if somebody has opened it.
        """
        self.close()
        self._remove_partial()
        names = image_names.ImageNames(self._context)
        if self._image_id and names.id_of(self._name) == self._image_id:
            self._remove(self._name, lambda: image_handle.ImageHandle(
                self._cluster, self._pool, self._name, is_writer=True))

    def _remove_partial(self):
        # With its lock: it could get its name while its snapshot goes.
        self._remove(self._partial, self._open_partial)

    def _remove(self, name, opened):
        try:
            with opened() as image:
                self._thaw(image)
        except exceptions.CephRefused as exc:
            if exc.errno != errno.ENOENT:
                raise
        image_names.ImageNames(self._context).remove(name)

    def close(self):
        """Close the image; waits for what is under way."""
        if self._image:
            self._image.close()
        self._image = None


def now():
    """Return the seconds since 1970."""
    return int(time.time())
