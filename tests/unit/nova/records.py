# SPDX-License-Identifier: Apache-2.0
"""A cloud in memory: Nova's databases, Cinder and Glance as dictionaries.

Everything above that edge is Nova's own: host states, request specifications,
aggregates and contexts.
"""

import logging
import pathlib
import types

import fixtures
import nova.conf
from nova import context as nova_context
from nova import exception
from nova.image import glance
from nova import objects
from nova.scheduler import host_manager
from nova.volume import cinder
from oslo_config import fixture as config_fixture
from oslo_policy import policy
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import cross_site_policy
from dcn_plugins.nova import placement_prefilter
from dcn_plugins.nova import site_filter
from dcn_plugins.nova import site_maps
from dcn_plugins.nova import site_request

SERVER = uuids.server
IMAGE = uuids.image

# Hosts beside h11, where the server is that moves.
EVERY = ['h12', 'h21', 'h22', 'c1']


class Records(fixtures.Fixture):
    """The databases, Cinder and Glance: the edge of the door.

    ``host``, ``system_metadata``, ``task_state``, ``flavor``, ``cell`` and
    ``volumes`` are those of the one server, ``aggregates`` and ``hosts``
    those of the cloud. ``stores`` has the text that Glance returns for each
    image. ``reads`` lists every look-up, and ``error`` is raised by each, or
    by those that ``errors`` has a name of.
    """

    def __init__(self, aggregates):
        self.host = 'h11'
        self.system_metadata = {}
        self.task_state = None
        self.flavor = flavor()
        self.cell = objects.CellMapping(
            uuid=uuids.cell1, name='cell1', transport_url='none:///',
            database_connection='sqlite://')
        self.volumes = []
        self.build_request = None
        self.zone_of_volume = {}
        self.stores = {}
        self.aggregates = aggregates
        self.hosts = {'h11', 'h12', 'h21', 'h22', 'c1', 'c2'}
        self.reads = []
        self.error = None
        self.errors = {}

    def _setUp(self):
        for owner, name in (
                (objects.Instance, 'get_by_uuid'),
                (objects.InstanceMapping, 'get_by_instance_uuid'),
                (objects.BlockDeviceMappingList, 'get_by_instance_uuid'),
                (objects.BuildRequest, 'get_by_instance_uuid'),
                (objects.AggregateList, 'get_by_metadata'),
                (objects.AggregateList, 'get_by_metadata_key'),
                (objects.HostMapping, 'get_by_host'),
                (cinder.API, 'get'), (glance.API, 'get')):
            # The two APIs have one name.
            service = owner.__module__.rsplit('.', 1)[-1]
            answer = getattr(self, f'_{owner.__name__}_{name}', None) or (
                getattr(self, f'_{service}_{name}'))
            self.useFixture(fixtures.MockPatchObject(
                owner, name, side_effect=self._recorded(answer)))
        read = self._recorded(self._read_aggregates)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.nova.site_maps.read_aggregates', lambda: read(None)))
        self.useFixture(fixtures.MockPatch(
            'dcn_plugins.nova.site_maps.metadata_of_host',
            side_effect=self._recorded(self._metadata_of_host)))

    def _recorded(self, answer):
        name = answer.__name__.strip('_')

        def read(context, *args, **kwargs):
            self.reads.append(name)
            error = self.error or self.errors.get(name)
            if error:
                raise error
            return answer(context, *args, **kwargs)
        return read

    def _read_aggregates(self, context):
        return [(aggregate.uuid, dict(aggregate.metadata),
                 list(aggregate.hosts)) for aggregate in self.aggregates]

    def _Instance_get_by_uuid(self, context, uuid, expected_attrs):
        assert context.is_admin
        assert context.cell_uuid == uuids.cell1, context.cell_uuid
        assert {'system_metadata', 'flavor'} <= set(expected_attrs)
        return objects.Instance(
            uuid=uuid, host=self.host, task_state=self.task_state,
            flavor=self.flavor, system_metadata=self.system_metadata)

    def _InstanceMapping_get_by_instance_uuid(self, context, uuid):
        return objects.InstanceMapping(instance_uuid=uuid,
                                       cell_mapping=self.cell)

    def _BlockDeviceMappingList_get_by_instance_uuid(self, context, uuid):
        assert context.cell_uuid == uuids.cell1, context.cell_uuid
        return objects.BlockDeviceMappingList(objects=self.volumes)

    def _BuildRequest_get_by_instance_uuid(self, context, uuid):
        assert context.cell_uuid is None, context.cell_uuid
        if self.build_request is None:
            raise exception.BuildRequestNotFound(uuid=uuid)
        return objects.BuildRequest(
            instance_uuid=uuid,
            block_device_mappings=objects.BlockDeviceMappingList(
                objects=self.build_request))

    def _metadata_of_host(self, context, host):
        assert context.cell_uuid is None, context.cell_uuid
        assert context.is_admin
        return [dict(aggregate.metadata) for aggregate in self.aggregates
                if host in aggregate.hosts]

    def _AggregateList_get_by_metadata(self, context, key, value):
        # Like Nova, it returns no other metadata than what was asked for,
        # and MySQL compares without regard to case.
        return self._aggregate_list(
            objects.Aggregate(hosts=aggregate.hosts,
                              metadata={key: aggregate.metadata[key]})
            for aggregate in self.aggregates
            if aggregate.metadata.get(key, '').lower() == value.lower())

    def _AggregateList_get_by_metadata_key(self, context, key, hosts):
        return self._aggregate_list(
            objects.Aggregate(hosts=aggregate.hosts,
                              metadata={key: aggregate.metadata[key]})
            for aggregate in self.aggregates
            if key in aggregate.metadata and hosts & set(aggregate.hosts))

    def _HostMapping_get_by_host(self, context, host):
        if host not in self.hosts:
            raise exception.HostMappingNotFound(name=host)
        return objects.HostMapping(host=host)

    def _cinder_get(self, context, volume_id):
        assert context.auth_token == 'token', context.auth_token
        assert not context.is_admin
        return {'id': volume_id,
                'availability_zone': self.zone_of_volume.get(volume_id)}

    def _glance_get(self, context, image_id):
        assert context.auth_token == 'token', context.auth_token
        assert not context.is_admin
        return {'id': image_id, 'stores': self.stores.get(image_id),
                'properties': {}}

    @staticmethod
    def _aggregate_list(aggregates):
        return objects.AggregateList(objects=list(aggregates))


