# SPDX-License-Identifier: Apache-2.0
"""A small cloud of several sites, made of Nova's own services.

API, conductor, scheduler, placement and compute manager are Nova's; only the
hypervisor, Glance, Cinder and Neutron are Nova's own fakes.
"""

import os
import sys
import time

import fixtures
import nova.conf
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client
from nova.tests.functional import fixtures as func_fixtures
from nova import utils

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import cross_site_policy
from dcn_plugins.nova import placement_prefilter
from dcn_plugins.nova import site_request
from tests.functional.nova import fake_services
from tests.functional.nova import sqlite_threads

FILTER = 'dcn_plugins.nova.site_filter.DCNSiteFilter'
ONE_SITE_FILTER = 'dcn_plugins.nova.one_site_filter.DCNOneSiteFilter'
WEIGHER = 'dcn_plugins.nova.site_weigher.DCNSiteWeigher'

STOCK_FILTERS = ['ComputeFilter', 'ComputeCapabilitiesFilter',
                 'ImagePropertiesFilter', 'ServerGroupAntiAffinityFilter',
                 'ServerGroupAffinityFilter']

TWO_SITES = {'dcn1': ['h11', 'h12'], 'dcn2': ['h21', 'h22']}
CENTRAL = {None: ['c1', 'c2']}

# Stock Nova takes the host of the greatest weight, and that is never one of
# the site where a server is created here. So crossing is what happens, not
# what may happen.
WEIGHTS = {'h21': 100, 'h22': 90, 'c2': 80, 'c1': 70, 'h12': 60, 'h11': 50}

# Actions on a server: what, and with which arguments.
LIVE = ('os-migrateLive', {'host': None, 'block_migration': 'auto'})
LIVE_TO_H21 = ('os-migrateLive', {'host': 'h21', 'block_migration': 'auto'})
COLD = ('migrate', None)
COLD_TO_H21 = ('migrate', {'host': 'h21'})
RESIZE = ('resize', {'flavorRef': '2'})
EVACUATE = ('evacuate', {})

# What an operation came to when the server did not go anywhere.
REFUSED = 'refused'

WAIT_SECONDS = 180.0


