# SPDX-License-Identifier: Apache-2.0
"""The images that an operation has opened, each once.

Opening an image takes Ceph as long as some changes do, and upstream opens the
same one up to four times in an operation. What it closes is kept here and
given to whoever opens it next, until a call needs it closed. Who only reads
gets what somebody else has in hand, too.

Only an operation may do so: it has the locks of its images, and nobody else
changes them meanwhile.
"""

import logging

LOG = logging.getLogger(__name__)

#: Calls whose answer is the same whether an image is open for writing or not.
#: Others, as that of who has it open, need it as it was asked for.
PLAIN_READS = frozenset([
    'features', 'get_parent_image_spec', 'is_protected_snap', 'list_children',
    'list_children2', 'list_descendants', 'list_snaps', 'metadata_get',
    'metadata_list', 'overlap', 'parent_id', 'parent_info', 'set_snap',
    'size', 'snap_exists', 'stat'])

_CHOOSES_SNAPSHOT = frozenset(['set_snap', 'set_snap_by_id'])


def chooses_snapshot(call, *args):
    """Tell whether after a call an image is seen at a snapshot."""
    return (call in _CHOOSES_SNAPSHOT and bool(args) and args[0] is not None)


class OpenImage:
    """An image that is open.

    :param thing: that of librbd.
    :param name: pool and name; ``None`` for one that nobody may get again.
    """

    def __init__(self, thing, name, is_read_only):
        self.thing = thing
        self.name = name
        self.is_read_only = is_read_only
        #: How many have it in hand.
        self.hands = 1
        self.is_open = True
        #: The call that has chosen a snapshot, if it shows one.
        self.chosen = None

    def has_called(self, call, *args):
        """Take note of a call that has gone well."""
        if call in _CHOOSES_SNAPSHOT:
            self.chosen = (call, *args) if chooses_snapshot(
                call, *args) else None

    def spoil(self):
        """Have nobody get it again: what it knows may be wrong."""
        self.name = None

    @property
    def is_fit(self):
        """Whether somebody may get it again."""
        return (self.is_open and self.name is not None
                and self.chosen is None)

    @property
    def is_idle(self):
        """Whether nobody has it in hand."""
        return not self.hands

    @property
    def is_shared(self):
        """Whether several have it in hand, all but one to read only."""
        return self.hands > 1


class OpenImages:
    """Those of one operation.

    :param run: calls a function so that nothing but its caller waits.
    :param outer: those of the operation that this one is a part of.
    """

    def __init__(self, run, outer=None):
        self._run = run
        self._outer = outer
        self._images = []

    def __len__(self):
        return len(self._images)

    def open(self, name, is_read_only, open_image):
        """Return an :class:`OpenImage`; raises as librbd does.

        It may be read-only though that was not asked for.

        :param open_image: opens it, given whether read-only.
        """
        for image in self._images:
            if (name is not None and image.name == name and image.is_fit
                    and (is_read_only or image.is_idle)):
                image.hands += 1
                return image
        return self._opened(name, is_read_only, open_image)

    def alone(self, image, is_read_only, open_image):
        """Return another one in place of one that others have in hand."""
        found = self._opened(image.name, is_read_only, open_image)
        image.hands -= 1
        return found

    def _opened(self, name, is_read_only, open_image):
        image = OpenImage(self._run(open_image, is_read_only), name,
                          is_read_only)
        self._images.append(image)
        return image

    def watchers(self, name, open_image):
        """Return how many others have an image open; raises as librbd does.

        Those that only read are not counted.
        """
        count = self._count_watchers(name, open_image)
        if count:
            # They may be our own, that nobody has in hand.
            self.close_idle()
            count = self._count_watchers(name, open_image)
        return count

    def make_writable(self, image, open_image):
        """Open an image anew that was read-only."""
        # If it cannot be opened any more, there is nothing to be closed.
        image.is_open = False
        self._run(image.thing.close)
        image.thing = self._run(open_image, False)
        image.is_open, image.is_read_only = True, False
        if image.chosen:
            call, *args = image.chosen
            self._run(getattr(image.thing, call), *args)

    def give_back(self, image):
        """Keep an image for whoever opens it next; raises as librbd does."""
        image.hands -= 1
        if image.is_idle and not image.is_fit:
            self._close(image)

    def changed(self):
        """Forget what was read before something has changed."""
        self._close_idle(lambda image: image.is_read_only)
        for image in self._images:
            if image.is_read_only:
                image.spoil()

    def close_idle(self):
        """Close what nobody has in hand; raises as librbd does.

        :returns: whether there was anything.
        """
        return self._close_idle(lambda image: True)

    def close(self):
        """Close all of them; never raises an Exception."""
        for image in reversed(list(self._images)):
            try:
                self._close(image)
            # One that cannot be closed must not keep the others open.
            except Exception as exc:
                LOG.warning('An image was not closed in order: %s', exc)

    def _count_watchers(self, name, open_image):
        image = self.open(name, True, open_image)
        try:
            watchers = self._run(lambda: list(image.thing.watchers_list()))
            # What we have in hand ourselves is in the way, too.
            return len(watchers) - (
                not image.is_read_only and not image.is_shared)
        finally:
            self.give_back(image)

    def _close_idle(self, is_meant):
        idle = [image for image in self._images
                if image.is_idle and is_meant(image)]
        for image in idle:
            self._close(image)
        more = self._outer is not None and self._outer._close_idle(is_meant)
        return bool(idle or more)

    def _close(self, image):
        if image in self._images:
            self._images.remove(image)
        is_open, image.is_open = image.is_open, False
        if is_open:
            self._run(image.thing.close)
