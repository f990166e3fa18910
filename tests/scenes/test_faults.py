# SPDX-License-Identifier: Apache-2.0
"""Faults that are planted in a real cloud, each of which a check names.

Before and after each of them the site is well.
"""

import json
import tempfile
import time
import urllib.request

from dcn_plugins.osc import site_check
from dcn_plugins.osc import site_edit
from dcn_plugins.placement import job as steps
from tests.integration import lab_case
from tests.lab.services import etcd
from tests.lab.services import nova
from tests.scenes import test_pane

# Of etcds and services that are well, also behind a slow line.
_PATIENT = ('--site-seconds', '20', '--service-seconds', '60')
# Whoever is away is not waited for that long.
_HASTY = ('--site-seconds', '3', '--service-seconds', '60')

_WANTED = """
version: 1
central: [central, archive]
default:
  stores: [{stores}]
"""


class FaultCase(test_pane.PaneCase):

    policy = test_pane.CheckTest.policy

    def setUp(self):
        super().setUp()
        self.addCleanup(self.assertWell)

    def ids(self, *words, site=None):
        """Return the texts of what is found, by their id."""
        found = {}
        for row in self.table(site_check.CheckSite, site or self.near,
                              *(words or _PATIENT)):
            found[row['ID']] = f'{found.get(row["ID"], "")}\n{row["What"]}'
        return found

    def assertWell(self):
        lab_case.deadline.wait(f'{self.near} being well',
                               lambda: not self.ids(), 180, 3)

    def assertFound(self, rule_id, *names, words=(), site=None, seconds=180):
        """Wait until a fault is found, which names what it is about."""
        found = {}

        def is_found():
            found.clear()
            found.update(self.ids(*words, site=site))
            return rule_id in found

        try:
            lab_case.deadline.wait(rule_id, is_found, seconds, 3)
        except lab_case.deadline.LabTimeout as exc:
            self.fail(f'{exc}: {found}')
        for name in names:
            self.assertIn(name, found[rule_id])

    def set_site(self, **metadata):
        """Change the metadata of the site until the end of the test."""
        self.user.set_site(self.near, **metadata)
        self.addCleanup(self.user.set_site, self.near,
                        **dict.fromkeys(metadata))

    def set_settings(self, **values):
        """Change what clouds.yaml says until the end of the test."""
        before = dict(self.settings)
        self.addCleanup(self.settings.update, before)
        self.settings.update(values)

    def aggregate(self, site):
        """Make an aggregate of a site, without a zone, until the end."""
        compute = self.user.cloud.compute
        made = compute.create_aggregate(name=self.name())
        self.addCleanup(compute.delete_aggregate, made)
        compute.set_aggregate_metadata(made, {'dcn:site': site})
        return made

    def host(self, number=0, site=None):
        return nova.compute_host(site or self.near, number)


class SiteFaultsTest(FaultCase):

    def test_a_state(self):
        for state, rule in (('disabled', 'site-closed'),
                            ('draining', 'site-draining')):
            self.set_site(state=state)
            self.assertFound(rule, self.near, state)

    def test_a_priority_that_is_no_number(self):
        self.set_site(priority='high')
        self.assertFound('site-metadata', 'dcn:priority=high')

    def test_a_name_in_capitals(self):
        # MariaDB has no second aggregate of a name in capitals.
        self.aggregate(self.near.upper())
        self.assertFound('site-names-alike', self.near.upper())

    def test_no_hosts_and_no_zone(self):
        name = self.name()
        self.addCleanup(self.table, site_edit.DeleteSite, name)
        self.table(site_edit.CreateSite, name)
        self.assertFound('site-without-hosts', name, site=name)
        self.assertFound('zone-missing-cinder', name, site=name)

    def test_a_store_that_is_none(self):
        self.set_site(store=self.near.upper())
        self.assertFound('store-missing', self.near)

    def test_a_store_at_another_site(self):
        self.set_site(store='central')
        self.assertFound('store-elsewhere', 'central')


