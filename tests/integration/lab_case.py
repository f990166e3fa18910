# SPDX-License-Identifier: Apache-2.0
"""What every test on the running lab starts from."""

import concurrent.futures
import os
import pathlib
import unittest
import uuid

import openstack

from tests.lab import cloud as clouds
from tests.lab import deadline
from tests.lab import guest
from tests.lab import layout as layouts
from tests.lab import workflow


class LabCase(unittest.TestCase):
    """A test on the lab that ``python -m tests.lab exec`` has put us into.

    A missing lab is a failure and not a reason to skip.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = os.environ.get('DCN_LAB')
        if not directory:
            raise deadline.LabError(
                'no lab: run these tests with "tests/run lab"')
        cls.lab = layouts.Layout.load(directory)
        cls.cloud = clouds.Cloud(cls.lab)
        cls.user = workflow.Workflow(cls.lab)
        cls.near, cls.far = cls.lab.edges[0], cls.lab.edges[-1]
        cls.image_url = cls.cloud['image-source'].url(guest.NAME)

    def name(self):
        """Return a name nobody else uses."""
        return f'test-{uuid.uuid4().hex[:8]}'

    def allow(self, api, **quotas):
        """Have the quotas of our project be others until the end."""
        project = self.user.cloud.current_project_id
        before = api.get_quota_set(project)

        def restore():
            api.update_quota_set(project, **{
                name: before[name] for name in quotas})
            return True

        # What was deleted counts for a moment longer than it is shown.
        self.addCleanup(deadline.wait, 'the old quotas', restore, 60, 1,
                        retry_on=(openstack.exceptions.BadRequestException,))
        api.update_quota_set(project, **quotas)

    def volume(self, zone, **kwargs):
        """Create a volume that goes at the end of the test."""
        made = self.user.volume(self.name(), zone, **kwargs)
        self.addCleanup(self.user.delete_volume, made.id)
        return made

    def import_image(self, stores, **properties):
        """Import an image that goes at the end of the test."""
        made = self.user.import_image(self.name(), self.image_url, stores,
                                      **properties)
        self.addCleanup(self.user.cloud.image.delete_image, made)
        return made

    @staticmethod
    def log_since(service):
        """Return a function that gives what a service logs from now on."""
        path = pathlib.Path(service.process.log)
        start = path.stat().st_size if path.exists() else 0

        def text():
            with path.open('rb') as log:
                log.seek(start)
                return log.read().decode(errors='replace')

        return text

    def assert_logs(self, text, *words, seconds=60):
        """Wait until all words stand in what a service has logged."""
        try:
            deadline.wait(f'{words} in the log', lambda: all(
                word in text() for word in words), seconds)
        except deadline.LabTimeout as exc:
            self.fail(f'{exc}:\n{text()[-3000:]}')

    def line_of(self, site):
        """Return the WAN of a site; at the end it is as the lab was made.

        A lab without one is a failure.
        """
        self.assertIsNotNone(self.lab.wan, 'the lab was made without --wan')
        line = self.cloud[f'wan-{site}']
        for order in ('heal', f'delay {int(self.lab.wan.rtt_ms * 500)}',
                      f'rate {self.lab.wan.rate_kbit}', 'loss 0'):
            self.addCleanup(line.tell, order)
        return line

    def restored(self, *services):
        """Start services again, as they should be, at the end of the test."""
        before = [dict(vars(service)) for service in services]

        def restore():
            for service, values in zip(services, before):
                service.__dict__.clear()
                service.__dict__.update(values)
            stop(*services)
            start(*services)

        self.addCleanup(restore)


def stop(*services):
    """Stop services, all of them at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(services)) as pool:
        list(pool.map(lambda service: service.stop(), services))


def start(*services):
    """Start services, all of them at the same time."""
    for service in services:
        service.launch()
    for service in services:
        service.wait_ready()
