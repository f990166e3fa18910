# SPDX-License-Identifier: Apache-2.0
"""A cloud of many sites as nova-scheduler sees it, without a service.

Everything is Nova's own: HostState, Aggregate and RequestSpec objects, and
its databases in SQLite. Nothing of it is a mock.
"""

import logging
import os
import random

import fixtures
# First of Nova's modules: it selects threads or eventlet for all the others.
import nova.tests.functional  # noqa: F401
import nova.conf  # noqa: H306
from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.api import models
from nova import objects
from nova.scheduler import host_manager
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import conf as conf_fixture
from oslo_utils.fixture import uuidsentinel as uuids
from oslo_utils import timeutils
import sqlalchemy

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import site_request

CONF = nova.conf.CONF

HOSTS_PER_SITE = 10
#: What the databases hold, however many hosts are scheduled on.
STORED_SITES = 1000
#: The site that is asked for, in the middle of the smallest cloud.
HOME = 50

SERVER = uuids.server
PROJECT = uuids.project


def name_of_site(number):
    """Return the name of a site, which is that of its zone, too."""
    return f'dcn{number:04}'


def name_of_host(number):
    """Return the name of a host; ten in a row are in one site."""
    return f'host{number:05}'


def zone_of_site(site):
    """Return the metadata of a site that says no more than its zone."""
    return {'availability_zone': name_of_site(site)}


def metadata_of_site(site):
    """Return the metadata that the database has of a site."""
    return {**zone_of_site(site), 'dcn:priority': '1', 'dcn:state': 'enabled'}


def site_of(number):
    """Return the number of a host's site."""
    return number // HOSTS_PER_SITE


class Logs(fixtures.Fixture):
    """Write log lines of INFO to nowhere: formatted, as in production."""

    def _setUp(self):
        nowhere = open(os.devnull, 'w')
        self.addCleanup(nowhere.close)
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(logging.Formatter(
            '%(asctime)s %(process)d %(levelname)s %(name)s %(message)s'))
        root = logging.getLogger()
        self.addCleanup(setattr, root, 'handlers', root.handlers[:])
        self.addCleanup(root.setLevel, root.level)
        root.handlers = [handler]
        root.setLevel(logging.INFO)


class Options(fixtures.Fixture):
    """The defaults of nova-scheduler, but for what would add noise."""

    def _setUp(self):
        self.useFixture(conf_fixture.ConfFixture(CONF))
        # A cell has a message bus, too; this one is in memory.
        self.useFixture(nova_fixtures.RPCFixture())
        site_options.register_opts(CONF)
        self.addCleanup(CONF.reset)
        # No heartbeat grows stale and no map is read again while we measure.
        CONF.set_override('service_down_time', 86400)
        CONF.set_override('site_map_seconds', 3600.0, 'dcn')
        CONF.set_override('track_instance_changes', False,
                          'filter_scheduler')
        self.addCleanup(site_request.forget)


def scheduler(first=(), last=(), weighers=()):
    """Return a HostManager with Nova's default filters and all its weighers.

    :param first: class paths of filters before those of Nova.
    :param last: class paths of filters behind them.
    :param weighers: class paths of weighers besides those of Nova.
    """
    group = 'filter_scheduler'
    # The defaults are those of the release; no override of an earlier call
    # may be among them.
    for name in ('available_filters', 'enabled_filters', 'weight_classes'):
        CONF.clear_override(name, group)
    stock = CONF.filter_scheduler
    enabled = [*(path.rpartition('.')[2] for path in first),
               *stock.enabled_filters,
               *(path.rpartition('.')[2] for path in last)]
    CONF.set_override('available_filters',
                      [*stock.available_filters, *first, *last], group)
    CONF.set_override('weight_classes', [*stock.weight_classes, *weighers],
                      group)
    CONF.set_override('enabled_filters', enabled, group)
    return host_manager.HostManager()


class Databases(fixtures.Fixture):
    """Nova's API database and one cell with one server in it.

    ``queries`` counts the statements that either of them has executed.
    """

    def _setUp(self):
        # It is here for its schema, which it makes once per process.
        self.useFixture(nova_fixtures.Database('main'))
        api = self.useFixture(nova_fixtures.Database('api'))
        self.context = nova_context.get_admin_context()
        self._fill_api()
        self.cell = objects.CellMapping(
            self.context, uuid=uuids.cell, name='cell1', disabled=False,
            transport_url='none:///', database_connection='sqlite://')
        self.cell.create()
        with nova_context.target_cell(self.context, self.cell) as cell:
            # In memory as well: SQLite would open a file for each query.
            engine = cell.db_connection.writer.get_engine()
            engine.connect().connection.executescript(
                nova_fixtures.DB_SCHEMA['main', None])
            self._create_server(cell)
        self.queries = 0
        self._count(engine)
        self._count(api.get_engine())

    def _count(self, engine):
        def counted(_connection, _cursor, statement, *_more):
            if not statement.startswith('BEGIN'):
                self.queries += 1

        sqlalchemy.event.listen(engine, 'before_cursor_execute', counted)
        self.addCleanup(sqlalchemy.event.remove, engine,
                        'before_cursor_execute', counted)

    def _fill_api(self):
        # Row by row through Nova's objects it would take a minute.
        @api_db.context_manager.writer
        def fill(context):
            sites = range(STORED_SITES)
            insert = context.session.execute
            insert(sqlalchemy.insert(models.Aggregate), [
                {'id': site + 1, 'uuid': getattr(uuids, f'aggregate{site}'),
                 'name': name_of_site(site)} for site in sites])
            insert(sqlalchemy.insert(models.AggregateMetadata), [
                {'aggregate_id': site + 1, 'key': key, 'value': value}
                for site in sites
                for key, value in metadata_of_site(site).items()])
            insert(sqlalchemy.insert(models.AggregateHost), [
                {'aggregate_id': site_of(host) + 1,
                 'host': name_of_host(host)}
                for host in range(STORED_SITES * HOSTS_PER_SITE)])
        fill(self.context)

    def _create_server(self, cell):
        objects.InstanceMapping(
            self.context, instance_uuid=SERVER, project_id=PROJECT,
            cell_mapping=self.cell).create()
        objects.Instance(
            cell, uuid=SERVER, project_id=PROJECT, user_id=uuids.user,
            host=name_of_host(HOME * HOSTS_PER_SITE), flavor=flavor(),
            system_metadata={f'image_property{number}': 'value'
                             for number in range(20)}).create()


