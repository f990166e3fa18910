# SPDX-License-Identifier: Apache-2.0
"""Moves through the site filter, and what it cannot find out."""

import threading

from nova import exception
from nova import objects
from nova.scheduler import request_filter
from oslo_context import context as oslo_context
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins.nova import site_filter
from tests.unit.nova import records

SERVER = records.SERVER
EVERY = records.EVERY


class MoveTest(records.SiteFilterTestCase):

    def test_stays_in_its_site(self):
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_source_among_the_candidates(self):
        self.assertEqual(['h11', 'h12'],
                         self.passed(self.move(), hosts=('h11', 'h12', 'h21')))

    def test_full_site_has_no_host(self):
        self.assertEqual([], self.passed(self.move(), hosts=('h21', 'c1')))

    def test_no_candidate(self):
        self.assertEqual([], self.passed(self.move(), hosts=()))

    def test_from_no_site_to_no_site(self):
        self.records.host = 'c2'
        self.assertEqual(['c1'], self.passed(self.move()))

    def test_label_splits_a_shared_zone(self):
        self.aggregates[:] = [
            self.aggregate({'availability_zone': 'metro'},
                           'h11', 'h12', 'h21', 'h22'),
            self.aggregate({'dcn:site': 'dcn1'}, 'h11', 'h12'),
            self.aggregate({'dcn:site': 'dcn2'}, 'h21', 'h22')]
        self.assertEqual(['h12'], self.passed(self.move()))
        self.assertEqual(['h12'], self.passed(
            self.move(availability_zone='metro')))

    def test_shelved_server_returns_to_its_site(self):
        self.records.host = None
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertEqual(['h21', 'h22'], self.passed(self.move()))

    def test_boot_from_volume_returns_to_its_site(self):
        self.records.host = None
        self.records.volumes = [records.volume(uuids.root, 0)]
        self.records.zone_of_volume = {uuids.root: 'dcn2'}
        self.assertEqual(['h21', 'h22'], self.passed(self.move()))

    def test_pin_to_another_site_does_not_move_the_disk(self):
        self.assertEqual(
            [], self.passed(self.move(availability_zone='dcn2')))
        self.assertEqual(
            [], self.passed(self.move(availability_zone='renamed')))
        self.assertEqual(
            ['h12'], self.passed(self.move(availability_zone='dcn1')))

    def test_named_host_elsewhere_needs_the_right(self):
        there = {'host': 'h21'}
        self.assertEqual([], self.passed(
            self.move(destination=there), hosts=('h21',)))
        self.assertEqual([], self.passed(
            self.move(roles=['admin'], destination=there), hosts=('h21',)))
        self.assertEqual(['h21'], self.passed(
            self.move(roles=['dcn_cross_site_mover'], destination=there),
            hosts=('h21',)))

    def test_right_without_a_destination_is_not_used(self):
        self.assertEqual(['h12'], self.passed(
            self.move(roles=['dcn_cross_site_mover'])))

    def test_to_a_named_host_that_may_be_in_another_cell(self):
        destination = objects.Destination(
            host='h21', cell=None, allow_cross_cell_move=True)
        spec = self.spec(requested_destination=destination)
        self.assertEqual([], self.passed(spec, hosts=('h21',)))
        self.assertIn('InstanceMapping_get_by_instance_uuid',
                      self.records.reads)

    def test_states(self):
        """Those of the table that a scheduler sees."""
        evacuate, unshelve = 'rebuilding', 'unshelving'
        for task_state, state, hosts in (
                (None, 'draining', ['h12']), (None, 'disabled', []),
                (None, 'down', []), (evacuate, 'draining', ['h12']),
                (evacuate, 'disabled', ['h12']), (evacuate, 'down', []),
                (unshelve, 'enabled', ['h12']), (unshelve, 'draining', []),
                (unshelve, 'disabled', []), (unshelve, 'down', [])):
            self.records.task_state = task_state
            self.aggregates[0].metadata['dcn:state'] = state
            self.assertEqual(hosts, self.passed(self.move()),
                             (task_state, state))

    def test_inbound_move_needs_an_open_site(self):
        spec = {'roles': ['dcn_cross_site_mover'],
                'destination': {'host': 'h21'}}
        for state, hosts in (('enabled', ['h21']), ('draining', []),
                             ('disabled', []), ('down', [])):
            self.aggregates[1].metadata['dcn:state'] = state
            self.assertEqual(hosts, self.passed(
                self.move(**spec), hosts=('h21',)), state)

    def test_log_goes_on_under_the_same_request_id(self):
        spec = self.move()
        self.passed(spec)
        self.assertEqual(spec._context.request_id,
                         oslo_context.get_current().request_id)

    def test_context_of_the_request_gains_no_rights(self):
        spec = self.move()
        self.passed(spec)
        self.assertFalse(spec._context.is_admin)
        self.assertNotIn('admin', spec._context.roles)

    def test_two_reads_once_there_is_a_map(self):
        site = self.filter()
        site.filter_all([], self.spec())
        self.records.reads.clear()
        spec = self.move()
        pre_filter = request_filter.ALL_REQUEST_FILTERS[-1]
        pre_filter(spec._context, spec)
        for _ in range(3):
            site.filter_all(self.candidates(*EVERY), spec)
        self.assertEqual(['Instance_get_by_uuid', 'metadata_of_host'],
                         self.records.reads)

    def test_policy_off_is_stock_behaviour(self):
        self.assertEqual(EVERY, self.passed(self.move(), move_policy='off'))
        self.assertEqual([], self.records.reads)

    def test_policy_prefer_leaves_the_choice_to_the_weigher(self):
        self.aggregates.append(
            self.aggregate({'dcn:site': 'dcn3', 'dcn:state': 'draining'},
                           'h31'))
        self.assertEqual(EVERY, self.passed(
            self.move(), hosts=(*EVERY, 'h31'), move_policy='prefer'))
        self.assertIn('migrate prefers site dcn1: 4 of 5', self.log.output)

    def test_rebuild_is_not_a_move(self):
        self.aggregates[1].metadata['dcn:state'] = 'down'
        self.assertEqual(['h21'], self.passed(self.rebuild(), hosts=('h21',)))
        self.assertNotIn('Instance_get_by_uuid', self.records.reads)

    def test_rebuild_with_an_image_that_is_not_there(self):
        self.records.stores = {records.IMAGE: 'dcn1'}
        for host, hosts in (('h11', ['h11']), ('h21', [])):
            self.assertEqual(hosts, self.passed(
                self.rebuild(), hosts=(host,), image_locality='require'))
        self.assertTrue(site_filter.DCNSiteFilter.RUN_ON_REBUILD)

    def test_reports_what_was_rejected(self):
        self.aggregates[1].hosts.append('h11')
        self.records.host = 'h12'
        self.passed(self.move(), hosts=('h11', 'h12', 'h21', 'h22', 'c1'))
        self.assertIn(
            f'INFO DCNSiteFilter: server {SERVER}: migrate stays in site '
            'dcn1: 1 of 5 hosts passed; rejected: move 3, contradiction 1\n',
            self.log.output)

    def test_reports_where_it_was_sent(self):
        self.passed(self.move(roles=['dcn_cross_site_mover'],
                              destination={'host': 'h21'}), hosts=('h21',))
        self.assertIn('migrate from site dcn1 to wherever it was sent: 1 of 1',
                      self.log.output)

    def test_same_answer_in_many_threads(self):
        site = self.filter()
        answers = []

        def ask():
            answers.append([host_state.host for host_state in site.filter_all(
                self.candidates('h12', 'h21', 'c1'), self.move())])

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([['h12']] * 8, answers)


