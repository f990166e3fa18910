# SPDX-License-Identifier: Apache-2.0
"""Cinder's own API and scheduler, with a message bus in memory.

The database, the flows of the API, the scheduler's manager, its driver, its
host manager and all of its filters and weighers are Cinder's. Keystone and
Nova answer over HTTP. What would go to cinder-volume is written down.
"""

import json

# First of Cinder's modules: it registers the objects that all others need.
import cinder.tests.unit  # noqa: F401
from cinder import context  # noqa: H306
from cinder.group import api as group_api
from cinder import objects
from cinder.scheduler import manager
from cinder.scheduler import rpcapi as scheduler_rpcapi
from cinder.tests.unit import test
from cinder.tests.unit import utils
from cinder.volume import api
from cinder.volume import rpcapi as volume_rpcapi
from cinder.volume import volume_types
import fixtures
from keystoneauth1 import fixture as ks_fixture
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_serialization import jsonutils
from oslo_utils import timeutils
from requests_mock.contrib import fixture as requests_fixture

from dcn_plugins.cinder import volume_request
from dcn_plugins.conf import volume_sites

CONF = cfg.CONF

KEYSTONE = 'http://keystone.example'
NOVA = 'http://nova.example/v2.1'
# What cinder-volume is told.
CALLS = ['create_volume', 'extend_volume', 'create_snapshot', 'retype',
         'migrate_volume', 'manage_existing', 'create_group',
         'manage_existing_snapshot', 'publish_service_capabilities']

STOCK_FILTERS = ['AvailabilityZoneFilter', 'CapacityFilter',
                 'CapabilitiesFilter']

# host: (zone, site, free of 100 GB); the more room, the rather stock Cinder
# takes it, and it would be another one than ours takes.
BACKENDS = {'b1': ('west', 'edge1', 40), 'b1x': ('west', 'edge1', 50),
            'b2': ('west', 'edge2', 90), 'b3': ('east', None, 60)}


class Bus:
    """Carry what the API casts to the scheduler, as bytes and back."""

    serializer = objects.base.CinderObjectSerializer()

    def __init__(self, scheduler):
        self._scheduler = scheduler

    def cast(self, ctxt, method, **arguments):
        carried = json.loads(jsonutils.dumps(
            {name: self.serializer.serialize_entity(ctxt, value)
             for name, value in arguments.items()}))
        return getattr(self._scheduler, method)(
            context.RequestContext.from_dict(ctxt.to_dict()),
            **{name: self.serializer.deserialize_entity(ctxt, value)
               for name, value in carried.items()})

    call = cast


