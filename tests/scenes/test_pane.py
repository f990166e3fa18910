# SPDX-License-Identifier: Apache-2.0
"""The commands of operators on real services.

The numbers are compared with what placement, Cinder and Glance say
themselves, asked another way.
"""

import concurrent.futures
import contextlib
import json
import os
import subprocess
import tempfile
import time
import types

import openstack
from tooz import coordination

from dcn_plugins.osc import explain
from dcn_plugins.osc import image
from dcn_plugins.osc import image_scrub
from dcn_plugins.osc import job
from dcn_plugins.osc import lock
from dcn_plugins.osc import plugin
from dcn_plugins.osc import site
from dcn_plugins.osc import site_check
from dcn_plugins.placement import job as steps
from tests.contracts import pane_contract
from tests.integration import lab_case
from tests.lab.services import ceph
from tests.lab.services import etcd
from tests.lab.services import nova
from tests.lab.services import settings

POLICY = '''
version: 1
central: [central, archive]
residency:
  - name: test images stay near
    projects: all
    stores: [central, dcn0, archive]
default:
  stores: [central, dcn0]
  may_ask: all
'''


class PaneCase(lab_case.LabCase):

    policy = POLICY

    def setUp(self):
        super().setUp()
        policy = tempfile.NamedTemporaryFile('w', suffix='.yaml')
        self.addCleanup(policy.close)
        policy.write(self.policy)
        policy.flush()
        central = etcd.coordination_url(self.lab, 'central')
        self.settings = {
            'policy_file': policy.name,
            # No glance-api works on these.
            'jobs_url': f'{central}&namespace=/{self.name()}',
            'sites': {name: {'locks_url': etcd.coordination_url(
                self.lab, name)} for name in self.lab.sites}}

    def client(self):
        made = plugin.make_client(types.SimpleNamespace(
            session=self.user.cloud.session, interface='public',
            region_name=settings.REGION, _cli_options=types.SimpleNamespace(
                config={'dcn': self.settings})))
        self.addCleanup(made.close)
        return made

    def run_command(self, command, *words):
        made = command(types.SimpleNamespace(
            client_manager=types.SimpleNamespace(dcn=self.client()),
            stdout=None, NAME='openstack', command_manager=None), None)
        return made.take_action(made.get_parser('dcn').parse_args(words))

    def table(self, command, *words):
        headings, rows = self.run_command(command, *words)
        return [dict(zip(headings, row)) for row in rows]

    def shown(self, command, *words):
        return dict(zip(*self.run_command(command, *words)))

    def config(self):
        file = tempfile.NamedTemporaryFile('w', suffix='.yaml')
        self.addCleanup(file.close)
        json.dump({'dcn': self.settings}, file)
        file.flush()
        return file.name

    def started(self, *words, stderr=subprocess.PIPE, **environment):
        """Start "openstack dcn" in a process of its own."""
        ran = subprocess.Popen(
            [self.lab.program('openstack'), '--os-dcn-config-file',
             self.config(), 'dcn', *words], stdout=subprocess.PIPE,
            stderr=stderr, text=True, env={**os.environ, **environment})
        self.addCleanup(ran.kill)
        return ran

    def kill(self, ran, what, is_time, every=0.2):
        """Kill a command as soon as it is time; it has not ended then."""
        try:
            lab_case.deadline.wait(what, is_time, 120, every)
            self.assertIsNone(ran.poll())
        finally:
            ran.kill()
            ran.communicate()

    def aggregates_of(self, host, change):
        """Change the aggregates of a host in placement."""
        placement = self.user.cloud.placement
        provider = next(found for found in placement.resource_providers()
                        if found.name == host)
        path = f'/resource_providers/{provider.id}/aggregates'
        told = placement.get(path, microversion='1.29').json()
        placement.put(path, microversion='1.29', json={
            **told, 'aggregates': change(told['aggregates'])})
        return told['aggregates']

    def _service(self, host):
        return next(found for found in self.user.cloud.compute.services()
                    if found.host == host)

    def disable(self, host, reason):
        self.user.cloud.compute.disable_service(
            self._service(host), disabled_reason=reason)

    def enable(self, host):
        self.user.cloud.compute.enable_service(self._service(host))

    # testtools has it; the lab's case is of unittest.
    def assertRaises(self, error, call=None, *args):
        if call is None:
            return super().assertRaises(error)
        with super().assertRaises(error) as caught:
            call(*args)
        return caught.exception


