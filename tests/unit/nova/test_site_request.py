# SPDX-License-Identifier: Apache-2.0

import gc

from nova import exception
from nova import objects
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins import admission
from dcn_plugins.nova import site_request
from tests.unit.nova import records

Operation = admission.Operation


class SiteRequestTestCase(records.NovaTestCase):

    def asked(self, spec, **options):
        found = self.requests(**options).of(spec)
        self.assertIsNone(found.unknown)
        return found.asked

    def unknown(self, spec, **options):
        found = self.requests(**options).of(spec)
        self.assertIsNone(found.asked)
        return found.unknown

    def count(self, name):
        return self.records.reads.count(name)


class CreateTest(SiteRequestTestCase):

    def test_plain(self):
        self.assertEqual(admission.Request(project='p1'),
                         self.asked(self.spec()))
        self.assertEqual(['read_aggregates'], self.records.reads)

    def test_zone(self):
        self.assertEqual('dcn1', self.asked(
            self.spec(availability_zone='dcn1')).zone)
        self.assertIsNone(self.asked(self.spec(availability_zone='')).zone)
        self.conf.config(default_availability_zone='internal')
        self.assertEqual('internal', self.asked(self.spec()).default_zone)

    def test_move_policy(self):
        for policy in admission.MOVE_POLICIES:
            self.assertEqual(policy, self.asked(
                self.spec(), move_policy=policy).move_policy)

    def test_hints(self):
        for hint, names in (
                (['dcn1'], {'dcn1'}), (['dcn1', 'dcn2'], {'dcn1', 'dcn2'}),
                (['dcn1, dcn2'], {'dcn1', 'dcn2'}), ([7], {'7'}),
                (['dcn1,dcn2', 'dcn3'], {'dcn1', 'dcn2', 'dcn3'}),
                (['gone'], {'gone'}), ([], None), ([''], None)):
            spec = self.spec(scheduler_hints={'dcn_site': hint})
            self.assertEqual(names, self.asked(spec).hinted, hint)
        self.assertIsNone(self.asked(
            self.spec(scheduler_hints={'dcn_sites': ['dcn1']})).hinted)

    def test_groups(self):
        self.aggregates[0].metadata['dcn:group'] = 'gpu,north'
        self.aggregates[1].metadata['dcn:group'] = 'north'
        for text, names in (('group:north', {'dcn1', 'dcn2'}),
                            ('group:gpu', {'dcn1'}),
                            ('group:gpu,dcn3', {'dcn1', 'dcn3'}),
                            # So it can be told which one has no site.
                            ('group:none', {'group:none'})):
            self.assertEqual(names, self.asked(self.spec(
                scheduler_hints={'dcn_site': [text]})).hinted, text)
            self.assertEqual(names, self.asked(self.spec(
                flavor=records.flavor(site=text))).flavored, text)

    def test_flavor(self):
        self.assertEqual({'dcn1', 'dcn2'}, self.asked(self.spec(
            flavor=records.flavor(site='dcn1,dcn2'))).flavored)
        self.assertIsNone(self.asked(self.spec(
            flavor=objects.Flavor(flavorid='m1'))).flavored)

    def test_residence(self):
        self.aggregates[0].metadata['dcn:projects'] = 'p1'
        self.aggregates[1].metadata['dcn:projects3'] = 'p2,p1'
        self.assertEqual({'dcn1', 'dcn2'}, self.asked(self.spec()).residence)
        self.assertEqual({'dcn2'}, self.asked(
            self.spec(project_id='p2')).residence)
        self.assertIsNone(self.asked(self.spec(project_id='p3')).residence)


