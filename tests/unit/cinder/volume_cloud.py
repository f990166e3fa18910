# SPDX-License-Identifier: Apache-2.0
"""A cloud as cinder-scheduler sees it: backends, and what Nova says of sites.

The backend states are Cinder's own, made from what a driver reports.
"""

from cinder import context
from cinder import objects
from cinder.scheduler import base_filter
import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_utils import timeutils
import testtools

from dcn_plugins.cinder import site_filter
from dcn_plugins.cinder import site_maps
from dcn_plugins.cinder import volume_request
from dcn_plugins.conf import volume_sites
from dcn_plugins import sites

# Cinder's programs do it first, and its modules rely on it.
objects.register_all()

from cinder.scheduler import host_manager  # noqa: E402,H306

VOLUME = '8f0d6b1e-0000-4000-8000-000000000001'
IMAGE = '8f0d6b1e-0000-4000-8000-000000000002'


def pool(host, zone=None, site=None, cluster=None, **reported):
    """Return the one pool of a backend that reports no pools."""
    capabilities = dict({'volume_backend_name': 'RBD',
                         'total_capacity_gb': 100, 'free_capacity_gb': 60,
                         # Else only what is provisioned would count.
                         'thin_provisioning_support': False,
                         'timestamp': timeutils.utcnow()}, **reported)
    if site is not None:
        capabilities['dcn_site'] = site
    backend = host_manager.BackendState(f'{host}@rbd',
                                        cluster and f'{cluster}@rbd')
    backend.update_from_volume_capability(
        capabilities, {'availability_zone': zone})
    return backend.pools['RBD']


def aggregate(name, hosts=None, **metadata):
    """Return an aggregate of Nova that names a site."""
    found = {sites.SITE_KEY: name}
    found.update((f'dcn:{key}', value) for key, value in metadata.items())
    return name, found, [f'{name}-compute'] if hosts is None else hosts


def hosts(backend_states):
    """Return the names of backends without what is the same in all."""
    return [state.host.partition('@')[0] for state in backend_states]


class VolumeCloudTestCase(testtools.TestCase):
    """Three sites, one backend each, and a central backend in none."""

    aggregates = [aggregate('edge1'), aggregate('edge2'), aggregate('edge3')]

    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(cfg.CONF))
        self.conf.conf([], project='cinder', default_config_files=[])
        volume_sites.register_opts(self.conf.conf)
        self.log = self.useFixture(fixtures.FakeLogger(level=10))
        self.context = context.RequestContext(
            user_id='u', project_id='p', service_catalog=[])
        self.use(self.aggregates)
        self.pools = [pool('b1', 'z1', 'edge1'), pool('b2', 'z2', 'edge2'),
                      pool('b3', 'z3', 'edge3'), pool('b0', 'nova')]

    def use(self, aggregates):
        """Have Nova answer with these; None for no answer."""
        def read(_timeout_seconds):
            if aggregates is None:
                raise ConnectionError('Nova is away')
            return aggregates

        self.useFixture(fixtures.MockPatchObject(site_maps,
                                                 'read_aggregates', read))
        self.forget()

    def forget(self):
        volume_request.forget()
        self.addCleanup(volume_request.forget)

    def option(self, **values):
        self.conf.config(group='dcn', **values)
        self.forget()

    def properties(self, operation='create_volume', hints=None, specs=None,
                   volume=None, **spec):
        """Return filter properties as Cinder's FilterScheduler has them."""
        spec = dict({'volume_id': VOLUME, 'operation': operation,
                     'volume_properties': dict({'project_id': 'p', 'size': 1},
                                               **(volume or {}))}, **spec)
        found = {'context': self.context, 'request_spec': spec, 'size': 1,
                 'volume_type': {'name': 'gold', 'extra_specs': specs or {}}}
        if hints is not None:
            found['scheduler_hints'] = hints
        return found

    def filtered(self, properties=None, pools=None, **request):
        """Return the names of the backends that pass our filter."""
        handler = base_filter.BaseFilterHandler(
            site_filter.DCNSiteFilter, 'cinder.scheduler.filters')
        return hosts(handler.get_filtered_objects(
            [site_filter.DCNSiteFilter],
            self.pools if pools is None else pools,
            self.properties(**request) if properties is None else properties))

    def lines(self, level='DCNSiteFilter: '):
        return [line for line in self.log.output.splitlines()
                if line.startswith(level)]
