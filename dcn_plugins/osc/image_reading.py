# SPDX-License-Identifier: Apache-2.0
"""What Glance and etcd say of images, read at the same time."""

import functools

from dcn_plugins import exceptions
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import image_matrix
from dcn_plugins.osc import named_image
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading


class ImageReading:
    """All active images, or one, with the stores and the jobs of the cloud.

    :param client: :class:`~dcn_plugins.osc.client.Client`.
    :param seconds: how long Glance, and the etcd of the jobs, may take.
    :param image: a name or an id; all images unless given.
    :raises NotDone: if Glance does not tell, or if there is no such image.
    """

    def __init__(self, client, seconds, image=None):
        self.client = client
        cloud = client.cloud
        told = reading.read_all({
            'stores': cloud.stores, 'jobs': self._read_jobs,
            'images': cloud.images if image is None else (
                functools.partial(self._named, image))}, seconds)
        for name in ('images', 'stores'):
            if not told[name].is_known:
                raise exceptions.NotDone(
                    told[name].problem, 'Try again, with a longer '
                    '--service-seconds if it is slow')
        self.images = told['images'].value
        #: Names of the stores that can be copied to, sorted.
        self.stores = tuple(sorted(pane.writable(told['stores'].value)))
        #: The fact which jobs there are.
        self.jobs = told['jobs']
        self._entries = image_matrix.by_image(self.jobs.value or ())

    def jobs_of(self, image):
        """Return the jobs of an image; none if they are not known."""
        return self._entries.get(image['id'], ())

    def _read_jobs(self, _seconds):
        if self.client.jobs is None:
            return facts.unasked(self.client.settings.remedy('jobs_url'))
        return self.client.jobs.entries()

    def _named(self, image, seconds):
        return [named_image.image(self.client.cloud, image, seconds)]