class FaultTest(records.SiteFilterTestCase):

    CONTRADICTION = ('WARNING DCNSiteFilter: host h12 of sites dcn1 and dcn2 '
                     'at once: its aggregates name the sites dcn1 and dcn2\n')

    def setUp(self):
        super().setUp()
        # h12 is in dcn2 as well.
        self.aggregates[1].hosts.append('h12')

    def test_contradictory_host_takes_nothing(self):
        self.assertEqual(['h11'],
                         self.passed(self.move(), hosts=('h11', 'h12')))
        self.assertIn(self.CONTRADICTION, self.log.output)
        self.assertEqual(['h11'],
                         self.passed(self.spec(), hosts=('h11', 'h12')))

    def test_rebuild_on_a_contradictory_host(self):
        self.assertEqual(['h12'], self.passed(self.rebuild(), hosts=('h12',)))

    def test_warns_once_an_hour(self):
        site = self.filter()
        clock = self.useFixture(records.Clock(site_filter))
        for now in (0.0, 10.0, 3599.0, 3600.0, 3700.0):
            clock.now = now
            site.filter_all(self.candidates('h12'), self.spec())
        self.assertEqual(2, self.log.output.count(self.CONTRADICTION))

    def test_warns_once_of_all_hosts_that_say_the_same(self):
        self.aggregates[1].hosts.append('h11')
        self.filter().filter_all(self.candidates('h12', 'h11'), self.spec())
        self.assertIn(self.CONTRADICTION, self.log.output)
        self.assertEqual(1, self.log.output.count('WARNING DCNSiteFilter'))

    def test_warns_at_once_of_another_contradiction(self):
        site = self.filter()
        site.filter_all(self.candidates('h12'), self.spec())
        self.aggregates.append(
            self.aggregate({'availability_zone': 'dcn3'}, 'h12'))
        site.filter_all(self.candidates('h12'), self.spec())
        self.assertIn('sites dcn1 and dcn2 at once', self.log.output)
        self.assertIn('sites dcn1 and dcn2 and dcn3 at', self.log.output)

    def test_warns_of_an_unknown_state(self):
        self.aggregates[0].metadata['dcn:state'] = 'shut'
        self.assertEqual([], self.passed(self.spec(), hosts=('h11',)))
        self.assertIn(
            'WARNING DCNSiteFilter: host h11 of site dcn1: dcn:state=shut is '
            'none of enabled, draining, disabled, down and counts as '
            'disabled\n', self.log.output)

    def test_server_on_a_contradictory_host_is_in_an_unknown_site(self):
        self.records.host = 'h12'
        self.assertEqual([], self.passed(self.move(), hosts=('h11', 'h21')))
        self.assertIn('its host h12 is in the sites dcn1 and dcn2 at once',
                      self.log.output)


