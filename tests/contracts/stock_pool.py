# SPDX-License-Identifier: Apache-2.0
"""Do to a pool what stock drivers, and those who have died, do.

Mix into a test case that sets before each test:

``rbd``, ``ioctx``
    a librbd and an I/O context of a pool. Of images that are named as
    volumes, only this test's are to be looked at: ``template`` says so.
``prefix``
    with which this test begins the names of all images that are not Cinder's.
"""

import uuid

from dcn_plugins.cinder import volume_names

SIZE = 8 << 20


class Died(BaseException):
    """Stand for the end of the process."""


class Mortal:
    """A librbd whose caller dies instead of making its nth change."""

    _CHANGES = ('remove', 'trash_move', 'trash_remove', 'unprotect_snap',
                'remove_snap')

    def __init__(self, rbd, changes):
        self._rbd = rbd
        self._left = changes

    def __getattr__(self, name):
        return getattr(self._rbd, name)

    def die(self):
        raise Died

    def RBD(self):
        return self._mortal(self._rbd.RBD())

    def Image(self, *args, **kwargs):
        return self._mortal(self._rbd.Image(*args, **kwargs))

    def _mortal(self, thing):
        def call(name):
            def counted(*args, **kwargs):
                if name in self._CHANGES:
                    self._left -= 1
                    if self._left < 0:
                        self.die()
                return getattr(thing, name)(*args, **kwargs)
            return counted

        class Calls:
            def __getattr__(self, name):
                return call(name)

        return Calls()


class StockPool:
    """The images of one test."""

    def named(self, volume_id=None):
        """Return the name of the image of a volume."""
        return self.template % (volume_id or uuid.uuid4())

    def create(self, name=None):
        name = name or self.named()
        self.rbd.RBD().create(self.ioctx, name, SIZE)
        return name

    def snap(self, image, name):
        """Make a snapshot as Cinder does."""
        with self.rbd.Image(self.ioctx, image) as opened:
            opened.create_snap(name)
            opened.protect_snap(name)

    def clone(self, source):
        name = self.named()
        self.snap(source, f'{name}.clone_snap')
        self.rbd.RBD().clone(self.ioctx, source, f'{name}.clone_snap',
                             self.ioctx, name, features=1)
        return name

    def delete(self, image):
        """Delete a volume, with the leak of stock drivers (R0)."""
        if self.snapshots(image):
            self.rbd.RBD().rename(self.ioctx, image, f'{image}.deleted')
            return f'{image}.deleted'
        self.rbd.RBD().remove(self.ioctx, image)
        return None

    def trash(self, image, delay=0):
        with self.rbd.Image(self.ioctx, image, read_only=True) as opened:
            image_id = opened.id()
        self.rbd.RBD().trash_move(self.ioctx, image, delay)
        return image_id

    def snapshots(self, image):
        with self.rbd.Image(self.ioctx, image, read_only=True) as opened:
            return [snap['name'] for snap in opened.list_snaps()]

    def left(self):
        """Return the names of this test's images, and of those in trash."""
        mine = (self.prefix, self.template.split('%s')[0])
        return ({name for name in self.rbd.RBD().list(self.ioctx)
                 if name.startswith(mine)},
                {entry['name'] for entry in
                 self.rbd.RBD().trash_list(self.ioctx)
                 if entry['name'].startswith(mine)})

    @property
    def names(self):
        return volume_names.VolumeNames(self.template, 'snapshot-%s')
