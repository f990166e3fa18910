# SPDX-License-Identifier: Apache-2.0
"""The filter: which backends pass, what is logged, what is never raised."""

import json

import fixtures
import hypothesis
from hypothesis import strategies as st
import testtools

from dcn_plugins import admission
from dcn_plugins.cinder import backend_sites
from dcn_plugins.cinder import site_filter
from dcn_plugins.cinder import site_maps
from dcn_plugins.cinder import volume_request
from dcn_plugins import site_map
from dcn_plugins import sites
from tests.unit.cinder import volume_cloud
from tests.unit.cinder.volume_cloud import aggregate
from tests.unit.cinder.volume_cloud import pool

ALL = ['b1', 'b2', 'b3', 'b0']
STATES = [str(state) for state in sites.State]

# What passes in site edge1, for each state of it; the volume is on b1.
OPEN = {
    'create_volume': ['enabled'],
    'create_group': ['enabled'],
    None: ['enabled'],
    'extend_volume': ['enabled', 'draining', 'disabled'],
    'create_snapshot': ['enabled', 'draining', 'disabled'],
    'manage_existing': ['enabled', 'draining', 'disabled'],
    'manage_existing_snapshot': ['enabled', 'draining', 'disabled'],
    'migrate_volume': ['enabled', 'draining'],
}
ON_B1 = {'host': 'b1@rbd#RBD', 'availability_zone': 'z1'}


class StateTest(volume_cloud.VolumeCloudTestCase):

    def test_each_operation_in_each_state_of_its_site(self):
        for operation, expected in OPEN.items():
            self.assertEqual(expected, [
                state for state in STATES
                if self.is_open(state, operation, ON_B1)], operation)

    def is_open(self, state, operation, volume, backend='b1'):
        self.use([aggregate('edge1', state=state), aggregate('edge2')])
        return backend in self.filtered(operation=operation, volume=volume)

    def test_a_site_that_is_not_open_takes_no_volume_of_another(self):
        volume = {'host': 'b2@rbd#RBD', 'availability_zone': 'z2'}
        self.assertEqual(['enabled'], [
            state for state in STATES
            if self.is_open(state, 'migrate_volume', volume)])

    def test_what_is_refused_in_place_is_told_so(self):
        self.use([aggregate('edge1', state='down')])
        self.filtered(operation='extend_volume', pools=self.pools[:1])
        self.assertIn('it is down and takes no extend', self.log.output)


class RetypeTest(volume_cloud.VolumeCloudTestCase):

    def setUp(self):
        super().setUp()
        # A second backend in the same site and a third in the same zone.
        self.pools = [pool('b1', 'z', 'edge1'), pool('b1x', 'z', 'edge1'),
                      pool('b2', 'z', 'edge2')]

    def retyped(self, backend='b1@rbd#RBD', **volume):
        properties = self.properties(
            operation='retype_volume',
            volume=dict({'host': backend, 'availability_zone': 'z'},
                        **volume))
        # As find_retype_backend() does.
        properties['vol_exists_on'] = volume.get('cluster_name') or backend
        return self.filtered(properties)

    def test_it_stays_in_its_site(self):
        self.assertEqual(['b1', 'b1x'], self.retyped())
        self.assertIn('retype stays in site edge1: 2 of 3 backends passed; '
                      'rejected: move 1', self.log.output)
        self.assertIn('site edge2: refused (move): the volume is in site '
                      'edge1; a retype stays there; migrate the volume to a '
                      'backend that you name', self.log.output)

    def test_its_own_backend_is_open_until_the_site_is_down(self):
        expected = {'enabled': ['b1', 'b1x'], 'draining': ['b1', 'b1x'],
                    'disabled': ['b1'], 'down': []}
        for state in STATES:
            self.use([aggregate('edge1', state=state), aggregate('edge2')])
            self.assertEqual(expected[state], self.retyped(), state)

    def test_a_volume_older_than_pools_is_found_too(self):
        self.assertEqual(['b1', 'b1x'], self.retyped('b1@rbd'))

    def test_a_backend_whose_name_begins_alike_is_another(self):
        self.use([aggregate('edge1', state='disabled')])
        self.pools.append(pool('ab1', 'z', 'edge1'))
        self.assertEqual(['b1'], self.retyped())

    def test_a_volume_of_a_cluster_is_found_by_it(self):
        self.pools[0] = pool('node1', 'z', 'edge1', cluster='b1')
        self.assertEqual(['node1', 'b1x'],
                         self.retyped('node9@rbd#RBD',
                                      cluster_name='b1@rbd#RBD'))

    def test_a_volume_whose_backend_is_away_is_in_its_zone(self):
        self.use([('1', {'availability_zone': 'z'}, ['h1']),
                  ('2', {'availability_zone': 'y'}, ['h2'])])
        self.pools = [pool('b1x', 'z'), pool('b2', 'y')]
        self.assertEqual(['b1x'], self.retyped())

    def test_rules_that_became_stricter_do_not_drive_it_out(self):
        self.use([aggregate('edge1', projects='other'),
                  aggregate('edge2', projects='p')])
        self.assertEqual(['b1', 'b1x'], self.retyped())