class ComputeFaultsTest(FaultCase):

    def test_hosts_that_are_disabled(self):
        self.disable(self.host(0), 'fan')
        self.addCleanup(self.enable, self.host(0))
        self.assertFound('host-disabled', self.host(0), 'fan')
        self.disable(self.host(1), 'fan')
        self.addCleanup(self.enable, self.host(1))
        self.assertFound('no-compute-enabled', self.host(1))

    def test_a_host_that_is_down(self):
        self.user.force_down(self.host(), True)
        self.addCleanup(self.user.force_down, self.host(), False)
        self.assertFound('host-down', self.host())

    def test_a_host_in_two_sites(self):
        # Of a zone alone another aggregate may make several sites.
        compute = self.user.cloud.compute
        own = next(found for found in compute.aggregates()
                   if found.name == self.near)
        compute.set_aggregate_metadata(own, {'dcn:site': self.near})
        self.addCleanup(compute.set_aggregate_metadata, own,
                        {'dcn:site': None})
        other = self.aggregate('elsewhere')
        compute.add_host_to_aggregate(other, self.host())
        self.addCleanup(compute.remove_host_from_aggregate, other,
                        self.host())
        self.assertFound('host-in-two-sites', self.host(), 'elsewhere')

    def test_a_host_in_no_aggregate(self):
        self.addCleanup(self.table, site_edit.AddHost, self.near,
                        self.host(1))
        self.table(site_edit.RemoveHost, self.near, self.host(1))
        self.assertFound('host-in-no-aggregate', self.host(1))

    def test_a_flavor_for_no_site(self):
        compute = self.user.cloud.compute
        flavor = compute.create_flavor(name=self.name(), ram=128, vcpus=1,
                                       disk=0)
        self.addCleanup(compute.delete_flavor, flavor)
        compute.create_flavor_extra_specs(flavor, {'dcn:site': 'dcn77'})
        self.assertFound('flavor-names-no-site', flavor.name, 'dcn77')

    def test_placement_that_lacks_a_host(self):
        self.aggregates_of(self.host(), lambda _found: [])
        self.addCleanup(self.table, site_edit.SetSite, self.near)
        self.assertFound('host-not-mirrored', self.host())

    def test_placement_with_a_host_too_many(self):
        inside = self.aggregates_of(self.host(), lambda found: found)
        stranger = self.host(site=self.far)
        before = self.aggregates_of(stranger, lambda found: found + inside)
        self.addCleanup(self.aggregates_of, stranger, lambda _found: before)
        self.assertFound('provider-left-behind', stranger)


class VolumeFaultsTest(FaultCase):

    def volumes(self):
        return [self.cloud[f'cinder-volume-{self.near}-vol-{number}']
                for number in range(2)]

    def test_cinder_volumes_that_are_down(self):
        services = self.volumes()
        self.restored(*services)
        services[0].stop()
        self.assertFound('volume-service-down', 'vol-0')
        services[1].stop()
        self.assertFound('no-volume-service-up', 'vol-0', 'vol-1')

    def test_a_cluster_that_is_disabled(self):
        self.cluster('disable', disabled_reason='new racks')
        self.addCleanup(self.cluster, 'enable')
        self.assertFound('no-volume-service-enabled', 'new racks')

    def cluster(self, action, **more):
        self.user.cloud.block_storage.put(
            f'/clusters/{action}', microversion='3.7', json={
                'name': f'{self.near}@ceph', 'binary': 'cinder-volume',
                **more}).raise_for_status()

    def test_nobody_is_cut_off(self):
        services = self.volumes()
        self.restored(*services)
        lab_case.stop(*services)
        for service in services:
            service.override = {'dcn': {'fence': 'none'}}
        lab_case.start(*services)
        self.assertFound('volume-fence-none', f'{self.near}@ceph')

    def test_a_site_with_one_of_them(self):
        self.assertFound('volume-service-alone', site='central')

    def test_a_volume_type_for_no_zone(self):
        storage = self.user.cloud.block_storage
        made = storage.create_type(name=self.name(), extra_specs={
            'RESKEY:availability_zones': 'dcn77'})
        self.addCleanup(storage.delete_type, made)
        self.assertFound('volume-type-names-no-zone', made.name, 'dcn77')

    def test_a_volume_that_cannot_be_made(self):
        self.allow(self.user.cloud.block_storage, volumes=0)
        self.assertFound('probe-volume-failed', self.near,
                         words=('--deep', *_PATIENT))