def aggregates(metadata_of=zone_of_site, count=STORED_SITES):
    """Return an Aggregate for each site, like nova-scheduler has them.

    :param metadata_of: function from the number of a site to its metadata.
    """
    return [objects.Aggregate(
        id=site + 1, uuid=getattr(uuids, f'aggregate{site}'),
        name=name_of_site(site), hosts=[], metadata=metadata_of(site))
        for site in range(count)]


def flavor(extra_specs=None):
    """Return a Flavor."""
    return objects.Flavor(
        id=1, flavorid='1', name='m1.small', memory_mb=2048, vcpus=1,
        root_gb=20, ephemeral_gb=0, swap=0, rxtx_factor=1.0, vcpu_weight=0,
        disabled=False, is_public=True, extra_specs=extra_specs or {},
        projects=[])


def request(**fields):
    """Return a RequestSpec, by default of a create that asks for nothing.

    A new one each time: what it asks is found out once per request.
    """
    project = fields.get('project_id', PROJECT)
    context = nova_context.RequestContext(
        user_id=uuids.user, project_id=project, roles=['member', 'reader'])
    defaults = {
        'instance_uuid': SERVER, 'project_id': project,
        'user_id': uuids.user, 'availability_zone': None,
        'flavor': flavor(), 'image': objects.ImageMeta.from_dict({
            'id': uuids.image, 'properties': {}}),
        'is_bfv': False, 'scheduler_hints': {}, 'ignore_hosts': None,
        'force_hosts': None, 'force_nodes': None, 'instance_group': None,
        'requested_destination': None, 'num_instances': 1, 'limits': None,
        'numa_topology': None, 'retry': None, 'pci_requests':
        objects.InstancePCIRequests(requests=[]),
        'requested_networks': objects.NetworkRequestList(objects=[]),
        'requested_resources': []}
    spec_obj = objects.RequestSpec(context, **{**defaults, **fields})
    spec_obj.obj_reset_changes()
    return spec_obj


def move(databases):
    """Return the RequestSpec of a migration of the server in the cell."""
    return request(requested_destination=objects.Destination(
        cell=databases.cell, allow_cross_cell_move=False))


class Hosts:
    """HostState objects, in no order, like nova-scheduler has them."""

    def __init__(self):
        self._host_states = []

    def __len__(self):
        return len(self._host_states)

    def grow(self, count):
        """Add hosts until there are as many as wanted."""
        compute = _compute_node()
        for number in range(len(self._host_states), count):
            self._host_states.append(_host_state(number, compute))

    def labelled(self, aggregates):
        """Return a function that puts hosts into aggregates, ten into each.

        It returns these hosts. Like Nova each host has a list of its own; the
        aggregates in it are shared. The order is that of a set in
        nova-scheduler, and so is any; the seed makes two runs comparable.
        """
        lists = [(host_state, [aggregates[site_of(number)]])
                 for number, host_state in enumerate(self._host_states)
                 if site_of(number) < len(aggregates)]
        random.Random(0).shuffle(lists)

        def put():
            for host_state, found in lists:
                host_state.aggregates = found
            return [host_state for host_state, _found in lists]

        return put


def _compute_node():
    # One for all hosts: a HostState copies what it needs, and making an
    # object takes longer than that.
    return objects.ComputeNode(
        uuid=uuids.compute, hypervisor_type='QEMU',
        hypervisor_version=8002002, host_ip='192.0.2.1', cpu_info='{}',
        memory_mb=262144, vcpus=64, local_gb=10240, local_gb_used=0,
        free_disk_gb=10240, disk_available_least=10240, current_workload=0,
        metrics='[]',
        supported_hv_specs=[objects.HVSpec(
            arch='x86_64', hv_type='kvm', vm_mode='hvm')],
        numa_topology=None, pci_device_pools=None,
        updated_at=timeutils.utcnow(with_timezone=True),
        cpu_allocation_ratio=4.0, ram_allocation_ratio=1.0,
        disk_allocation_ratio=1.0)


def _host_state(number, compute):
    name = name_of_host(number)
    compute.host = compute.hypervisor_hostname = name
    compute.free_ram_mb = 262144 - 1024 * (number % 64)
    compute.vcpus_used = number % 64
    compute.stats = {'num_instances': str(number % 16), 'io_workload': '0',
                     'failed_builds': '0'}
    host_state = host_manager.HostState(name, name, uuids.cell)
    host_state.update(
        compute, {'disabled': False, 'disabled_reason': None, 'host': name,
                  'binary': 'nova-compute', 'topic': 'compute',
                  'forced_down': False, 'last_seen_up': compute.updated_at,
                  'created_at': compute.updated_at,
                  'updated_at': compute.updated_at}, [], {})
    host_state.uuid = getattr(uuids, name)
    return host_state