class MigrationTest(volume_cloud.VolumeCloudTestCase):

    def migrated(self):
        return self.filtered(operation='migrate_volume', volume=ON_B1)

    def test_a_named_backend_may_be_in_another_site(self):
        self.assertEqual(ALL, self.migrated())
        self.assertIn('migrate from site edge1 to wherever it was sent: 4 of '
                      '4 backends passed', self.log.output)

    def test_not_in_one_that_is_reserved_for_others(self):
        self.use([aggregate('edge1', projects='q'),
                  aggregate('edge2', projects='q'), aggregate('edge3')])
        self.assertEqual(['b1', 'b3', 'b0'], self.migrated())

    def test_storage_of_several_sites_is_at_home_in_each(self):
        self.use([('1', {'dcn:site': 'edge1', 'availability_zone': 'z1',
                         'dcn:state': 'draining'}, ['h1']),
                  ('2', {'dcn:site': 'edge2', 'availability_zone': 'z1',
                         'dcn:state': 'draining'}, ['h2']),
                  aggregate('edge3', state='draining')])
        self.pools.append(pool('shared', 'z1'))
        self.assertEqual(['b1', 'b2', 'b0', 'shared'], self.filtered(
            operation='migrate_volume', volume={'host': 'shared@rbd#RBD'}))

    def test_a_project_stays_on_its_sites(self):
        self.use([aggregate('edge1'), aggregate('edge2', projects='p'),
                  aggregate('edge3')])
        self.assertEqual(['b1', 'b2'], self.migrated())


class ProjectTest(volume_cloud.VolumeCloudTestCase):

    def test_a_reserved_site_takes_its_projects_only(self):
        self.use([aggregate('edge1', projects='q,r'), aggregate('edge2')])
        self.assertEqual(['b2', 'b3', 'b0'], self.filtered())
        self.assertEqual(['b1'], self.filtered(volume={'project_id': 'r'}))

    def test_a_project_with_sites_of_its_own_uses_no_other(self):
        self.use([aggregate('edge1', projects='p'),
                  aggregate('edge2', projects='p,q'), aggregate('edge3')])
        self.assertEqual(['b1', 'b2'], self.filtered())

    def test_without_it_in_the_request_it_is_that_of_the_caller(self):
        self.use([aggregate('edge1', projects='p')])
        self.assertEqual(['b1'], self.filtered(
            operation='create_group', volume_properties={'size': 1}))


class HintTest(volume_cloud.VolumeCloudTestCase):

    def test_one_site_or_several(self):
        for hint in ('edge2', ['edge2'], 'edge2,nowhere'):
            self.assertEqual(['b2'], self.filtered(hints={'dcn_site': hint}))
        for hint in ('edge1, edge3', ['edge3', 'edge1']):
            self.assertEqual(['b1', 'b3'],
                             self.filtered(hints={'dcn_site': hint}))

    def test_a_group_of_sites(self):
        self.use([aggregate('edge1', group='west'), aggregate('edge2'),
                  aggregate('edge3', group='west,south')])
        self.assertEqual(
            ['b1', 'b3'], self.filtered(hints={'dcn_site': 'group:west'}))
        self.assertEqual(
            [], self.filtered(hints={'dcn_site': 'group:east'}))
        self.assertIn('the scheduler hint dcn_site names group:east',
                      self.log.output)

    def test_a_group_that_cannot_be_looked_up_is_passed_over(self):
        self.use(None)
        self.assertEqual(ALL, self.filtered(hints={'dcn_site': 'group:west'}))
        self.assertIn('which sites are in group:west is not known',
                      self.log.output)

    def test_none_and_others_demand_nothing(self):
        for hints in (None, {}, {'dcn_site': ''}, {'same_host': 'x'}):
            self.assertEqual(ALL, self.filtered(hints=hints))

    def test_it_is_for_the_create_alone(self):
        self.assertEqual(ALL, self.filtered(
            operation='migrate_volume', volume=ON_B1,
            hints={'dcn_site': 'edge9'}))


