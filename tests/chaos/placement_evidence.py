# SPDX-License-Identifier: Apache-2.0
"""What is where in the end, and whether it is as it should be."""

import contextlib
import time

from dcn_plugins import exceptions
from tests.chaos import checker
from tests.chaos import placement_checker
from tests.chaos import placement_users
from tests.lab import deadline

# The watcher of a client that was killed counts for half a minute, and what is
# left of deleted images is looked for each half.
_EMPTY_SECONDS = 180
_ID_CHARACTERS = 36


class Evidence:
    """Everything that can be read of a cloud that is whole again.

    Whatever was deleted before does not count.

    :param cloud: :class:`~tests.chaos.placement_cloud.PlacementCloud`.
    """

    def __init__(self, cloud):
        self._cloud = cloud
        self._earlier = frozenset(cloud.buried() | cloud.gone)
        #: Hashes of copies; each is read once.
        self.contents = {}
        #: What dcn-scrub was asked to remove, as ``NAME in STORE``.
        self.scrubbed = []

    def wait_settled(self, policy, seconds):
        """Wait until nothing more is to be done; return whether it is so.

        :param policy: that is in force.
        """
        try:
            return deadline.wait(
                'all images being in place', lambda: self._is_settled(policy),
                seconds, 2, retry_on=(*placement_users.UNHEARD,
                                      exceptions.EtcdError))
        except deadline.LabTimeout:
            return False

    def _is_settled(self, policy):
        stores = self._cloud.names_of_stores
        return not any(
            placement_checker.lacking(image, policy, stores, time.time())
            or image.get('os_glance_import_task')
            for image in self._cloud.images().values()
        ) and not self._cloud.jobs()

    def judge(self, stories, reigns, is_scrubbed=False):
        """Return the violations that do not go away by themselves.

        :param is_scrubbed: have dcn-scrub remove what copies of ours have
            left that were killed and that nobody wants any more, of images
            that there are. What is left of deleted ones goes by itself, and
            what stock Glance leaves bears no mark of ours, and is found.
        """
        def found():
            first = checked()
            gone = {story.image_id for story in stories if story.is_deleted}
            orphans = [one.text for one in first if one.rule == 'orphan'
                       and one.text[:_ID_CHARACTERS] not in gone]
            if not is_scrubbed or not orphans:
                return first
            self._scrub(orphans)
            return checked()

        def checked():
            return placement_checker.check(
                stories, reigns, self._settled(), self._cloud.names_of_stores,
                self._earlier)

        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait('nothing being wrong', lambda: not found(),
                          _EMPTY_SECONDS, 5)
        return found()

    def read(self):
        """Return the hashes of those copies that could be read."""
        return {key: value for key, value in self.contents.items()
                if value is not None}

    def _settled(self):
        cloud = self._cloud
        now = time.time()
        images = cloud.images()
        # What could not be read may have been on its way.
        self.contents.update(cloud.contents(images, self.read()))
        return placement_checker.Settled(
            now, images, self.contents,
            {store: cloud.found(store) for store in cloud.places},
            cloud.jobs(), cloud.buried(), [],
            [request for image_id in images
             for request in cloud.requests(image_id)])

    def _scrub(self, names):
        self.scrubbed += [name for name in names
                          if name not in self.scrubbed]
        self._cloud.scrub()

    def left(self):
        """Return a violation for all that is left when nothing should be."""
        def names():
            return [f'{name} in {store}' for store in self._cloud.places
                    for name in self._cloud.found(store)]

        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait('nothing being left', lambda: not names(),
                          _EMPTY_SECONDS, 2)
        return [checker.Violation('orphan', f'{one} after all was deleted')
                for one in names()]
