# SPDX-License-Identifier: Apache-2.0
"""Why a server, a volume or an image is where it is."""

import uuid

from dcn_plugins import exceptions
from dcn_plugins.osc import explain
from tests.unit.osc import pane_case


class ExplainTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('dcn0', **{'dcn:group': 'north'})
        self.cloud.add_site('dcn1', **{'dcn:state': 'draining'})

    def server(self, **values):
        number = str(uuid.uuid4())
        self.cloud.servers[number] = {
            'id': number, 'name': 's', 'status': 'ACTIVE', 'tenant_id': 'p',
            'flavor': {'extra_specs': {}}, 'image': '',
            'OS-EXT-SRV-ATTR:host': None, 'scheduler_hints': {},
            'pinned_availability_zone': None,
            'os-extended-volumes:volumes_attached': [], **values}
        return number

    def volume(self, zone, **values):
        number = str(uuid.uuid4())
        self.cloud.volumes[number] = {
            'id': number, 'name': 'v', 'status': 'available',
            'availability_zone': zone,
            'os-vol-tenant-attr:tenant_id': 'p', **values}
        return number

    def verdicts(self, told):
        return {name: found['rule'] for name, found in
                told['sites'].machine_readable().items()}

    def test_a_server_that_has_a_host(self):
        told = self.shown(explain.ExplainServer, self.server(
            **{'OS-EXT-SRV-ATTR:host': 'dcn1-compute-0'}))
        self.assertEqual('dcn1', told['site'])
        # A migration within a site that is being drained is allowed.
        self.assertEqual({'dcn0': 'move', 'dcn1': None}, self.verdicts(told))

    def test_by_name(self):
        number = self.server(name='srv1')
        self.server(name='srv10')
        self.assertEqual(number, self.shown(explain.ExplainServer, 'srv1')[
            'id'])
        number = self.volume('dcn0', name='vol1')
        self.assertEqual(number, self.shown(explain.ExplainVolume, 'vol1')[
            'id'])
        for command, noun in ((explain.ExplainServer, 'server'),
                              (explain.ExplainVolume, 'volume')):
            for name in ('srv', str(uuid.uuid4())):
                error = self.assertRaises(exceptions.NotDone, self.shown,
                                          command, name)
                self.assertIn(f'there is no {noun} {name}', str(error))
        twin = self.volume('dcn0', name='vol1')
        error = self.assertRaises(exceptions.NotDone, self.shown,
                                  explain.ExplainVolume, 'vol1')
        self.assertIn(twin, str(error))

    def test_what_is_disabled(self):
        """The rules accept it, and nothing gets there."""
        server, volume = self.server(), self.volume('dcn0')
        for one in [*self.cloud.computes, *self.cloud.clusters]:
            if 'dcn0' in (one.get('host') or one['name']):
                one.update(status='disabled', disabled_reason='new racks')
        self.assertIn(
            'dcn0: accepted by the rules, but all of its nova-compute are '
            'disabled (new racks)',
            str(self.shown(explain.ExplainServer, server)['sites']))
        self.assertIn(
            'dcn0: accepted by the rules, but all of its cinder-volume are '
            'disabled (new racks)',
            str(self.shown(explain.ExplainVolume, volume)['sites']))
        # What does not answer is no reason to say nothing of the rest.
        self.cloud.failures = {'/os-services': 500}
        self.assertIn('dcn0: accepted by the rules, but whether its services '
                      'are disabled is not known', str(self.shown(
                          explain.ExplainVolume, volume)['sites']))

    def test_a_server_that_found_no_host(self):
        told = self.shown(explain.ExplainServer, self.server(
            status='ERROR', fault={'message': 'No valid host'},
            pinned_availability_zone='dcn1'))
        self.assertEqual((None, 'No valid host'),
                         (told['site'], told['fault']))
        self.assertEqual({'dcn0': 'zone', 'dcn1': 'state'},
                         self.verdicts(told))
        self.assertIn('dcn1: refused (state): it is draining and takes no '
                      'new servers and volumes', str(told['sites']))

    def test_hints_flavors_images_and_volumes(self):
        image = self.cloud.add_image('i', ['dcn1'])['id']
        volume = self.volume('dcn1')
        for values, rules in (
                ({'scheduler_hints': {'dcn_site': 'group:north'}},
                 {'dcn0': None, 'dcn1': 'hint'}),
                ({'flavor': {'extra_specs': {'dcn:site': 'dcn1'}}},
                 {'dcn0': 'flavor', 'dcn1': 'state'}),
                ({'flavor': {'extra_specs': {
                    'dcn:image_locality': 'require'}},
                  'image': {'id': image}}, {'dcn0': 'image', 'dcn1': 'state'}),
                ({'flavor': {'extra_specs': {
                    'dcn:volume_locality': 'require'}},
                  'os-extended-volumes:volumes_attached': [{'id': volume}]},
                 {'dcn0': 'volume', 'dcn1': 'state'})):
            told = self.shown(explain.ExplainServer, self.server(**values))
            self.assertEqual(rules, self.verdicts(told), values)

    def test_a_project_with_sites_of_its_own(self):
        self.cloud.aggregates[1]['metadata'].update({
            'dcn:projects': 'p', 'dcn:state': 'enabled'})
        told = self.shown(explain.ExplainServer, self.server())
        self.assertEqual({'dcn0': 'project', 'dcn1': None},
                         self.verdicts(told))

    def test_a_volume_and_its_image(self):
        image = self.cloud.add_image('i', ['dcn0'])['id']
        for zone, is_there in (('dcn0', True), ('dcn1', False)):
            told = self.shown(explain.ExplainVolume, self.volume(
                zone, volume_image_metadata={'image_id': image}))
            self.assertEqual((zone, is_there),
                             (told['site'], told['image_is_there']))

    def test_an_image_that_is_gone(self):
        told = self.shown(explain.ExplainVolume, self.volume(
            'dcn0', volume_image_metadata={'image_id': str(uuid.uuid4())}))
        self.assertIsNone(told['image_is_there'])

    def test_an_image(self):
        self.cloud.add_image('i', ['dcn0'])
        self.cloud.add_site('bare')
        self.cloud.stores.pop()
        told = self.shown(explain.ExplainImage, 'i')
        self.assertEqual(
            'bare: Glance has no store of this site\n'
            'dcn0: present in dcn0\ndcn1: absent in dcn1', str(told['sites']))

    def test_no_server(self):
        caught = self.assertRaises(
            exceptions.NotDone, self.shown, explain.ExplainServer,
            str(uuid.uuid4()))
        self.assertIn('openstack server list --all-projects', str(caught))