class ContractTest(pane_contract.PaneContract, PaneCase):

    lacking = 'archive'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = cls.near

    def setUp(self):
        super().setUp()
        self.image = self.import_image([self.site])

    def hosts_of(self, name):
        return sorted(nova.compute_host(name, number) for number in range(
            nova.computes(self.lab, name)))

    def unmirror(self, host):
        self.aggregates_of(host, lambda _found: [])

    def reasons(self, name):
        compute = {found.disabled_reason for found
                   in self.user.cloud.compute.services()
                   if found.host in self.hosts_of(name)}
        clusters = self.user.cloud.block_storage.get(
            '/clusters/detail', microversion='3.7').json()['clusters']
        return compute | {found['disabled_reason'] for found in clusters
                          if found['name'] == f'{name}@ceph'}

    def named(self, prefix):
        cloud = self.user.cloud
        return [found.name for found in [*cloud.block_storage.volumes(),
                                         *cloud.image.images()]
                if found.name.startswith(prefix)]

    def test_a_drain_saves_images_and_names_what_stays(self):
        self.addCleanup(self.table, pane_contract.site_cordon.UncordonSite,
                        self.site)
        volume = self.volume(self.site)
        server = self.user.server(self.name(), zone=self.site,
                                  image_id=self.image)
        self.addCleanup(self.user.delete_server, server.id)
        rows = self.table(pane_contract.site_drain.DrainSite, self.site,
                          '--to', self.lacking)
        found = {(row['Step'], row['Target']): row['State'] for row in rows}
        self.assertEqual(('done', 'stays', 'stays'), (
            found['copy image', self.image], found['volume', volume.id],
            found['server', server.id]))
        self.assertEqual(sorted([self.site, self.lacking]),
                         self.user.stores(self.image))
        name = self.name()
        self.addCleanup(self._remove, name)
        self.assertEqual('error', self._volume(name).status.lower())
        rows = self.table(pane_contract.site_drain.DrainSite, self.site)
        self.assertEqual({'stays'}, self.states(rows))
        error = self.assertRaises(
            pane_contract.exceptions.NotDone, self.table,
            pane_contract.site_drain.RetireSite, self.site)
        self.assertIn('would be lost', str(error))

    def test_nothing_lands_in_a_site_that_is_cordoned(self):
        """A hundred times: by name, by hint, and without any wish."""
        image_id = self.import_image(self.lab.sites)
        self.allow(self.user.cloud.block_storage, volumes=100)
        self.allow(self.user.cloud.compute, instances=200, cores=200)
        self.addCleanup(self.table, pane_contract.site_cordon.UncordonSite,
                        self.site)
        self.table(pane_contract.site_cordon.CordonSite, self.site)
        # With all of its hosts disabled, Nova knows no such zone.
        with super().assertRaises(openstack.exceptions.BadRequestException):
            self.user.server(self.name(), zone=self.site, image_id=image_id)
        prefix = self.name()
        self.addCleanup(self._remove, prefix)
        names = [f'{prefix}-{number}' for number in range(99)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = [*pool.map(self._volume, names[:33]),
                    *pool.map(lambda name: self._server(
                        name, image_id, hints={'dcn_site': self.site}),
                        names[33:66]),
                    *pool.map(lambda name: self._server(name, image_id),
                              names[66:])]
        self.assertEqual(['error'] * 66,
                         [one.status.lower() for one in made[:66]])
        hosts = {one.compute_host for one in made[66:]}
        self.assertEqual({'active'},
                         {one.status.lower() for one in made[66:]})
        self.assertFalse(hosts & set(self.hosts_of(self.site)), hosts)

    def _server(self, name, image_id, **wishes):
        with contextlib.suppress(lab_case.deadline.LabError):
            self.user.server(name, image_id=image_id, **wishes)
        found = self.user.cloud.compute.find_server(name)
        return self.user.get_server(found.id)

    def _volume(self, name):
        with super().assertRaises(lab_case.deadline.LabError):
            self.user.volume(name, self.site)
        return self.user.cloud.block_storage.find_volume(name)

    def _remove(self, prefix):
        """Delete many; one after the other takes minutes."""
        cloud = self.user.cloud
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            gone = [pool.submit(delete, found.id) for delete, listed in (
                (self.user.delete_server, cloud.compute.servers()),
                (self.user.delete_volume, cloud.block_storage.volumes()))
                for found in listed if found.name.startswith(prefix)]
        for deleted in gone:
            deleted.result()


class NumbersTest(PaneCase):
    """What is shown is what the services say themselves."""

    def openstack(self, *words):
        """Return the JSON that the command prints in its own process."""
        ran = subprocess.run(
            [self.lab.program('openstack'), '--os-dcn-config-file',
             self.config(), *words, '-f', 'json'],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(0, ran.returncode, ran.stderr)
        return json.loads(ran.stdout)

    def of_placement(self, name):
        """Return ``(free, capacity)`` of the vCPUs and of the memory."""
        placement = self.user.cloud.placement
        sums = {'VCPU': [0, 0], 'MEMORY_MB': [0, 0]}
        hosts = {nova.compute_host(name, number)
                 for number in range(nova.computes(self.lab, name))}
        for provider in placement.resource_providers():
            if provider.name not in hosts:
                continue
            path = f'/resource_providers/{provider.id}'
            there = placement.get(f'{path}/inventories').json()['inventories']
            used = placement.get(f'{path}/usages').json()['usages']
            for kind, found in sums.items():
                one = there[kind]
                capacity = int((one['total'] - one['reserved'])
                               * one['allocation_ratio'])
                found[0] += capacity - used[kind]
                found[1] += capacity
        return {kind: tuple(found) for kind, found in sums.items()}

    def test_sites(self):
        server = self.user.server(
            self.name(), zone=self.near,
            image_id=self.import_image([self.near]))
        self.addCleanup(self.user.delete_server, server.id)
        rows = {row['Site']: row for row in self.openstack(
            'dcn', 'site', 'list')}
        self.assertEqual(set(self.lab.sites), set(rows))
        compute = list(self.user.cloud.compute.services())
        listed = self.user.cloud.image.get(
            '/images', params={'limit': 1000}).json()['images']
        clusters = {found['name']: found
                    for found in self.user.cloud.block_storage.get(
                        '/clusters/detail', microversion='3.7').json()[
                            'clusters']}
        for name, row in rows.items():
            hosts = [found for found in compute
                     if found.binary == 'nova-compute'
                     and found.availability_zone == name]
            self.assertEqual(
                (sum(found.state == 'up' for found in hosts), len(hosts)),
                (row['Hosts']['value']['up'], row['Hosts']['value']['total']))
            room = row['Free']['value']
            self.assertEqual(self.of_placement(name), {
                kind: (room[kind.lower()]['free'],
                       room[kind.lower()]['capacity'])
                for kind in ('VCPU', 'MEMORY_MB')})
            self.assertEqual(
                sum(name in found.get('stores', '').split(',')
                    for found in listed),
                row['Images']['value']['present'])
            for cluster in row['cinder-volume']['value']['clusters']:
                told = clusters[cluster['name']]
                self.assertEqual(
                    (told['state'], told['num_hosts'],
                     told['num_down_hosts']),
                    (cluster['state'], cluster['hosts'],
                     cluster['hosts_down']))
            self.assertTrue(row['etcd']['is_known'], row)
        near = rows[self.near]['cinder-volume']['value']
        self.assertEqual((2, 2), (near['up'], near['total']))

    def test_an_etcd_that_never_answers(self):
        self.table(site.ListSites)
        service = self.cloud[f'etcd-{self.far}-0']
        service.pause()
        self.addCleanup(service.resume)
        started = time.monotonic()
        rows = {row['Site']: row for row in self.table(site.ListSites)}
        seconds = time.monotonic() - started
        print(f'site list with a dead etcd: {seconds:.2f} s')
        self.assertLess(seconds, 3)
        told = rows[self.far]['etcd'].machine_readable()
        self.assertFalse(told['is_known'])
        self.assertLess(told['age_seconds'], 60)
        self.assertTrue(str(rows[self.far]['etcd']).startswith(
            'unknown since '))
        self.assertIn('does not answer within',
                      str(rows[self.far]['Health']))
        self.assertTrue(rows[self.near]['etcd'].machine_readable()[
            'is_known'])
        line, = (row for row in self.table(lock.ListLocks, self.far)
                 if row['Site'] == self.far)
        self.assertTrue(line['State'].startswith('unknown since '))

    def test_a_site_without_hosts_that_are_up(self):
        host = nova.compute_host(self.far, 0)
        before = time.time()
        self.user.force_down(host, True)
        self.addCleanup(self.user.force_down, host, False)
        row, = self.table(site.ListSites, self.far)
        for name in ('Hosts', 'Free'):
            told = row[name].machine_readable()
            self.assertFalse(told['is_known'])
            self.assertLess(told['age_seconds'], time.time() - before + 60)
        self.assertIn('none of 1 hosts is up', str(row['Health']))


class CheckTest(PaneCase):
    """The lab is well: whatever is found of it is found for nothing."""

    # The other tests may leave images at the site, and nothing copies there.
    policy = """
version: 1
central: [central, archive]
default:
  stores: none
"""

    def test_nothing_is_found_of_a_site_that_is_well(self):
        # Its etcd has three members, and its cinder-volume are a cluster.
        # How soon it answers is what other tests are about.
        self.assertEqual([], self.table(
            site_check.CheckSite, self.near, '--site-seconds', '20',
            '--service-seconds', '60'))


class ScrubTest(PaneCase):
    """A glance-api compares the copies of an image for whoever asks."""

    def setUp(self):
        super().setUp()
        # Those of the glance-api of the lab.
        self.settings['jobs_url'] = etcd.coordination_url(self.lab, 'central')

    def scrub(self, image_id):
        return [(row['Kind'], row['Store']) for row in self.table(
            image_scrub.ScrubImage, image_id, '--deep', '--grace-seconds',
            '0', '--wait-seconds', '300')]

    def test_a_snapshot_that_is_not_protected(self):
        image_id = self.import_image(['central', self.near])
        self.assertEqual([], self.scrub(image_id))
        name = f'images/{image_id}@snap'
        ceph.rbd(self.lab, self.near, 'snap', 'unprotect', name)
        self.assertEqual([('snapshot-unprotected', self.near)],
                         self.scrub(image_id))
        ceph.rbd(self.lab, self.near, 'snap', 'protect', name)
        self.assertEqual([], self.scrub(image_id))


class LockTest(PaneCase):

    def test_a_lock_that_is_held(self):
        coordinator = coordination.get_coordinator(
            self.settings['sites'][self.near]['locks_url'], b'holder')
        coordinator.start(start_heart=True)
        self.addCleanup(coordinator.stop)
        name = self.name()
        held = coordinator.get_lock(name.encode())
        self.assertTrue(held.acquire())
        row, = (row for row in self.table(lock.ListLocks, self.near)
                if row['Lock'] == name)
        self.assertEqual(
            ('held', 'exclusive', ['holder'], 0, 0),
            (row['State'], row['Mode'], row['Holder'].machine_readable(),
             row['Waiting'], row['Fence records']))
        line, = self.table(lock.ShowLock, self.near, name)
        self.assertEqual(('holder', 'holder', held.token),
                         (line['Role'], line['Holder'], line['Token']))
        self.assertLessEqual(line['Heard'].machine_readable(), 15)
        self.assertGreater(line['Ends in'].machine_readable(), 0)
        held.release()
        self.assertEqual([], [row for row in self.table(
            lock.ListLocks, self.near) if row['Lock'] == name])


class JobTest(PaneCase):

    def test_jobs_and_what_is_wanted(self):
        image_id = self.import_image([self.near])
        jobs = self.client().jobs
        now = time.time()
        jobs.register(steps.Job(image_id, 'central', now - 60, now - 60))
        row, = self.table(job.ListJobs)
        self.assertEqual((image_id, 'central', 'waiting'),
                         (row['Image'], row['Store'], row['State']))
        for command, state in ((job.PauseJob, 'paused'),
                               (job.ResumeJob, 'waiting'),
                               (job.CancelJob, 'cancelled'),
                               (job.RetryJob, 'waiting')):
            row, = self.table(command, image_id, 'central')
            self.assertEqual(state, row['State'])
            self.assertEqual(state, self.shown(
                job.ShowJob, image_id, 'central')['state'])
        states = {row['Store']: (row['State'], row['Verdict'])
                  for row in self.table(image.ShowImage, image_id)}
        self.assertEqual({
            'central': ('waiting', 'wanted'), 'dcn0': ('present', 'wanted'),
            'dcn1': ('absent', 'forbidden'),
            'archive': ('absent', 'allowed')}, states)
        rows = {row['Store']: row for row in self.table(
            image.ExplainPolicy, image_id)}
        self.assertEqual('test images stay near', rows['dcn1']['Rule'])
        row, = self.table(site.ListSites, 'central')
        self.assertEqual(
            {'jobs': 1, 'copying': 0, 'waiting': 1},
            row['Backlog'].machine_readable()['value'])
        self.assertGreaterEqual(
            row['Images'].machine_readable()['value']['lacking'], 1)

    def test_explain(self):
        image_id = self.import_image([self.near])
        server = self.user.server(self.name(), zone=self.near,
                                  image_id=image_id)
        self.addCleanup(self.user.delete_server, server.id)
        told = self.shown(explain.ExplainServer, server.id)
        self.assertEqual((self.near, self.near),
                         (told['site'], told['pinned_zone']))
        verdicts = told['sites'].machine_readable()
        self.assertTrue(verdicts[self.near]['accepted'])
        self.assertEqual('move', verdicts[self.far]['rule'])
        volume = self.volume(self.far)
        told = self.shown(explain.ExplainVolume, volume.id)
        self.assertEqual(self.far, told['site'])
        self.assertEqual('zone', told['sites'].machine_readable()[
            self.near]['rule'])
