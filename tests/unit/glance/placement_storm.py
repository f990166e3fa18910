# SPDX-License-Identifier: Apache-2.0
"""Anything in any order, and then what the policy says.

Images come, change and go, rules change, workers are killed, etcd and Glance
do not answer, copies fail, events are lost. When all of that is over, each
image is where the policy wants it, and nothing is left in etcd.
"""

from hypothesis import strategies

from dcn_plugins.glance import placement_worker
from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import verdict
from tests.unit.glance import placement_case
from tests.unit.placement import policies

POLICIES = [policies.POLICY] + [policy_text.policy_of(
    policies.TEXT.replace(*change)) for change in (
        ('stores: all', 'stores: group:emea'),
        ('stores: [central, dcn2]', 'stores: none'),
        ('projects: [project-x]', 'projects: [project-a, project-x]'))]

numbers = strategies.integers(0, 4)
EVENTS = strategies.one_of(
    strategies.tuples(strategies.just('create'), numbers,
                      strategies.sampled_from(['public', 'private']),
                      strategies.sampled_from([None, 'dcn0', 'all', 'none'])),
    strategies.tuples(strategies.just('change'), numbers,
                      strategies.sampled_from(['public', 'private'])),
    strategies.tuples(strategies.sampled_from(
        ['delete', 'delete unseen', 'end copy', 'fail copy', 'user']),
        numbers),
    strategies.tuples(strategies.sampled_from(['etcd away', 'glance away']),
                      strategies.integers(1, 6)),
    strategies.tuples(strategies.just('answer lost'),
                      strategies.integers(0, 12)),
    strategies.tuples(strategies.sampled_from(['pause', 'cancel']), numbers),
    strategies.tuples(strategies.just('policy'), strategies.integers(
        0, len(POLICIES) - 1)),
    strategies.tuples(strategies.sampled_from(['kill', 'round']), numbers))


class Storm(placement_case.PlacementCase):
    """A world for one example; not a test by itself."""

    def runTest(self):
        raise AssertionError('not a test')

    def setUp(self):
        super().setUp()
        self.count = 0
        self.created = set()
        self.workers = [self.made() for _number in range(2)]

    def made(self):
        self.count += 1
        worker = placement_worker.PlacementWorker(
            self.process(f'w{self.count}'), self.api, self.reconciler, 100,
            60, 2, self.clock)
        worker._start = lambda: None
        return worker

    def do(self, name, number, *values):
        image = self.api.images.get(f'image-{number}')
        {'create': self.create, 'change': self.change,
         'delete': self.delete, 'delete unseen': self.delete,
         'end copy': self.end, 'fail copy': self.end, 'user': self.user,
         'etcd away': self.fault, 'glance away': self.fault,
         'answer lost': self.fault, 'pause': self.stop, 'cancel': self.stop,
         'policy': self.choose, 'kill': self.kill, 'round': self.round}[
             name](name, number, image, *values)

    def create(self, _name, number, image, visibility, asked):
        # Glance never takes an id again that is in its database.
        if f'image-{number}' not in self.created:
            self.created.add(f'image-{number}')
            self.add_image(f'image-{number}', asked, visibility=visibility)
            self.workers[number % 2].add(f'image-{number}')

    def change(self, _name, _number, image, visibility):
        if image:
            image['visibility'] = visibility

    def delete(self, name, number, image):
        if image:
            del self.api.images[f'image-{number}']
            if name == 'delete':
                self.workers[number % 2].drop(f'image-{number}')

    def end(self, name, _number, image):
        if image and image.get('os_glance_importing_to_stores'):
            stores = image['os_glance_importing_to_stores'].split(',')
            self.api.end_copy(image['id'], stores[:1]
                              if name == 'fail copy' else ())

    def user(self, _name, _number, image):
        if image and not image.get('os_glance_importing_to_stores') and (
                'dcn1' not in image['stores'].split(',')):
            self.api.request_copy(image['id'], ['dcn1'])

    def fault(self, name, number, _image):
        if name == 'etcd away':
            self.away(number)
        elif name == 'answer lost':
            self.etcd.faults = [None] * number + [
                placement_case.exceptions.EtcdUnavailable('lost', True)]
        else:
            self.api.errors = [
                placement_case.exceptions.CopyPostponed('i', 'away')] * number

    def stop(self, name, number, _image):
        for entry in self.jobs.entries(f'image-{number}'):
            (self.jobs.pause if name == 'pause' else self.jobs.cancel)(
                entry.job.image_id, entry.job.store)

    def choose(self, _name, number, _image):
        self.policy = POLICIES[number]

    def kill(self, _name, number, _image):
        # Nothing is given back; etcd ends the lease later.
        renewal = self.workers[number % 2]._found.session._renewal
        if renewal:
            renewal.end()
            self.etcd.expire(renewal.lease.id)
        self.workers[number % 2] = self.made()

    def round(self, _name, number, _image):
        self.now += 20
        self.workers[number % 2]._round()

    def heal(self):
        self.etcd.faults, self.api.errors = [], []
        for entry in self.jobs.entries():
            self.jobs.resume(entry.job.image_id, entry.job.store)
            self.jobs.redo(entry.job.image_id, entry.job.store)
        for _number in range(60):
            self.now += 61
            for worker in self.workers:
                worker._round()
            for image in list(self.api.images.values()):
                self.end('end copy', None, image)

    def check(self):
        stores = frozenset(self.api.stores)
        for image in self.api.images.values():
            found = verdict.decide(images.image_of(image), self.policy,
                                   stores, self.now)
            self.assertLessEqual(found.wanted,
                                 set(image['stores'].split(',')))
        self.assertEqual(({}, {}), (self.listed(), self.jobs.claims()))
        self.assertEqual([], self.api.asked_twice)
        self.assertNotIn('has failed', self.log.output)
        for worker in self.workers:
            self.assertEqual(({}, 0), (worker._in_hand,
                                       len(worker._announced)))
