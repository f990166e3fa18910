# SPDX-License-Identifier: Apache-2.0
"""What is where in the end, and whether it is as it should be."""

import contextlib
import time

from tests.chaos import checker
from tests.chaos import placement_checker
from tests.chaos import placement_users
from tests.lab import deadline

# What nobody asks for any more is removed in its own time.
_EMPTY_SECONDS = 90


class Evidence:
    """Everything that can be read of a cloud that is whole again.

    Whatever was deleted before does not count.

    :param cloud: :class:`~tests.chaos.placement_cloud.PlacementCloud`.
    """

    def __init__(self, cloud):
        self._cloud = cloud
        self._earlier = frozenset(cloud.buried())
        #: Hashes of copies; each is read once.
        self.contents = {}

    def wait_settled(self, policy, seconds):
        """Wait until nothing more is to be done; return whether it is so.

        :param policy: that is in force.
        """
        try:
            return deadline.wait(
                'all images being in place', lambda: self._is_settled(policy),
                seconds, 2, retry_on=placement_users.UNHEARD)
        except deadline.LabTimeout:
            return False

    def _is_settled(self, policy):
        stores = self._cloud.names_of_stores
        return not any(
            placement_checker.lacking(image, policy, stores, time.time())
            or image.get('os_glance_import_task')
            for image in self._cloud.images().values()
        ) and not self._cloud.jobs()

    def judge(self, stories, reigns):
        """Return the violations that do not go away by themselves."""
        def found():
            return placement_checker.check(
                stories, reigns, self._settled(), self._cloud.names_of_stores,
                self._earlier)

        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait('nothing being wrong', lambda: not found(),
                          _EMPTY_SECONDS, 5)
        return found()

    def _settled(self):
        cloud = self._cloud
        now = time.time()
        images = cloud.images()
        self.contents.update(cloud.contents(images, self.contents))
        return placement_checker.Settled(
            now, images, self.contents,
            {store: cloud.found(store) for store in cloud.places},
            cloud.jobs(), cloud.buried(), [],
            [request for image_id in images
             for request in cloud.requests(image_id)])

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