def wait_until(find, what):
    """Return the first true value of a function; fail when none comes."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.1
    while True:
        found = find()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'{what} did not come within '
                                 f'{WAIT_SECONDS:g} s')
        # Looking costs more than a move does, and delays it.
        time.sleep(pause)
        pause = min(1.3 * pause, 0.5)


class SiteFilterTestCase(test.TestCase):
    """A cloud whose scheduler runs with our plugins or without."""

    weights = WEIGHTS

    def setUp(self):
        super().setUp()
        if sqlite_threads.is_needed():
            self.useFixture(sqlite_threads.OneTransactionAtATime())
        # What the plugins leave in the process of a scheduler.
        self.addCleanup(placement_prefilter.uninstall)
        self.addCleanup(site_request.forget)
        self.addCleanup(cross_site_policy.reset)
        site_options.register_opts(nova.conf.CONF)
        # Nova's wheel puts it below the prefix, Nova's tests look elsewhere.
        self.flags(api_paste_config=os.path.join(
            sys.prefix, 'etc/nova/api-paste.ini'), group='wsgi')
        self.flags(compute_driver='fake.FakeDriver', shelved_offload_time=0)
        # A busy machine is no reason to take a service for dead.
        self.flags(service_down_time=3600, rpc_response_timeout=180)
        # Neither hosts nor quotas end before the scenarios do.
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')
        self.useFixture(nova_fixtures.HostNameWeigherFixture(self.weights))
        self.policy = self.useFixture(nova_fixtures.RealPolicyFixture())
        self.glance = self.useFixture(fake_services.ImagesInStores(self))
        self.useFixture(nova_fixtures.NeutronFixture(self))
        self.cinder = self.useFixture(fake_services.VolumesInZones(self))
        self.outages = self.useFixture(fake_services.Outages())
        self.placement = self.useFixture(
            func_fixtures.PlacementFixture()).api
        fixture = self.useFixture(
            nova_fixtures.OSAPIFixture(api_version='v2.1'))
        self.api = fixture.admin_api
        self.member = fixture.api
        self.api.microversion = self.member.microversion = 'latest'
        self.start_service('conductor')
        self.scheduler = None
        self.services = {}
        self.aggregates = {}

    # The cloud

    def start_cloud(self, sites, **scheduler):
        """Start the hosts of sites, then the scheduler."""
        for site, hosts in sites.items():
            if site:
                self.add_aggregate(site, availability_zone=site)
            for host in hosts:
                self.services[host] = self.start_service('compute', host=host)
                if site:
                    self.api.add_host_to_aggregate(
                        self.aggregates[site], host)
        self.start_scheduler(**scheduler)

    def start_scheduler(self, with_plugins=True, weighers=(),
                        available=(FILTER, ONE_SITE_FILTER)):
        """Start the scheduler, or start it again.

        :param weighers: used instead of the fixed weights of hosts, if any.
        """
        if self.scheduler:
            self.scheduler.stop()
        names = STOCK_FILTERS
        if with_plugins:
            names = ['DCNSiteFilter', *STOCK_FILTERS, 'DCNOneSiteFilter']
        self.flags(available_filters=['nova.scheduler.filters.all_filters',
                                      *available],
                   enabled_filters=names, group='filter_scheduler')
        if weighers:
            self.flags(weight_classes=list(weighers),
                       group='filter_scheduler')
        self.scheduler = self.start_service('scheduler')

    def add_aggregate(self, name, hosts=(), **metadata):
        zone = metadata.pop('availability_zone', None)
        body = {'name': name}
        if zone:
            body['availability_zone'] = zone
        found = self.api.post_aggregate({'aggregate': body})
        self.aggregates[name] = found['id']
        for host in hosts:
            self.api.add_host_to_aggregate(found['id'], host)
        if metadata:
            self.tag(name, **metadata)

    def tag(self, name, **metadata):
        """Set metadata of an aggregate; ``None`` takes a key away.

        :param metadata: keys without the prefix ``dcn:``, except for
            ``availability_zone``.
        """
        self.api.post_aggregate_action(self.aggregates[name], {
            'set_metadata': {'metadata': {
                key if key == 'availability_zone' else f'dcn:{key}': value
                for key, value in metadata.items()}}})

    def read_map(self):
        """Read the map of sites, as if the present one were old."""
        with fixtures.MonkeyPatch(
                'dcn_plugins.map_cache.FRESH_SECONDS', 0.0):
            site_request.shared().maps.fresh()

    def create_flavor(self, name, ram=512, **specs):
        """Create a flavor; ``specs`` are its extra specs in ``dcn:``."""
        self.api.post_flavor({'flavor': {
            'id': name, 'name': name, 'ram': ram, 'vcpus': 1, 'disk': 1}})
        if specs:
            self.api.post_extra_spec(name, {'extra_specs': {
                f'dcn:{key}': value for key, value in specs.items()}})

    def update_service(self, host, **fields):
        service, = self.api.get_services(binary='nova-compute', host=host)
        self.api.put_service(service['id'], fields)

    def close(self, *hosts):
        """Take hosts out of scheduling, so that their site is full."""
        for host in hosts:
            self.update_service(host, status='disabled')

    def kill(self, host):
        """Stop a host, so that its servers can be evacuated."""
        self.services[host].stop()
        self.update_service(host, forced_down=True)

    # Servers

    def post(self, api=None, hints=None, **fields):
        """Ask for a server; return it as it is at once.

        :param fields: those of the request, next to the smallest ones.
        """
        server = {'name': 'server', 'networks': 'none', 'flavorRef': '1',
                  'imageRef': self.glance.image1['id'], **fields}
        body = {'server': server}
        if hints:
            body['os:scheduler_hints'] = hints
        return (api or self.api).post_server(body)

    def create(self, api=None, hints=None, **fields):
        """Create a server and wait until it is there, or in ERROR."""
        return self.settled(self.post(api, hints, **fields))

    def create_several(self, count, **fields):
        """Create servers with one request, which is cheaper than one each."""
        reservation = self.post(
            min_count=count, return_reservation_id=True, **fields)
        return [self.settled(server) for server in self.api.get_servers(
            search_opts=reservation)]

    def create_at(self, host, **fields):
        # By host and not by zone: a zone would pin the server to it, and
        # stock Nova keeps pinned servers in their zone.
        server = self.create(host=host, **fields)
        self.assertEqual(host, self.host_of(server))
        return server

    def create_pinned(self, host, zone):
        server = self.create_at(host, availability_zone=zone)
        self.assertEqual(zone, server['pinned_availability_zone'])
        return server

    def show(self, server):
        return self.api.get_server(server['id'])

    def host_of(self, server):
        return self.show(server)['OS-EXT-SRV-ATTR:host']

    def settled(self, server):
        """Return a server as soon as nothing is done to it any more."""
        def find():
            shown = self.show(server)
            is_busy = shown['OS-EXT-STS:task_state']
            return None if is_busy or shown['status'] == 'BUILD' else shown

        return wait_until(find, f'the end of work on {server["id"]}')

    def events(self, server):
        """Return the events of the latest action on a server."""
        actions = self.api.get_instance_actions(server['id'])
        return self.api.get_instance_action_details(
            server['id'], actions[0]['request_id'])['events']

    def act(self, server, action, body=None, api=None, version='latest'):
        """Do something to a server and wait for the end of it."""
        api = api or self.api
        with utils.temporary_mutation(api, microversion=version):
            api.post_server_action(server['id'], {action: body})
        self.settled(server)
        # The host of an evacuated server is written after its state.
        wait_until(lambda: all(event['result']
                               for event in self.events(server)),
                   f'the end of {action} of {server["id"]}')
        return self.show(server)

    def shelve(self, server):
        self.act(server, 'shelve')
        wait_until(lambda: self.show(server)['status'] == 'SHELVED_OFFLOADED',
                   f'the offloading of {server["id"]}')
        return self.settled(server)

    def outcome(self, server, action, body=None, **options):
        """Return the host that a server went to, or why it did not go."""
        try:
            shown = self.act(server, action, body, **options)
        except client.OpenStackApiException as exc:
            return f'HTTP {exc.response.status_code}'
        if (shown['status'] == 'SHELVED_OFFLOADED'
                or any(event['result'] == 'Error'
                       for event in self.events(shown))):
            return REFUSED
        return shown['OS-EXT-SRV-ATTR:host']

    def outcome_of_create(self, *args, **fields):
        """Return the host that a new server came to, or why none did."""
        try:
            shown = self.create(*args, **fields)
        except client.OpenStackApiException as exc:
            return f'HTTP {exc.response.status_code}'
        if shown['status'] == 'ERROR':
            return REFUSED
        return shown['OS-EXT-SRV-ATTR:host']

    def log(self):
        return self.stdlog.logger.output
