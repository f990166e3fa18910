# SPDX-License-Identifier: Apache-2.0
"""One fault for each finding, and none of a site that is well."""

import dataclasses
import types

import testtools

from dcn_plugins.osc import clock
from dcn_plugins.osc import etcd_findings
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import finding
from dcn_plugins.osc import site_findings
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import jobs
from tests.unit.osc import check_world

ERROR, WARNING = finding.Severity.ERROR, finding.Severity.WARNING
SILENT = facts.Fact(problem='it does not answer within 20 s')
A, B, C = check_world.MEMBERS


def metadata(**values):
    def fault(world):
        world.aggregates[0]['metadata'].update(
            {key.replace('__', ':'): value for key, value in values.items()})
    return fault


def change(name, number, **values):
    def fault(world):
        getattr(world, name)[number].update(values)
    return fault


def silent(name):
    def fault(world):
        world.instead[name] = SILENT
    return fault


def member(*names, **values):
    def fault(world):
        for name in names:
            world.members[name] = dataclasses.replace(
                world.members[name], **values)
    return fault


def another_site(world):
    world.aggregates.append({
        'id': 9, 'uuid': 'u', 'name': 'other', 'hosts': [],
        'metadata': {'availability_zone': 'North '}})


def without_zone(world):
    world.aggregates[0]['metadata'] = {'dcn:site': 'north'}
    for service in world.computes[:2]:
        service['zone'] = 'nova'


def without_hosts(world):
    world.aggregates[0]['hosts'] = []
    world.mirrors['uuid-north'] = set()


def all_computes(**values):
    def fault(world):
        for service in world.computes[:2]:
            service.update(values)
    return fault


def unknown_host(world):
    del world.computes[0]


def two_sites(world):
    world.aggregates[1]['hosts'].append('north-compute-0')
    world.mirrors['uuid-south'].add('id-north-compute-0')


def left_over(world):
    world.add_compute('compute-7.north.example.org')


def without_provider(world):
    del world.hypervisors[0]


def not_mirrored(world):
    world.mirrors['uuid-north'].remove('id-north-compute-1')


def left_behind(world):
    world.mirrors['uuid-north'].add('id-south-compute-0')


def volumes(count=2, **values):
    def fault(world):
        for service in world.volume_services[:count]:
            service.update(values)
    return fault


def of_another_site(world):
    world.pools[0]['capabilities']['dcn_site'] = 'elsewhere'


def capabilities(**values):
    """Change what a pool publishes; ``None`` takes it out."""
    def fault(world):
        told = world.pools[0]['capabilities']
        told.update(values)
        for name in [name for name in told if told[name] is None]:
            del told[name]
    return fault


def one_volume_service(world):
    del world.volume_services[0]


def without_store(world):
    world.stores[0]['id'] = 'North'
    world.images[0]['stores'] = 'central,North'


def job(state, reason='', claim=None):
    def fault(world):
        world.images[0]['stores'] = 'central'
        made = steps.Job('image', 'north', 1.0, 1.0, state=state,
                         reason=reason)
        world.jobs.append(jobs.Entry(
            made, types.SimpleNamespace(claim=claim)))
    return fault


def lacking(world):
    world.images[0]['stores'] = 'central'


def store_named(name):
    def fault(world):
        world.stores.append({'id': name})
    return fault


def share(number, **values):
    return change('store_details', number, properties={
        'fsid': 'fsid-north', 'pool': 'images', **values})


def paths(world):
    for number, path in ((0, '/images/north'), (2, '/images/north2')):
        world.store_details[number]['properties'] = {'data_dir': path}


def strange_policy(world):
    world.stores.pop()
    world.images[0]['stores'] = 'north'


def no_quorum(world):
    world.quorum = facts.Fact(problem='etcd does not answer within 1 s')
    member(A, leader='0')(world)
    world.members[B] = world.members[C] = SILENT


def silent_etcd(world):
    world.quorum = facts.Fact(problem='etcd does not answer within 1 s')
    world.members = dict.fromkeys(check_world.MEMBERS, SILENT)


def silent_member(world):
    world.members[C] = SILENT


def clocks(world):
    world.clocks['Cinder'] = clock.Clock(61.0, 0.5)