class ImageFaultsTest(FaultCase):

    def set_policy(self, stores):
        file = tempfile.NamedTemporaryFile('w', suffix='.yaml')
        self.addCleanup(file.close)
        file.write(_WANTED.format(stores=stores))
        file.flush()
        self.set_settings(policy_file=file.name)

    def wanted(self):
        """Let a policy want an image at the site that is not there."""
        image_id = self.import_image(['central'])
        self.set_policy(self.near)
        return image_id

    def register(self, **values):
        now = time.time()
        # No glance-api sees it.
        self.client().jobs.register(steps.Job(
            self.wanted(), self.near, now, now, **values))

    def test_an_image_that_is_lacking(self):
        self.wanted()
        self.assertFound('image-lacking', self.near)

    def test_an_image_on_its_way(self):
        self.register()
        self.assertFound('image-on-its-way', self.near)

    def test_a_copy_that_was_given_up(self):
        self.register(state=steps.State.FAILED, reason='no room')
        self.assertFound('image-copy-failed', 'no room')

    def test_a_policy_with_a_store_that_is_none(self):
        self.set_policy('central, dcn77')
        self.assertFound('policy-names-no-store', 'line 5', 'dcn77')

    def test_glance_is_away(self):
        glance = self.cloud['glance-central']
        self.restored(glance)
        glance.stop()
        self.assertFound('unknown-glance', 'The images')

    def test_what_nobody_says(self):
        for key, value, rule in (('policy_file', None, 'unknown-policy'),
                                 ('jobs_url', None, 'unknown-jobs'),
                                 ('sites', {}, 'unknown-etcd')):
            self.set_settings(**{key: value})
            self.assertFound(rule)


class EtcdFaultsTest(FaultCase):

    def members(self):
        return [self.cloud[f'etcd-{self.near}-{number}']
                for number in range(etcd.members(self.lab, self.near))]

    def pause(self, member):
        member.pause()
        self.addCleanup(member.resume)

    def test_members_that_stand_still(self):
        first, second, _third = self.members()
        self.pause(first)
        self.assertFound('unknown-etcd-member', str(first.listening_port),
                         words=_HASTY)
        self.pause(second)
        self.assertFound('etcd-no-quorum', words=_HASTY)

    def test_no_space(self):
        member = self.members()[0]
        url = (f'http://{self.lab.address(self.near)}:'
               f'{member.listening_port}/v3/maintenance')
        number = self.call(f'{url}/status', {})['header']['member_id']

        def alarm(action):
            self.call(f'{url}/alarm', {'action': action, 'memberID': number,
                                       'alarm': 'NOSPACE'})

        self.addCleanup(alarm, 'DEACTIVATE')
        alarm('ACTIVATE')
        self.assertFound('etcd-no-space', str(member.listening_port))

    @staticmethod
    def call(url, body):
        request = urllib.request.Request(url, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class LineFaultsTest(FaultCase):

    def setUp(self):
        super().setUp()
        self.line = self.line_of(self.near)

    def test_a_long_way(self):
        self.line.tell('delay 75000')
        self.assertFound('round-trip-long', '15')

    def test_a_narrow_one(self):
        words = ('--deep', '--least-mbits', '40', *_PATIENT)
        self.assertEqual({}, self.ids(*words))
        self.line.tell('rate 20000')
        self.assertFound('probe-copy-slow', self.near, words=words)