def flavor(flavorid='m1', memory_mb=1024, vcpus=1, **extra_specs):
    return objects.Flavor(
        flavorid=flavorid, memory_mb=memory_mb, vcpus=vcpus,
        extra_specs={f'dcn:{key}': value
                     for key, value in extra_specs.items()})


def volume(volume_id, boot_index):
    return objects.BlockDeviceMapping(
        destination_type='volume', volume_id=volume_id, boot_index=boot_index)


def local_disk(boot_index):
    return objects.BlockDeviceMapping(
        destination_type='local', volume_id=None, boot_index=boot_index)


def fill(host_state, memory_used=0.0, vcpus_used=0.0, gib=64, vcpus=32):
    """Give a host resources, of which shares are used."""
    host_state.total_usable_ram_mb = gib * 1024
    host_state.free_ram_mb = int(gib * 1024 * (1 - memory_used))
    host_state.vcpus_total = vcpus
    host_state.vcpus_used = int(vcpus * vcpus_used)
    host_state.ram_allocation_ratio = host_state.cpu_allocation_ratio = 1.0
    host_state.disk_allocation_ratio = 1.0
    return host_state


class Clock(fixtures.Fixture):
    """A clock that one module reads, and that stands still by itself."""

    def __init__(self, module):
        self._module = module
        self.now = 1000.0

    def _setUp(self):
        self.useFixture(fixtures.MonkeyPatch(
            f'{self._module.__name__}.time',
            types.SimpleNamespace(monotonic=lambda: self.now)))