#: By the id: what is broken, what else is found then, and a part of the text.
FAULTS = {
    'site-closed': (metadata(dcn__state='down'), set(), 'north is down'),
    'site-draining': (metadata(dcn__state='draining'), set(), 'draining'),
    'site-metadata': (metadata(dcn__priority='high'), set(), 'dcn:priority'),
    'site-names-alike': (another_site, set(), "'North '"),
    'zone-missing-nova': (without_zone, set(), "zone 'north'"),
    'site-without-hosts': (without_hosts, {'host-in-no-aggregate'},
                           'No host is in north alone'),
    'no-compute-enabled': (all_computes(state='down'), {'host-down'},
                           'None of 2 hosts'),
    'host-down': (change('computes', 1, state='down'), set(),
                  'north-compute-1 is down since 2026-01-01'),
    'host-disabled': (change('computes', 1, status='disabled',
                             disabled_reason='broken fan'), set(),
                      'north-compute-1 is disabled: broken fan'),
    'host-unknown': (unknown_host, set(), 'north-compute-0'),
    'host-in-two-sites': (two_sites, set(), 'sites north and south'),
    'host-in-no-aggregate': (left_over, set(), 'compute-7.north'),
    'flavor-names-no-site': (
        change('flavors', 1, extra_specs={'dcn:site': 'North'}), set(),
        "m2 names the site 'North', which is none; 'north' is there"),
    'host-without-provider': (without_provider, set(), 'north-compute-0'),
    'host-not-mirrored': (not_mirrored, set(), 'north-compute-1'),
    'provider-left-behind': (left_behind, set(), 'south-compute-0'),
    'zone-missing-cinder': (volumes(zone='NORTH'), {
        'volume-type-names-no-zone'}, "'north'; 'NORTH' is there"),
    'no-volume-service': (of_another_site, set(), 'another site'),
    'no-volume-service-up': (volumes(state='down'), set(),
                             'None of 2 cinder-volume'),
    'no-volume-service-enabled': (
        change('clusters', 0, status='disabled', disabled_reason='racks'),
        set(), 'north@ceph, racks'),
    'volume-service-down': (volumes(1, state='down'), set(),
                            'north-vol-0@ceph is down, and never was up'),
    'volume-service-disabled': (
        volumes(1, cluster=None, status='disabled'),
        {'volume-service-without-cluster', 'volume-service-alone'},
        'north-vol-0@ceph is disabled'),
    'volume-service-alone': (one_volume_service, set(),
                             'north-vol-1@ceph is the only cinder-volume of '
                             'the cluster north@ceph'),
    'volume-service-without-cluster': (
        volumes(cluster=None), set(), 'north-vol-1@ceph is in no cluster'),
    'cluster-in-two-zones': (volumes(1, zone='nova'), {
        'volume-service-alone'}, "north-vol-0@ceph in 'nova'"),
    'volume-type-names-no-zone': (
        change('volume_types', 1, extra_specs={
            'RESKEY:availability_zones': 'north,west'}), set(),
        "type any names the availability zone 'west'"),
    'volume-driver-stock': (capabilities(dcn_fence=None), set(),
                            'north@ceph are on Ceph'),
    'volume-fence-none': (capabilities(dcn_fence='none'), set(),
                          'north@ceph cut nobody off'),
    'store-missing': (without_store, {'policy-names-no-store'},
                      "store 'north'; 'North' is there"),
    'store-names-alike': (store_named('NORTH'), set(), "'NORTH'"),
    'store-name-prefix': (store_named('north2'), set(),
                          'north2 begins with that of north'),
    'stores-share-pool': (share(2), set(),
                          'north and central are both the pool images of the '
                          'Ceph fsid-north'),
    'stores-share-cluster': (share(1, pool='south'), set(),
                             'north and south, that of south'),
    'store-paths-alike': (paths, set(), '/images/north2'),
    'store-elsewhere': (change('store_details', 0, properties={
        'fsid': 'far', 'pool': 'images'}), set(), 'fsid-north'),
    'image-copy-failed': (job(steps.State.FAILED, 'no room'), set(),
                          '1 of the images for north: image (failed, '
                          'no room)'),
    'image-lacking': (lacking, set(), 'image (lacking)'),
    'image-on-its-way': (job(steps.State.WAITING), set(),
                         'image (waiting)'),
    'policy-names-no-store': (strange_policy, set(), "'central'"),
    'etcd-no-quorum': (no_quorum, {'unknown-etcd-member'},
                       f'{A} sees no leader, and no member serves a read; 1 '
                       'of 3 members answer'),
    'etcd-two-clusters': (member(B, cluster='two'), set(),
                          f'one ({A}, {C}); two ({B})'),
    'etcd-no-space': (member(A, B, C, errors=('memberID:1 alarm:NOSPACE ',),
                             size_bytes=2000), set(), f'{A}, {B}, {C}'),
    'etcd-corrupt': (member(C, errors=('memberID:1 alarm:CORRUPT ',)), set(),
                     C),
    'etcd-member-without-leader': (member(B, leader='0'), set(), B),
    'etcd-too-old': (member(A, B, C, version='3.3.27'), set(),
                     'is etcd 3.3.27, and 3.4 is the least'),
    'etcd-versions-differ': (member(B, version='3.6.0'), set(),
                             f'3.5.1 ({A}, {C}); 3.6.0 ({B})'),
    'etcd-space': (member(B, size_bytes=801), set(), '80%'),
    'etcd-slow': (member(B, round_trip_seconds=0.41), set(),
                  '0.41 s from this host'),
    'round-trip-long': (member(A, B, C, round_trip_seconds=0.15), set(),
                        '150 ms from this host'),
    'clocks-differ': (clocks, set(), 'Cinder +61 s'),
    'unknown-nova': (silent('computes'), set(),
                     'it does not answer within 20 s (asked for 20 s)'),
    'unknown-placement': (silent('uuid-north'), set(),
                          'providers in the aggregate north'),
    'unknown-cinder': (silent('clusters'), set(), 'clusters'),
    'unknown-glance': (silent('stores'), set(), 'The stores'),
    'unknown-policy': (silent('policy'), set(), 'The placement policy'),
    'unknown-jobs': (silent('jobs'), set(), 'copies'),
    'unknown-etcd': (silent_etcd, {'unknown-etcd-member'},
                     'etcd does not answer within 1 s (asked for 1 s)'),
    'unknown-etcd-member': (silent_member, set(), C),
    'unknown-etcd-quota': (member(B, quota_bytes=None), set(), B),
}