class ImageTest(SiteRequestTestCase):

    def setUp(self):
        super().setUp()
        self.records.stores = {records.IMAGE: 'central,dcn10',
                               uuids.snapshot: 'dcn1'}

    def test_is_not_looked_up_unless_it_matters(self):
        self.asked(self.spec(), image_locality='ignore')
        self.assertEqual(0, self.count('glance_get'))

    def test_option_and_flavor(self):
        for option, flavor, locality in (
                ('require', None, 'require'), ('prefer', None, 'prefer'),
                ('ignore', 'require', 'require'),
                ('require', 'prefer', 'prefer'),
                ('require', 'ignore', 'ignore')):
            specs = {'image_locality': flavor} if flavor else {}
            asked = self.asked(self.spec(flavor=records.flavor(**specs)),
                               image_locality=option)
            self.assertEqual(locality, asked.image_locality)
            self.assertEqual(
                None if locality == 'ignore' else {'central', 'dcn10'},
                asked.stores)

    def test_mistyped_flavor_has_no_effect(self):
        asked = self.asked(
            self.spec(flavor=records.flavor(image_locality='requires')),
            image_locality='prefer')
        self.assertEqual('prefer', asked.image_locality)
        self.assertIn('WARNING DCN: dcn:image_locality=requires of a flavor '
                      'is none of ignore, prefer, require',
                      self.log.output)

    def test_boot_from_volume_needs_no_image(self):
        asked = self.asked(self.spec(is_bfv=True), image_locality='require')
        self.assertEqual(admission.Request(project='p1'), asked)
        self.assertEqual(0, self.count('glance_get'))

    def test_server_without_an_image(self):
        for image in (None, objects.ImageMeta()):
            asked = self.asked(self.spec(image=image),
                               image_locality='require')
            self.assertIsNone(asked.stores)
        self.assertEqual(0, self.count('glance_get'))

    def test_one_question_for_many_requests(self):
        requests = self.requests(image_locality='require')
        for _ in range(5):
            requests.of(self.spec())
        self.assertEqual(1, self.count('glance_get'))

    def test_rebuild_is_about_the_new_image(self):
        asked = self.asked(self.rebuild(), image_locality='require')
        self.assertIs(Operation.REBUILD, asked.operation)
        self.assertEqual({'central', 'dcn10'}, asked.stores)

    def test_unshelve_is_about_the_snapshot(self):
        self.records.host = None
        self.records.task_state = 'unshelving'
        self.records.system_metadata = {
            'shelved_host': 'h11', 'shelved_image_id': uuids.snapshot}
        asked = self.asked(self.move(), image_locality='require')
        self.assertEqual({'dcn1'}, asked.stores)

    def test_former_snapshot_is_of_no_interest(self):
        self.records.system_metadata = {'shelved_image_id': uuids.snapshot}
        asked = self.asked(self.move(), image_locality='require')
        self.assertEqual({'central', 'dcn10'}, asked.stores)

    def test_glance_that_is_down_is_allowed_by_default(self):
        self.records.errors['glance_get'] = exception.GlanceConnectionFailed(
            server='glance', reason='refused')
        asked = self.asked(self.spec(), image_locality='require')
        self.assertEqual(admission.Request(project='p1'), asked)
        self.assertRegex(
            self.log.output,
            f'WARNING DCN: where image {records.IMAGE} is could not be found '
            'out: GlanceConnectionFailed: .*; unknown_locality=allow')

    def test_glance_that_is_down_is_refused_when_asked(self):
        self.records.errors['glance_get'] = exception.ImageNotAuthorized(
            image_id=records.IMAGE)
        self.assertIn(
            f'where image {records.IMAGE} is could not be found out: '
            'ImageNotAuthorized: ',
            self.unknown(self.spec(), image_locality='require',
                         unknown_locality='refuse'))