class NovaTestCase(testtools.TestCase):
    """dcn1 = {h11, h12}, dcn2 = {h21, h22}; c1 and c2 are in no site."""

    log_level = logging.DEBUG

    def setUp(self):
        super().setUp()
        objects.register_all()
        nova.conf.CONF([], project='nova', default_config_files=[])
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        site_options.register_opts(nova.conf.CONF)
        self.log = self.useFixture(fixtures.FakeLogger(
            'dcn_plugins', level=self.log_level,
            format='%(levelname)s %(message)s'))
        self.aggregates = [
            self.aggregate({'availability_zone': 'dcn1'}, 'h11', 'h12'),
            self.aggregate({'availability_zone': 'dcn2'}, 'h21', 'h22')]
        self.records = self.useFixture(Records(self.aggregates))
        self._forget()
        self.addCleanup(self._forget)

    @staticmethod
    def _forget():
        """Undo what a door does to its process."""
        site_request.forget()
        placement_prefilter.uninstall()
        cross_site_policy.reset()

    def aggregate(self, metadata, *hosts):
        """Return an aggregate whose uuid no other one has."""
        self._count = getattr(self, '_count', 0) + 1
        return objects.Aggregate(
            uuid=getattr(uuids, f'aggregate{self._count}'), metadata=metadata,
            hosts=list(hosts))

    def options(self, **options):
        """Return ``[dcn]`` as if it were in nova.conf like that."""
        self.conf.load_raw_values(group='dcn', **options)
        # It forgets the values that were asked for before.
        site_options.register_opts(nova.conf.CONF)
        return nova.conf.CONF.dcn

    def policy_file(self, text=None):
        """Return the path of the policy file that Nova is told of."""
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path,
                            'policy.yaml')
        if text is not None:
            path.write_text(text)
        # It registers its options.
        policy.Enforcer(nova.conf.CONF)
        self.conf.config(policy_file=str(path), group='oslo_policy')
        return path

    def requests(self, **options):
        """Return what all parts of the door share, with its own options."""
        site_request.forget()
        self.options(**options)
        return site_request.shared()

    def site_maps(self, seconds=10.0):
        return site_maps.SiteMaps(seconds)

    def candidates(self, *hosts):
        host_states = []
        for host in hosts:
            host_state = host_manager.HostState(host, host, uuids.cell1)
            host_state.aggregates = [
                aggregate for aggregate in self.aggregates
                if host in aggregate.hosts]
            host_states.append(host_state)
        return host_states

    @staticmethod
    def context(roles=()):
        # is_admin is given because its default is asked of the policy files.
        return nova_context.RequestContext(
            auth_token='token', is_admin=False, roles=list(roles),
            user_id='user', project_id='p1')

    def spec(self, roles=(), context=None, **fields):
        return objects.RequestSpec(context or self.context(roles), **{
            'instance_uuid': SERVER, 'project_id': 'p1',
            'scheduler_hints': {}, 'flavor': flavor(), 'num_instances': 1,
            'is_bfv': False, 'image': objects.ImageMeta(id=IMAGE),
            'availability_zone': None, **fields})

    def move(self, destination=None, **fields):
        return self.spec(requested_destination=objects.Destination(
            cell=self.records.cell, **(destination or {})), **fields)

    def rebuild(self, **fields):
        return self.move(
            **{'scheduler_hints': {'_nova_check_type': ['rebuild']},
               **fields})

    def create_from(self, *volumes, **fields):
        """Return the request of a server with existing volumes."""
        self.records.build_request = list(volumes)
        return self.spec(**fields)


class SiteFilterTestCase(NovaTestCase):

    def filter(self, **options):
        self.options(**options)
        return site_filter.DCNSiteFilter()

    def passed(self, spec, hosts=tuple(EVERY), **options):
        passed = self.filter(**options).filter_all(
            self.candidates(*hosts), spec)
        return [host_state.host for host_state in passed]