class LogTest(volume_cloud.VolumeCloudTestCase):

    aggregates = [aggregate('edge1', state='draining'),
                  aggregate('edge2', projects='q'), aggregate('edge3')]

    def test_one_line_for_a_request_and_one_for_each_site(self):
        self.pools.append(pool('b1x', 'z1', 'edge1'))
        self.filtered()
        lines = self.lines()
        self.assertEqual(
            f'DCNSiteFilter: volume {volume_cloud.VOLUME}: create: 2 of 5 '
            'backends passed; rejected: state 2, project 1', lines[0])
        self.assertEqual({'project': 'p'}, json.loads(
            lines[1].removeprefix(
                f'DCNSiteFilter: volume {volume_cloud.VOLUME} asks ')))
        refusal = admission.refusal(
            admission.Request(project='p'),
            sites.Site('edge1', state=sites.State.DRAINING))
        self.assertEqual([
            'DCNSiteFilter: 2 backends of site edge1: refused (state): '
            + str(refusal),
            'DCNSiteFilter: 1 backends of site edge2: refused (project): it '
            'is reserved for other projects; have the project added to '
            'dcn:projects of the site',
            'DCNSiteFilter: 1 backends of site edge3: accepted',
            'DCNSiteFilter: 1 backends of no site: accepted'], lines[2:])

    def test_without_debug_it_is_one_line(self):
        self.log = self.useFixture(fixtures.FakeLogger(level=20))
        self.filtered()
        self.assertEqual(1, len(self.lines()))

    def test_when_none_passes_the_nearest_reasons_are_in_it(self):
        self.filtered(hints={'dcn_site': 'edge1'})
        self.assertThat(self.lines()[0], testtools.matchers.EndsWith(
            '0 of 4 backends passed; rejected: hint 3, state 1. site edge1: '
            'refused (state): it is draining and takes no new servers and '
            'volumes; choose another site, or have dcn:state set to enabled'))

    def test_of_many_reasons_a_few_are_told(self):
        self.filtered(hints={'dcn_site': 'edge9'})
        self.assertThat(self.lines()[0], testtools.matchers.EndsWith(
            '. 1 more sites alike'))
        self.assertEqual(3, self.lines()[0].count('refused (hint)'))

    def test_a_group_and_a_snapshot_are_named(self):
        for resource in ('group', 'snapshot'):
            self.filtered({'context': self.context, 'request_spec': {
                f'{resource}_id': 'x',
                'volume_properties': {'size': 1}}})
            self.assertIn(f'DCNSiteFilter: {resource} x: create',
                          self.log.output)

    def test_a_site_that_nova_does_not_know_is_told_once(self):
        self.useFixture(fixtures.MockPatchObject(
            site_filter, '_unheard_of', site_filter._UnheardOf()))
        self.pools += [pool('b9', 'z9', 'egde1'), pool('b8', 'z9', 'egde1')]
        for _time in range(2):
            self.assertIn('b9', self.filtered())
        self.assertEqual(1, self.log.output.count(
            'backend b9@rbd#RBD says that it is in site egde1, which no '
            'aggregate of Nova names'))
        self.assertNotIn('backend b8', self.log.output)


