# SPDX-License-Identifier: Apache-2.0
"""The small cloud of images, with a placement policy and an etcd for jobs."""

import concurrent.futures
import datetime

import openstack

from dcn_plugins.locking import connection
from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import job_requests
from tests.chaos import image_cloud
from tests.chaos import placement_checker
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab.services import ceph
from tests.lab.services import etcd
from tests.lab.services import glance

MEMBERS = 3
_SECONDS = 10.0
# It is started again and again, also on a machine that is busy.
_READY_SECONDS = 180
_AT_ONCE = 2
_SCRUB_SECONDS = 300


class PlacementCloud(image_cloud.ImageCloud):
    """Three members of etcd at the centre, and image placement.

    :param lab: :class:`~tests.lab.layout.Layout` with two edges.
    :param dcn: further options of ``[dcn]`` for each glance-api.
    """

    def __init__(self, lab, dcn):
        lab.state['etcd'] = {layouts.CENTRAL: MEMBERS}
        url = etcd.coordination_url(lab, layouts.CENTRAL)
        super().__init__(lab, {
            'copy_data_path': 'dcn', 'placement_jobs_url': url,
            'placement_policy_file': glance.policy_file(lab), **dcn})
        self.members = [etcd.Etcd(lab, layouts.CENTRAL, number)
                        for number in range(MEMBERS)]
        for service in (*self.apis, *self.members):
            service.ready_seconds = _READY_SECONDS
        self.others += self.members
        #: ``(site, pool)`` of each store.
        self.places = glance.stores(lab, layouts.CENTRAL)
        self.names_of_stores = frozenset(self.places)
        self._settings = connection.settings_of(url, 'chaos')
        self._client = connection.Connection(self._settings,
                                             source='chaos').client
        self._prefix = f'{self._settings.namespace}/placement'
        self._keys = job_requests.Requests(self._prefix)
        #: Ids of all images that were ever deleted.
        self.gone = set()

    def start(self):
        """Start everything, with a majority of etcd that answers."""
        super().start()
        for member in self.members:
            member.wait_ready()

    def mend(self):
        """Have everything whole again, whatever has gone wrong."""
        for link in self.links.values():
            link.tell('heal')
        for service in (*self.members, *self.apis):
            service.launch()
        for service in (*self.members, *self.apis):
            service.wait_ready()

    def write_policy(self, text):
        """Replace the policy of all glance-api."""
        glance.write_policy(self.lab, text)

    def images(self):
        """Return all images as the API lists them, by id."""
        answer = self.ask('get', '/images?limit=500')
        openstack.exceptions.raise_from_response(answer)
        return {image['id']: image for image in answer.json()['images']}

    def change(self, image_id, name, value):
        """Set a property, or remove it; return the status and the image."""
        operation = ({'op': 'remove'} if value is None
                     else {'op': 'add', 'value': value})
        answer = self.ask(
            'patch', f'/images/{image_id}', headers={
                'Content-Type':
                    'application/openstack-images-v2.1-json-patch'},
            json=[{'path': f'/{name}', **operation}])
        return answer.status_code, (
            answer.json() if answer.status_code == 200 else None)

    def keys(self, prefix):
        """Return all keys of etcd with a prefix."""
        answer = self._client.call(
            '/kv/range', {**etcd_requests.range_of(prefix),
                          'keys_only': True}, _SECONDS)
        return [etcd_requests.decoded(item['key'])
                for item in answer.get('kvs', ())]

    def jobs(self):
        """Return the keys of all jobs and claims."""
        return [*self.keys(self._keys.jobs()), *self.keys(self._keys.claims())]

    def buried(self):
        """Return the ids of all images that have a tombstone."""
        return {self._keys.buried(key)
                for key in self.keys(self._keys.tombstones())}

    def other_keys(self):
        """Return the keys below the namespace that are neither.

        Of processes that live: their locks, for instance.
        """
        # The survey, the bell and the numbers of each store stay.
        single = (f'{self._prefix}/s', self._keys.bell_key())
        known = (self._keys.jobs(), self._keys.claims(),
                 self._keys.tombstones(), f'{self._prefix}/n/')
        return [key for key in self.keys(f'{self._settings.namespace}/')
                if not key.startswith(known) and key not in single]

    def scrub(self):
        """Have dcn-scrub remove what copies have left that were killed."""
        process.run(self.lab, [
            self.lab.program('python'), '-m', 'dcn_plugins.glance.scrub',
            '--config-file', self.apis[0].conf, '--repair',
            '--remove-partials', '--remove-orphans',
            '--grace-seconds', '0', '--wait-seconds', '1'],
            seconds=_SCRUB_SECONDS, check=False,
            log=self.lab.path('log', 'glance-scrub.log'))

    def leases(self):
        """Return the ids of all leases of etcd."""
        answer = self._client.call('/kv/lease/leases', {}, _SECONDS)
        return [lease['ID'] for lease in answer.get('leases', ())]

    def found(self, store):
        """Return all names in the pool of a store, trash included."""
        site, pool = self.places[store]
        trash = ceph.rbd(self.lab, site, 'trash', 'ls', '--all', pool)
        return [*ceph.rbd(self.lab, site, 'ls', pool).split(),
                *(line.split()[-1] for line in trash.splitlines())]

    def content(self, store, image_id):
        """Return the SHA-512 of a copy, by ``rbd export``, or ``None``."""
        site, pool = self.places[store]
        return self.exported(store, site, f'{pool}/{image_id}')

    def requests(self, image_id):
        """Return what Glance was asked to copy of an image."""
        found = []
        for task in self.tasks(image_id):
            asked = task.get('input') or {}
            method = (asked.get('import_req') or {}).get('method') or {}
            if method.get('name') == 'copy-image':
                found += [placement_checker.Request(
                    image_id, store, _seconds(task['created_at']))
                    for store in asked.get('backend') or ()]
        return found

    def contents(self, images, known=()):
        """Return the hashes of the copies that Glance names.

        :param images: answers of Glance, by id.
        :param known: ``(image id, store)`` of those to be left out.
        """
        asked = [(image_id, store) for image_id, answer in images.items()
                 for store in placement_checker.present(answer)
                 if (image_id, store) not in known]
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(asked, pool.map(
                lambda one: self.content(one[1], one[0]), asked),
                strict=True))


def _seconds(text):
    return datetime.datetime.fromisoformat(text.removesuffix('Z')).replace(
        tzinfo=datetime.timezone.utc).timestamp()
