# SPDX-License-Identifier: Apache-2.0
"""Nova's fakes of Glance and Cinder, with sites, and able to fail."""

import contextlib

import fixtures
from nova import exception
from nova.scheduler import manager as scheduler_manager
from nova.tests import fixtures as nova_fixtures


class VolumesInZones(nova_fixtures.CinderFixture):
    """A Cinder with a zone per volume instead of one for all."""

    def __init__(self, testcase):
        super().__init__(testcase)
        self.zones = {}
        self.is_down = False

    def fake_get(self, context, volume_id, microversion=None):
        if self.is_down:
            raise exception.CinderConnectionFailed(reason='it is down')
        volume = super().fake_get(context, volume_id, microversion)
        return dict(volume, availability_zone=self.zones.get(volume_id))


class ImagesInStores(nova_fixtures.GlanceFixture):
    """A Glance with several stores."""

    def __init__(self, testcase):
        super().__init__(testcase)
        self.stores = {}
        self.is_down = False

    def show(self, context, image_id, *args, **kwargs):
        if self.is_down:
            raise exception.GlanceConnectionFailed(
                server='glance', reason='it is down')
        image = super().show(context, image_id, *args, **kwargs)
        if image_id in self.stores:
            image['stores'] = self.stores[image_id]
        return image


class Outages(fixtures.Fixture):
    """Let fake services fail for as long as hosts are being selected.

    To be used before the first request: the dispatcher of newer releases
    keeps the methods of a manager that it has called once.
    """

    def _setUp(self):
        self._services = []
        select = scheduler_manager.SchedulerManager.select_destinations

        def select_without(manager, *args, **kwargs):
            services = list(self._services)
            for service in services:
                service.is_down = True
            try:
                return select(manager, *args, **kwargs)
            finally:
                for service in services:
                    service.is_down = False

        self.useFixture(fixtures.MonkeyPatch(
            'nova.scheduler.manager.SchedulerManager.select_destinations',
            select_without))

    @contextlib.contextmanager
    def of(self, service):
        """Let a service fail while hosts are selected, within the block."""
        self._services.append(service)
        try:
            yield
        finally:
            self._services.remove(service)