class FindingsTest(testtools.TestCase):

    def found(self, *faults):
        world = check_world.World()
        for fault in faults:
            fault(world)
        return world.findings()

    def test_a_site_that_is_well(self):
        self.assertEqual([], self.found())

    def test_each_finding_has_a_fault(self):
        # What is tried has tests of its own.
        self.assertEqual({rule_id for rule_id in finding.RULES
                          if not rule_id.startswith('probe-')}, set(FAULTS))

    def test_each_fault_is_found_and_nothing_else(self):
        for rule_id, (fault, others, text) in FAULTS.items():
            found = self.found(fault)
            self.assertEqual({rule_id} | others, {one.id for one in found},
                             rule_id)
            mine = [one for one in found if one.id == rule_id]
            self.assertTrue(any(text in one.what for one in mine),
                            f'{rule_id}: {mine}')

    def test_each_finding_tells_why_and_what_to_do(self):
        for rule_id, (fault, _others, _text) in FAULTS.items():
            for one in self.found(fault):
                self.assertTrue(one.why, rule_id)
                self.assertTrue(one.remedy, rule_id)
                self.assertNotIn('{', one.why + one.remedy)

    def test_ids_are_for_programs(self):
        for rule_id in finding.RULES:
            self.assertRegex(rule_id, r'^[a-z]+(-[a-z]+)*$')

    def test_errors_come_first(self):
        found = self.found(clocks, metadata(dcn__state='disabled'),
                           lacking, no_quorum)
        errors = [one.severity is ERROR for one in found]
        self.assertEqual(sorted(errors, reverse=True), errors)
        self.assertEqual('site-closed', found[0].id)

    def test_nothing_that_is_silent_is_well(self):
        for name in site_findings.QUESTIONS:
            one, = self.found(silent(name))
            self.assertEqual(ERROR, one.severity, name)
            self.assertTrue(one.id.startswith('unknown-'), name)

    def test_all_is_silent(self):
        found = self.found(silent_etcd, *map(
            silent, [*site_findings.QUESTIONS, 'uuid-north']))
        self.assertEqual(len(site_findings.QUESTIONS) + 1 + 4, len(found))
        self.assertTrue(all(one.id.startswith('unknown-') for one in found))

    def test_nobody_was_asked(self):
        world = check_world.World()
        world.quorum = facts.unasked('Set locks_url')
        world.members = {}
        for name in ('policy', 'jobs'):
            world.instead[name] = facts.unasked(f'Set {name}')
        self.assertEqual(
            {('unknown-etcd', WARNING), ('unknown-policy', WARNING),
             ('unknown-jobs', WARNING)},
            {(one.id, one.severity) for one in world.findings()})

    def test_a_silent_member_of_those_that_are_enough(self):
        one, = self.found(silent_member)
        self.assertEqual(WARNING, one.severity)

    def test_other_sites_are_no_matter(self):
        def fault(world):
            for service in world.computes[2:] + world.volume_services[2:]:
                service['state'] = 'down'
            world.mirrors['uuid-south'].clear()
        self.assertEqual([], self.found(fault))

    def test_details_that_nobody_may_see(self):
        def hidden(world):
            world.instead['store_details'] = facts.unasked('403')

        one, = self.found(hidden)
        self.assertEqual(('unknown-glance', WARNING), (one.id, one.severity))

        def located(world):
            hidden(world)
            world.images[0]['locations'] = [
                {'url': f'rbd://fsid-{name}/images/image/snap',
                 'metadata': {'store': name}} for name in ('north', 'south')]

        self.assertEqual([], self.found(located))

        def shared(world):
            located(world)
            world.images[0]['locations'][1]['url'] = (
                'rbd://fsid-north/images/image/snap')

        self.assertEqual({'stores-share-pool'},
                         {one.id for one in self.found(shared)})

    def test_a_second_pool_of_no_site(self):
        self.assertEqual([], self.found(share(2, pool='archive')))

    def test_copies_in_all_states(self):
        for state, claim, rule_id in (
                (steps.State.WAITING, types.SimpleNamespace(progress=None),
                 'image-on-its-way'),
                (steps.State.PAUSED, None, 'image-lacking'),
                (steps.State.CANCELLED, None, 'image-lacking')):
            one, = self.found(job(state, claim=claim))
            self.assertEqual((rule_id, WARNING), (one.id, one.severity))

    def test_many_images(self):
        def fault(world):
            for number in range(30):
                world.images.append({**world.images[0], 'id': f'{number:02}',
                                     'name': None, 'stores': 'central'})
        one, = self.found(fault)
        self.assertIn('30 of the images for north: 00 (lacking), ', one.what)
        self.assertTrue(one.what.endswith(' and 20 more'))

    def test_clocks(self):
        def fault(world):
            world.clocks = {'Nova': clock.Clock(-8.0, 0.5),
                            'Cinder': clock.Clock(-8.2, 0.5)}
        one, = self.found(fault)
        self.assertIn('Cinder -8 s; Nova -8 s; all 2 of those', one.what)
        # Whose answer took as long tells nothing.
        for ahead, doubt in ((8.0, 3.0), (-5.5, 0.5), (0.0, 0.5)):
            self.assertFalse(clock.Clock(ahead, doubt).is_off(
                etcd_findings.CLOCK_SECONDS))

    def test_a_database_without_a_limit(self):
        self.assertEqual([], self.found(member(A, quota_bytes=-1)))

    def test_what_is_just_in_bounds(self):
        self.assertEqual([], self.found(
            member(A, size_bytes=800, round_trip_seconds=0.4),
            member(A, B, C, version='3.4.0')))

    def test_hosts_whose_names_only_begin_alike(self):
        def fault(world):
            for host in ('north2-compute-0', 'upnorth', 'compute-9'):
                world.add_compute(host)
        self.assertEqual([], self.found(fault))

    def test_a_hypervisor_that_is_no_host_of_the_site(self):
        def fault(world):
            # A nested provider, or one of a service that Nova has forgotten.
            world.mirrors['uuid-north'].add('somebody')
        self.assertEqual([], self.found(fault))

    def test_one_volume_service_in_no_cluster(self):
        def fault(world):
            one_volume_service(world)
            world.volume_services[0]['cluster'] = None
        one, = self.found(fault)
        self.assertEqual('north-vol-1@ceph is the only cinder-volume of the '
                         'site', one.what)

    def test_a_member_that_is_no_etcd(self):
        self.assertIn('etcd-too-old', {one.id for one in self.found(
            member(A, version=''))})