class NothingIsRaisedTest(volume_cloud.VolumeCloudTestCase):

    def test_listing_the_pools_of_a_type_asks_nothing(self):
        self.use([aggregate('edge1', state='down')])
        self.assertEqual(ALL, self.filtered(
            {'context': self.context, 'volume_type': {},
             'resource_type': {}, 'qos_specs': None}))
        self.assertEqual([], self.lines())

    def test_whatever_fails_all_pass_and_it_is_told(self):
        def fail(*_args):
            raise RuntimeError('unforeseen')

        self.useFixture(fixtures.MockPatchObject(
            backend_sites.BackendSites, 'of', fail))
        self.assertEqual(ALL, self.filtered())
        self.assertIn('filtering failed; all of 4 backends pass',
                      self.log.output)
        self.assertIn('unforeseen', self.log.output)

    def test_an_option_that_is_not_valid_passes_all_and_is_told(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write('[dcn]\nimage_locality = everywhere\n')
        self.conf.conf([], default_config_files=[path])
        self.assertEqual(ALL, self.filtered())
        self.assertIn('image_locality', self.log.output)

    def test_a_misspelt_option_is_told(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write('[dcn]\nimage_localty = require\n'
                         'lock_wait_seconds = 5\n')
        self.conf.conf([], default_config_files=[path])
        self.filtered()
        self.assertIn('Did you mean image_locality?', self.log.output)
        self.assertNotIn('lock_wait_seconds', self.log.output)

    def test_requests_of_unusual_shape(self):
        for spec in ({}, {'volume_properties': None}, {'operation': 'new'}):
            for rest in ({}, {'volume_type': None, 'scheduler_hints': None}):
                self.assertEqual(ALL, self.filtered(
                    dict({'request_spec': dict({'image_id': 'i'}, **spec)},
                         **rest)))
        self.assertNotIn('filtering failed', self.log.output)

    def test_backends_that_have_reported_nothing(self):
        bare = pool('b9')
        bare.update_capabilities(None, None)
        self.assertEqual(['b9'], self.filtered(pools=[bare]))
        self.assertNotIn('filtering failed', self.log.output)


class PartsTest(volume_cloud.VolumeCloudTestCase):
    """The hosts of one site may be in different states."""

    def aggregates_of_edge1(self, *metadata):
        self.use([('same', {'dcn:site': 'edge1'}, ['h1', 'h2']), *(
            (f'part{number}', {f'dcn:{key}': value
                               for key, value in part.items()},
             [f'h{number}'])
            for number, part in enumerate(metadata, 1))])

    def test_one_open_part_is_enough(self):
        for parts in (({'state': 'draining'}, {'state': 'enabled'}),
                      ({'state': 'enabled'}, {'state': 'draining'}),
                      ({'projects': 'q'}, {'state': 'enabled'}),
                      ({'state': 'enabled'}, {'projects': 'q'})):
            self.aggregates_of_edge1(*parts)
            self.assertIn('b1', self.filtered(), parts)

    def test_of_different_reasons_the_nearest_is_told(self):
        parts = [{'projects': 'q'}, {'projects': 'p', 'state': 'draining'}]
        for order in (parts, parts[::-1]):
            self.aggregates_of_edge1(*order)
            self.assertEqual([], self.filtered(pools=self.pools[:1]))
            self.assertThat(self.lines()[-3], testtools.matchers.Contains(
                'site edge1: refused (state): it is draining'))


class AnyHostTest(testtools.TestCase):
    """A site takes a volume if any of its hosts would take a server."""

    names = st.sampled_from(['edge1', 'edge2', 'zone1'])
    metadata = st.fixed_dictionaries({}, optional={
        'dcn:site': names, 'availability_zone': names,
        'dcn:state': st.sampled_from(STATES),
        'dcn:projects': st.sampled_from(['p', 'q']),
        'dcn:store': names})

    @hypothesis.settings(deadline=None)
    @hypothesis.given(
        st.lists(st.tuples(metadata, st.sets(st.integers(0, 3), min_size=1)),
                 max_size=5),
        names, st.sampled_from(['p', 'q']), st.sampled_from(['edge1', None]))
    def test_as_nova_would(self, aggregates, name, project, hint):
        known = backend_sites.BackendSites(site_map.SiteMap(
            [(str(index), metadata, map(str, hosts))
             for index, (metadata, hosts) in enumerate(aggregates)]))
        asked = admission.Request(
            project=project, hinted=hint and frozenset([hint]),
            residence=known.site_map.sites_of_project(project))
        request = volume_request.VolumeRequest(known, 'create', asked)
        found = [sites.site_of_host(
            metadata for metadata, hosts in aggregates if host in hosts)
            for host in range(4)]
        there = [site for site in found if site.name == name]
        if there:
            expected = any(admission.refusal(asked, site) is None
                           for site in there)
        else:
            expected = admission.refusal(asked, sites.Site(name)) is None
        backend = pool('b', 'elsewhere', name)
        self.assertEqual(expected,
                         request.refusal(known.of(backend)) is None)


class SwitchedOffTest(volume_cloud.VolumeCloudTestCase):

    def test_without_the_look_up_hints_still_work(self):
        self.use([aggregate('edge1', state='down')])
        self.option(site_lookup=False)
        self.assertEqual(ALL, self.filtered())
        self.assertEqual(['b1'], self.filtered(hints={'dcn_site': 'edge1'}))
        self.assertIn('site_lookup is off', self.log.output)

    def test_while_nova_is_away_all_sites_are_open(self):
        self.use(None)
        self.assertEqual(ALL, self.filtered())
        self.assertIn('Nova did not tell its aggregates (ConnectionError: '
                      'Nova is away); until it does all sites are open',
                      self.log.output)

    def test_the_one_reader_is_that_of_nova(self):
        # What the cloud of these tests replaces is what the door uses.
        seen = []
        self.useFixture(fixtures.MockPatchObject(
            site_maps, 'read_aggregates',
            lambda timeout_seconds: seen.append(timeout_seconds) or []))
        self.option(site_map_timeout_seconds=3)
        self.filtered()
        self.assertEqual([3], seen)
