# SPDX-License-Identifier: Apache-2.0
"""Stand-ins: an image service with a copier, and a clock."""

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need


class FakeImageAPI:
    """What ``ImageAPI`` offers, on a dict of images.

    A copy is under way between ``request_copy`` and ``end_copy``.
    """

    def __init__(self, stores=('central', 'dcn0', 'dcn1')):
        self.stores = stores
        self.images = {}
        self.asked = []
        self.errors = []

    def add_image(self, image_id, dcn_sites, stores='central', **others):
        self.images[image_id] = dict(
            others, id=image_id, dcn_sites=dcn_sites, stores=stores)
        self.images[image_id].setdefault('status', 'active')

    def get_image(self, image_id):
        if self.errors:
            raise self.errors.pop(0)
        return self.images.get(image_id)

    def get_stores(self, image_id):
        return self.stores

    def request_copy(self, image_id, stores):
        self.asked.append((image_id, tuple(stores)))
        image = self.images[image_id]
        if image.get('os_glance_importing_to_stores'):
            raise exceptions.CopyPostponed(image_id, '409 Conflict')
        image['os_glance_importing_to_stores'] = ','.join(stores)
        image['os_glance_failed_import'] = ''

    def end_copy(self, image_id, failed=()):
        image = self.images[image_id]
        tried = copy_need.names(image.pop('os_glance_importing_to_stores'))
        image['os_glance_failed_import'] = ','.join(failed)
        image['stores'] = ','.join(
            [image['stores']] + [name for name in tried if name not in failed])


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now