class VolumeTest(SiteRequestTestCase):

    def setUp(self):
        super().setUp()
        self.records.zone_of_volume = {
            uuids.root: 'dcn1', uuids.data: 'dcn1', uuids.other: 'dcn2',
            uuids.central: 'nova', uuids.nowhere: 'cinder'}

    def volume_sites(self, *volume_ids, **options):
        spec = self.create_from(*(
            records.volume(volume_id, number)
            for number, volume_id in enumerate(volume_ids)))
        options.setdefault('volume_locality', 'require')
        asked = self.asked(spec, **options)
        if asked.volume_sites is None:
            self.assertEqual('ignore', asked.volume_locality)
        else:
            self.assertEqual(options['volume_locality'],
                             asked.volume_locality)
        return asked.volume_sites

    def test_are_not_looked_up_unless_they_matter(self):
        self.assertIsNone(self.volume_sites(
            uuids.root, volume_locality='ignore'))
        self.assertEqual(['read_aggregates'], self.records.reads)

    def test_of_a_create(self):
        self.assertEqual({'dcn1'}, self.volume_sites(uuids.root))
        self.assertEqual({'dcn1'}, self.volume_sites(uuids.root, uuids.data))
        self.assertEqual({'dcn2'}, self.volume_sites(
            uuids.other, volume_locality='prefer'))

    def test_in_different_sites(self):
        self.assertEqual(frozenset(),
                         self.volume_sites(uuids.root, uuids.other))

    def test_in_a_zone_of_several_sites(self):
        self.aggregates.append(self.aggregate({'dcn:site': 'north'}, 'h21'))
        self.assertEqual({'dcn2', 'north'}, self.volume_sites(uuids.other))

    def test_in_the_default_zone(self):
        """It is the one of hosts in no zone."""
        self.assertEqual({None}, self.volume_sites(uuids.central))

    def test_that_are_new(self):
        self.assertIsNone(self.volume_sites())
        spec = self.create_from(records.local_disk(0),
                                records.volume(None, 1))
        self.assertIsNone(
            self.asked(spec, volume_locality='require').volume_sites)

    def test_of_a_request_that_is_gone(self):
        """The user has deleted the server meanwhile."""
        asked = self.asked(self.spec(), volume_locality='require')
        self.assertIsNone(asked.volume_sites)
        self.assertEqual(1, self.count('BuildRequest_get_by_instance_uuid'))

    def test_flavor(self):
        spec = self.create_from(
            records.volume(uuids.root, 0),
            flavor=records.flavor(volume_locality='require'))
        asked = self.asked(spec, volume_locality='ignore')
        self.assertEqual('require', asked.volume_locality)
        self.assertEqual({'dcn1'}, asked.volume_sites)

    def test_of_a_move(self):
        self.records.volumes = [records.volume(uuids.root, 0),
                                records.volume(uuids.data, 1)]
        asked = self.asked(self.move(), volume_locality='require')
        self.assertEqual({'dcn1'}, asked.volume_sites)
        self.assertEqual(0, self.count('BuildRequest_get_by_instance_uuid'))

    def test_of_a_rebuild(self):
        asked = self.asked(self.rebuild(), volume_locality='require')
        self.assertIsNone(asked.volume_sites)

    def test_cinder_that_is_down(self):
        self.records.errors['cinder_get'] = (
            exception.CinderConnectionFailed(reason='refused'))
        self.assertIsNone(self.volume_sites(uuids.root))
        self.assertIn(f'WARNING DCN: where volumes of server '
                      f'{records.SERVER} is could not be found out: '
                      'CinderConnectionFailed: ', self.log.output)
        spec = self.create_from(records.volume(uuids.root, 0))
        self.assertIn('CinderConnectionFailed', self.unknown(
            spec, volume_locality='require', unknown_locality='refuse'))

    def test_in_a_zone_that_tells_no_site(self):
        """Nobody says where that is, as when Cinder is down."""
        for volume_id in (uuids.nowhere, uuids.without_a_zone):
            spec = self.create_from(records.volume(volume_id, 0))
            self.assertIsNone(self.asked(
                spec, volume_locality='require',
                unknown_locality='allow').volume_sites)
            spec = self.create_from(records.volume(volume_id, 0))
            self.assertTrue(self.unknown(
                spec, volume_locality='require', unknown_locality='refuse'))


