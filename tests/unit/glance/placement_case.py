# SPDX-License-Identifier: Apache-2.0
"""Image placement on a fake etcd and a fake image service."""

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import reconciler
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.placement import image_import
from dcn_plugins.placement import job
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import jobs
from dcn_plugins.placement import numbers
from dcn_plugins.placement import removals
from tests.fakes import etcd
from tests.unit.glance import fakes
from tests.unit.placement import policies


class LockingImageAPI(fakes.FakeImageAPI):
    """An image service that holds an image while it copies it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked_twice = []
        self.removed = []

    def request_copy(self, image_id, stores):
        if self.errors:
            raise self.errors.pop(0)
        present = self.images[image_id]['stores'].split(',')
        self.asked_twice += [store for store in stores if store in present]
        super().request_copy(image_id, stores)
        self.images[image_id][image_import.TASK] = 'task'

    def get_stores(self, image_id):
        if self.errors:
            raise self.errors.pop(0)
        return super().get_stores(image_id)

    def end_copy(self, image_id, failed=()):
        super().end_copy(image_id, failed)
        del self.images[image_id][image_import.TASK]

    def remove_copy(self, image_id, store):
        if self.errors:
            raise self.errors.pop(0)
        self.removed.append((image_id, store))
        image = self.images.get(image_id, {'stores': ''})
        present = image['stores'].split(',')
        if present == [store]:
            raise exceptions.RemovalRefused(image_id, store, 'the only store')
        image['stores'] = ','.join(
            name for name in present if name != store)

    def list_images(self):
        if self.errors:
            raise self.errors.pop(0)
        return [dict(image) for image in self.images.values()
                if image['status'] == 'active']


class PlacementCase(testtools.TestCase):
    """``now`` is the time of all; ``process()`` makes another process."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            name='dcn_plugins', format='%(levelname)s %(message)s'))
        self.now = 1000.0
        self.policy = policies.POLICY
        self.api = LockingImageAPI(tuple(sorted(policies.STORES)))
        self.etcd = etcd.Client()
        self.jobs = jobs.Jobs(self.etcd, '/t', self.clock)
        self.reconciler = reconciler.Reconciler(
            self.api, self.jobs, lambda: self.policy, self.clock)

    def clock(self):
        return self.now

    def process(self, name):
        """Return claims, locks and jobs as a process has them."""
        return Process(self, name)

    def add_image(self, image_id='image-1', dcn_sites=None,
                  stores='central', **values):
        self.api.add_image(image_id, dcn_sites, stores, **{
            'owner': 'project-a', 'visibility': 'private', **values})
        return self.api.images[image_id]

    def register(self, store, image_id='image-1', **values):
        self.jobs.register(job.Job(image_id, store, self.now, self.now,
                                   **values))

    def listed(self):
        """Return ``{(image id, store): entry}``."""
        return {(entry.job.image_id, entry.job.store): entry
                for entry in self.jobs.entries()}

    def away(self, count=1):
        self.etcd.faults = [exceptions.EtcdUnavailable('away', False)
                            for _number in range(count)]


class Process:
    """As :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`."""

    def __init__(self, case, name):
        self.session = session.Session(
            case.etcd, lambda: etcd.Client(case.etcd.store), 60)
        case.addCleanup(self.session.close)
        self.jobs = case.jobs
        self.numbers = numbers.Numbers(case.etcd, '/t')
        self.claims = job_claims.JobClaims(case.etcd, self.session, '/t',
                                           name, case.clock)
        self.removals = removals.Removals(case.etcd, '/t', case.clock)
        self.locks = locks.Locks(case.etcd, self.session, '/t/l',
                                 holder=name)

    def close(self):
        self.session.close()
