# SPDX-License-Identifier: Apache-2.0
"""What is asked of Nova, when, and what happens when it does not answer."""

import threading
import types

import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import fixture as ks_fixture
from keystoneauth1 import loading
from novaclient import exceptions as nova_exceptions
from oslo_config import fixture as config_fixture
import requests
from requests_mock.contrib import fixture as requests_fixture
import testtools

from dcn_plugins.cinder import site_maps
from dcn_plugins import map_cache
from tests.unit.cinder import volume_cloud  # noqa: F401  before the next

from cinder.common import config  # noqa: F401,H306  registers auth_strategy

KEYSTONE = 'http://keystone.example'
NOVA = 'http://nova.example/v2.1'
AGGREGATES = f'{NOVA}/os-aggregates'
CREDENTIALS = f'''[nova]
auth_type = password
auth_url = {KEYSTONE}/v3
username = nova
password = secret
user_domain_id = default
project_name = service
project_domain_id = default
region_name = one
'''


def an_aggregate(number, hosts, **metadata):
    return {'id': number, 'name': f'a{number}', 'hosts': hosts,
            'metadata': metadata, 'availability_zone': None}


class ReadTest(testtools.TestCase):
    """With Cinder's own Nova client, up to HTTP."""

    def setUp(self):
        super().setUp()
        # Registered when the credentials are used, and required ever after.
        self.addCleanup(
            site_maps.cfg.CONF.unregister_opts,
            loading.get_auth_plugin_conf_options('password'), 'nova')
        self.conf = self.useFixture(
            config_fixture.Config(site_maps.cfg.CONF)).conf
        self.useFixture(fixtures.FakeLogger())
        self.http = self.useFixture(requests_fixture.Fixture())
        token = ks_fixture.V3Token()
        token.set_project_scope()
        token.add_service('compute').add_standard_endpoints(
            public=NOVA, region='one')
        self.http.get(f'{KEYSTONE}/v3', json=ks_fixture.V3Discovery(
            f'{KEYSTONE}/v3'))
        self.http.post(f'{KEYSTONE}/v3/auth/tokens', json=token,
                       headers={'X-Subject-Token': 'the-token'})
        self.configure(CREDENTIALS)

    def configure(self, text):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write(text)
        self.conf([], project='cinder', default_config_files=[path])

    def answer(self, *aggregates):
        self.http.get(AGGREGATES, json={'aggregates': list(aggregates)})

    def test_all_aggregates_with_their_hosts_and_metadata(self):
        self.answer(
            an_aggregate(1, ['h1', 'h2'], availability_zone='west'),
            an_aggregate(2, ['h3'], **{'dcn:site': 'edge1'}))
        self.assertEqual(
            [('1', {'availability_zone': 'west'}, ['h1', 'h2']),
             ('2', {'dcn:site': 'edge1'}, ['h3'])],
            site_maps.read_aggregates(5))
        asked = self.http.last_request
        self.assertEqual('the-token', asked.headers['X-Auth-Token'])

    def test_a_site_without_servers_has_a_state_too(self):
        self.answer(an_aggregate(7, [], **{'dcn:site': 'depot'}))
        (_id, _metadata, hosts), = site_maps.read_aggregates(5)
        self.assertEqual(['aggregate 7'], hosts)

    def test_no_answer_of_anybody_takes_longer_than_said(self):
        self.answer()
        site_maps.read_aggregates(5)
        self.assertEqual({5.0}, self.timeouts())

    def test_a_shorter_time_in_the_section_of_nova_holds(self):
        self.configure(f'{CREDENTIALS}timeout = 2\n')
        self.answer()
        site_maps.read_aggregates(5)
        self.assertEqual({2.0}, self.timeouts())
        self.configure(f'{CREDENTIALS}timeout = 9\n')
        site_maps.read_aggregates(5)
        self.assertEqual({2.0, 5.0}, self.timeouts())

    def timeouts(self):
        history = self.http.request_history
        self.assertEqual({'keystone.example', 'nova.example'},
                         {request.hostname for request in history})
        return {request.timeout for request in history}

    def test_a_user_without_the_right(self):
        self.http.get(AGGREGATES, status_code=403)
        self.assertRaises(nova_exceptions.Forbidden,
                          site_maps.read_aggregates, 5)

    def test_nova_that_hangs(self):
        self.http.get(AGGREGATES, exc=requests.exceptions.ReadTimeout)
        error = self.assertRaises(ks_exceptions.ConnectTimeout,
                                  site_maps.read_aggregates, 5)
        self.assertIn('timed out', str(error))

    def test_without_credentials_nobody_is_asked(self):
        self.conf.set_override('auth_type', None, 'nova')
        error = self.assertRaises(LookupError, site_maps.read_aggregates, 5)
        self.assertIn('[nova] auth_type', str(error))
        self.assertEqual([], self.http.request_history)


class Nova:
    """Answers as it is told, counts, and may be held up."""

    def __init__(self):
        self.state = 'enabled'
        self.error = None
        self.count = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.answered = threading.Condition()

    def read(self):
        self.goes_on.wait(30)
        with self.answered:
            self.count += 1
            self.answered.notify_all()
        if self.error:
            raise self.error
        return [('1', {'dcn:site': 'edge1', 'dcn:state': self.state}, ['h'])]


class SiteMapsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.now = 1000.0
        clock = types.SimpleNamespace(monotonic=lambda: self.now)
        for module in (site_maps, map_cache):
            self.useFixture(fixtures.MockPatchObject(module, 'time', clock))
        self.nova = Nova()
        self.maps = self.make()

    def make(self, **options):
        conf = types.SimpleNamespace(**dict(
            {'site_lookup': True, 'site_map_seconds': 30.0,
             'site_map_timeout_seconds': 5.0}, **options))
        return site_maps.SiteMaps(conf, self.nova.read)

    def state(self):
        known = self.maps.current().site_map
        if known is None:
            return None
        place, = known.places
        return str(place.site.state)

    def wait_for_the_renewal(self):
        for thread in threading.enumerate():
            if thread.name == 'dcn-site-map':
                thread.join(30)

    def test_an_answer_is_used_for_a_while(self):
        self.assertEqual('enabled', self.state())
        self.nova.state = 'down'
        self.now += 30
        self.assertEqual('enabled', self.state())
        self.assertEqual(1, self.nova.count)
        self.assertIs(self.maps.current(), self.maps.current())

    def test_then_it_is_renewed_while_nobody_waits(self):
        self.state()
        self.nova.state = 'down'
        self.now += 31
        self.nova.goes_on.clear()
        self.assertEqual('enabled', self.state())
        self.nova.goes_on.set()
        self.wait_for_the_renewal()
        self.assertEqual('down', self.state())
        self.assertEqual(2, self.nova.count)

    def test_one_that_nobody_has_asked_for_in_a_while_is_waited_for(self):
        self.state()
        self.nova.state = 'down'
        self.now += 61
        self.assertEqual('down', self.state())

    def test_without_any_answer_all_is_open_and_nova_left_alone(self):
        self.nova.error = ConnectionError('refused')
        for _time in range(5):
            self.assertIsNone(self.state())
        self.now += 29
        self.assertIsNone(self.state())
        self.assertEqual(1, self.nova.count)
        self.assertEqual(1, self.log.output.count(
            'Nova did not tell its aggregates (ConnectionError: refused); '
            'until it does all sites are open'))

    def test_requests_in_the_meantime_do_not_put_it_off(self):
        self.nova.error = ConnectionError('refused')
        for _time in range(4):
            self.state()
            self.now += 10.0
        self.assertEqual(2, self.nova.count)

    def test_it_is_asked_again_and_told_when_it_answers(self):
        self.nova.error = ConnectionError('refused')
        self.state()
        self.now += 30
        self.nova.error = None
        self.assertEqual('enabled', self.state())
        self.assertIn('Nova tells its aggregates again', self.log.output)
        # The next failure is a new one.
        self.nova.error = ConnectionError('refused')
        self.now += 61
        self.state()
        self.assertEqual(2, self.log.output.count('did not tell'))

    def test_a_failure_that_lasts_is_told_once_an_hour(self):
        self.nova.error = ConnectionError('refused')
        for _time in range(121):
            self.state()
            self.now += 30
        self.assertEqual(121, self.nova.count)
        self.assertEqual(2, self.log.output.count('did not tell'))

    def test_the_last_answer_outlives_nova(self):
        self.nova.state = 'down'
        self.state()
        self.nova.error = ConnectionError('refused')
        for _time in range(100):
            self.now += 61
            self.assertEqual('down', self.state())
        self.assertIn('the last answer goes on being used', self.log.output)

    def test_so_it_does_when_the_renewal_fails(self):
        self.state()
        self.nova.error = ConnectionError('refused')
        self.now += 31
        for _time in range(5):
            self.assertEqual('enabled', self.state())
            self.wait_for_the_renewal()
        self.assertEqual(2, self.nova.count)
        self.assertIn('the last answer goes on being used', self.log.output)
        self.assertNotIn('again', self.log.output)

    def test_switched_off_nobody_is_asked(self):
        self.maps = self.make(site_lookup=False)
        self.assertIsNone(self.state())
        self.assertEqual(0, self.nova.count)

    def test_many_at_once_ask_once(self):
        self.assertEqual(['enabled'] * 16, self.states_of_many())
        self.assertEqual(1, self.nova.count)

    def test_many_at_once_fail_once(self):
        self.nova.error = ConnectionError('refused')
        self.assertEqual([None] * 16, self.states_of_many())
        self.assertEqual(1, self.nova.count)

    def states_of_many(self):
        found = []
        begun = threading.Barrier(17)

        def ask():
            begun.wait(30)
            found.append(self.state())

        self.nova.goes_on.clear()
        threads = [threading.Thread(target=ask) for _thread in range(16)]
        for thread in threads:
            thread.start()
        begun.wait(30)
        # For all to come as far as they can.
        threading.Event().wait(0.2)
        self.nova.goes_on.set()
        for thread in threads:
            thread.join(30)
        return found