class MoveTest(SiteRequestTestCase):

    def test_all_that_is_known(self):
        self.aggregates[1].metadata['dcn:projects'] = 'p1'
        self.assertEqual(
            admission.Request(
                Operation.RESIZE, project='p1', home='dcn1', zone='dcn1',
                flavored=frozenset({'dcn2'}), hinted=frozenset({'dcn1'}),
                residence=frozenset({'dcn2'})),
            self.asked(self.move(
                flavor=records.flavor('m2', site='dcn2'),
                scheduler_hints={'dcn_site': ['dcn1']},
                availability_zone='dcn1')))

    def test_off_is_not_looked_at(self):
        self.assertEqual(
            admission.Request(Operation.MIGRATE, move_policy='off'),
            self.asked(self.move(), move_policy='off'))
        self.assertEqual([], self.records.reads)

    def test_off_is_about_moves(self):
        self.assertEqual('dcn1', self.asked(
            self.spec(availability_zone='dcn1'), move_policy='off').zone)

    def may_cross(self, *roles, **fields):
        return self.asked(self.move(roles=roles, **fields)).may_cross

    def test_right_to_cross_needs_role_and_destination(self):
        mover = 'dcn_cross_site_mover'
        named = {'destination': {'host': 'h21'}}
        self.assertFalse(self.may_cross())
        self.assertFalse(self.may_cross('admin', **named))
        self.assertFalse(self.may_cross(mover))
        self.assertTrue(self.may_cross(mover, **named))
        # The pin of a server is no destination.
        self.assertFalse(self.may_cross(mover, availability_zone='dcn2'))

    def test_zone_of_an_unshelve_is_a_destination(self):
        mover = 'dcn_cross_site_mover'
        self.records.task_state = 'unshelving'
        self.assertFalse(self.may_cross(mover))
        self.assertFalse(self.may_cross(availability_zone='dcn2'))
        self.assertTrue(self.may_cross(mover, availability_zone='dcn2'))
        # It had this zone all the time.
        self.assertFalse(self.may_cross(mover, availability_zone='dcn1'))

    def test_policy_that_cannot_be_read(self):
        self.policy_file('"dcn:cross_site_move": [\n')
        spec = self.move(roles=['x'], destination={'host': 'h21'})
        self.assertTrue(self.unknown(spec))


class UnknownTest(SiteRequestTestCase):

    def test_site_of_a_move(self):
        self.records.host = 'gone'
        self.assertEqual('its host gone does not exist any more',
                         self.unknown(self.move()))
        self.assertNotIn('Traceback', self.log.output)

    def test_error_of_a_database(self):
        self.records.error = exception.CellTimeout()
        for spec in (self.spec(), self.move()):
            self.assertIn('CellTimeout: ', self.unknown(spec))
        self.assertEqual(2, self.log.output.count(
            f'ERROR DCN: what server {records.SERVER} asks of sites could '
            'not be found out\nTraceback'))

    def test_spec_without_server(self):
        spec = self.move()
        del spec.instance_uuid
        self.assertTrue(self.unknown(spec))
        self.assertIsNone(site_request.uuid_of(spec))


class SharedTest(SiteRequestTestCase):

    def test_answer_is_found_out_once_per_request(self):
        requests = self.requests()
        spec = self.move()
        found = requests.of(spec)
        self.assertIs(found, requests.of(spec))
        self.assertEqual(1, self.count('Instance_get_by_uuid'))
        # The next server of a multi-create is asked about in the same one.
        spec.instance_uuid = uuids.next
        self.assertIs(found, requests.of(spec))

    def test_unknown_is_found_out_once_per_request(self):
        self.records.error = exception.CellTimeout()
        requests = self.requests()
        spec = self.move()
        found = requests.of(spec)
        reads = len(self.records.reads)
        self.assertIs(found, requests.of(spec))
        self.assertEqual(reads, len(self.records.reads))

    def test_requests_that_look_alike_are_told_apart(self):
        requests = self.requests()
        specs = [self.spec(project_id=f'p{number % 2}')
                 for number in range(10)]
        self.assertEqual(10, len({id(requests.of(spec)) for spec in specs}))
        self.assertEqual(['p0', 'p1'] * 5, [
            requests.of(spec).asked.project for spec in specs])

    def test_nothing_is_kept_of_requests_that_are_over(self):
        requests = self.requests()
        spec = self.spec()
        requests.of(spec)
        self.assertEqual(1, len(requests._known))
        del spec
        gc.collect()
        self.assertEqual(0, len(requests._known))

    def test_one_for_all_parts_of_the_door(self):
        self.options(move_policy='prefer')
        first = site_request.shared()
        self.assertIs(first, site_request.shared())
        site_request.forget()
        self.assertIsNot(first, site_request.shared())