class VolumeCloudTestCase(test.TestCase):
    """Two sites in the zone west, and the zone east that is one."""

    filters = ['DCNSiteFilter', *STOCK_FILTERS]
    weighers = ['DCNSiteWeigher', 'CapacityWeigher']

    def setUp(self):
        # Registered when the credentials are used, and required ever after.
        # Before the base class, to come after it has reset CONF.
        self.addCleanup(
            CONF.unregister_opts,
            loading.get_auth_plugin_conf_options('password'), 'nova')
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.configure()
        self.answer_over_http()
        self.metadata = {
            1: {'dcn:site': 'edge1', 'availability_zone': 'west'},
            2: {'dcn:site': 'edge2', 'availability_zone': 'west'},
            3: {'availability_zone': 'east'}}
        self.admin = context.get_admin_context()
        # The scheduler keeps what we know for all of its requests.
        volume_request.forget()
        self.addCleanup(volume_request.forget)
        self.start_scheduler()
        self.user = context.RequestContext(
            user_id='u', project_id='p', is_admin=False, auth_token='t',
            roles=['member', 'reader'], service_catalog=[])
        self.api = api.API()
        self.groups = group_api.API()
        self.gold = self.make_type('gold')

    def configure(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write(f'''[nova]
auth_type = password
auth_url = {KEYSTONE}/v3
username = nova
password = secret
user_domain_id = default
project_name = service
project_domain_id = default
''')
        CONF([], default_config_files=[path])
        volume_sites.register_opts(CONF)
        self.override_config('scheduler_default_filters', self.filters)
        self.override_config('scheduler_default_weighers', self.weighers)
        self.override_config('storage_availability_zone', 'west')

    def answer_over_http(self):
        self.http = self.useFixture(requests_fixture.Fixture())
        token = ks_fixture.V3Token()
        token.set_project_scope()
        token.add_service('compute').add_standard_endpoints(public=NOVA)
        self.http.get(f'{KEYSTONE}/v3', json=ks_fixture.V3Discovery(
            f'{KEYSTONE}/v3'))
        self.http.post(f'{KEYSTONE}/v3/auth/tokens', json=token,
                       headers={'X-Subject-Token': 'the-token'})
        self.http.get(f'{NOVA}/os-aggregates', json=self.aggregates)

    def aggregates(self, _request, _context):
        return {'aggregates': [
            {'id': number, 'hosts': [f'h{number}'], 'metadata': metadata}
            for number, metadata in self.metadata.items()]}

    def start_scheduler(self):
        # cinder-volume on the other end; the mock sees what would be sent.
        self.sent = {}
        for method in CALLS:
            self.sent[method] = self.useFixture(fixtures.MockPatchObject(
                volume_rpcapi.VolumeAPI, method)).mock
        self.scheduler = manager.SchedulerManager()
        self.scheduler._startup_delay = False
        for host, (zone, site, free) in BACKENDS.items():
            utils.create_service(self.admin, {
                'host': f'{host}@rbd', 'binary': 'cinder-volume',
                'topic': 'cinder-volume', 'availability_zone': zone,
                'updated_at': timeutils.utcnow()})
            capabilities = {
                'volume_backend_name': 'RBD', 'total_capacity_gb': 100,
                'free_capacity_gb': free, 'allocated_capacity_gb': 0,
                'reserved_percentage': 0, 'storage_protocol': 'ceph',
                'vendor_name': 'Open Source', 'driver_version': '1'}
            if site:
                capabilities['dcn_site'] = site
            self.scheduler.update_service_capabilities(
                self.admin, 'volume', f'{host}@rbd', capabilities,
                timestamp=timeutils.utcnow().strftime(
                    timeutils.PERFECT_TIME_FORMAT))
        self.useFixture(fixtures.MockPatchObject(
            scheduler_rpcapi.SchedulerAPI, '_get_cctxt',
            lambda _api, *_args, **_kwargs: Bus(self.scheduler)))
        self.useFixture(fixtures.MockPatchObject(
            scheduler_rpcapi.SchedulerAPI, 'determine_rpc_version_cap',
            return_value=scheduler_rpcapi.SchedulerAPI.RPC_API_VERSION))

    def make_type(self, name, **extra_specs):
        made = volume_types.create(
            self.admin, name,
            {key.replace('__', ':'): value
             for key, value in extra_specs.items()})
        return objects.VolumeType.get_by_id(self.admin, made['id'])

    def create(self, **request):
        """Create a volume; return it, with its host."""
        request = dict({'volume_type': self.gold,
                        'availability_zone': 'west'}, **request)
        volume = self.api.create(self.user, 1, 'name', 'description',
                                 **request)
        return objects.Volume.get_by_id(self.admin, volume.id)

    def host_of(self, **request):
        """Create a volume; return where it went, or its status."""
        volume = self.create(**request)
        return short(volume.host) if volume.host else volume.status

    def existing(self, host='b1', zone='west', **fields):
        """Return a volume that is there already."""
        fields = dict({'host': f'{host}@rbd#RBD', 'availability_zone': zone,
                       'volume_type_id': self.gold.id}, **fields)
        volume = utils.create_volume(self.user, **fields)
        return objects.Volume.get_by_id(self.admin, volume.id)

    def say(self, number, **metadata):
        """Set metadata of an aggregate, and have it read at once."""
        self.metadata[number].update(
            (f'dcn:{key}', value) for key, value in metadata.items())
        volume_request.forget()

    def option(self, **values):
        for name, value in values.items():
            self.override_config(name, value, 'dcn')
        volume_request.forget()


def short(host):
    """Return the name of a backend as BACKENDS has it."""
    return host.partition('@')[0]