class UnknownTest(records.SiteFilterTestCase):

    def test_deleted_host(self):
        self.records.host = 'gone'
        self.assertEqual([], self.passed(self.move()))
        self.assertIn(
            f'WARNING DCNSiteFilter: what server {SERVER} asks of sites is '
            'unknown (its host gone does not exist any more): with '
            'unknown_site=refuse none of 4 hosts pass\n', self.log.output)

    def test_no_cell(self):
        self.records.cell = None
        destination = objects.Destination(
            host='h21', cell=None, allow_cross_cell_move=True)
        spec = self.spec(requested_destination=destination)
        self.assertEqual([], self.passed(spec))
        self.assertIn('it is mapped to no cell', self.log.output)

    def test_database_error_is_refused_with_a_traceback(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual([], self.passed(self.move()))
        self.assertIn('Traceback', self.log.output)
        self.assertIn('(CellTimeout: ', self.log.output)
        self.assertIn('with unknown_site=refuse none of 4 hosts pass',
                      self.log.output)

    def test_database_error_is_allowed_when_asked(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual(EVERY,
                         self.passed(self.move(), unknown_site='allow'))
        self.assertIn('with unknown_site=allow all of 4 hosts pass',
                      self.log.output)

    def test_no_site_map_is_a_verdict_on_creates(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual([], self.passed(self.spec()))
        self.assertEqual(EVERY,
                         self.passed(self.spec(), unknown_site='allow'))

    def test_off_needs_no_database(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual(EVERY, self.passed(self.move(), move_policy='off'))

    def test_broken_candidate_does_not_raise(self):
        host_states = self.candidates('h12')
        host_states[0].aggregates = [objects.Aggregate()]
        self.assertEqual(
            [], self.filter().filter_all(host_states, self.move()))
        self.assertEqual(
            host_states, self.filter(unknown_site='allow').filter_all(
                host_states, self.move()))

    def test_spec_without_server_does_not_raise(self):
        spec = self.move()
        del spec.instance_uuid
        self.assertEqual([], self.passed(spec))

    def test_known_site_is_strict_even_when_unknown_ones_are_allowed(self):
        self.assertEqual(['h12'],
                         self.passed(self.move(), unknown_site='allow'))
