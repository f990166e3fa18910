# SPDX-License-Identifier: Apache-2.0
"""Nova: API, conductor, scheduler, and computes at each site."""

from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service
from tests.lab.services import ceph
from tests.lab.services import settings
from tests.lab.services import wsgi

FILTER = 'DCNSiteFilter'
LAST_FILTER = 'DCNOneSiteFilter'
WEIGHER = 'DCNSiteWeigher'
ALL_FILTERS = 'nova.scheduler.filters.all_filters'
ALL_WEIGHERS = 'nova.scheduler.weights.all_weighers'
STOCK = ('ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,'
         'ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter')


def computes(lab, site):
    """Return how many computes a site has: two at the first edge."""
    return 2 if site == lab.edges[0] else 1


def compute_host(site, number):
    """Return the host name of a compute."""
    return f'{site}-compute-{number}'


def common(lab, glance_site):
    """Return the sections of every Nova service."""
    client = settings.client(lab, 'nova')
    glance = {k: v for k, v in client.items() if k != 'region_name'}
    return inifile.merge(
        settings.messaging(lab), settings.process(lab, 'nova'),
        settings.authtoken(lab, 'nova'), {
            'DEFAULT': {'my_ip': '127.0.0.1', 'use_stderr': 'true',
                        'vif_plugging_is_fatal': 'false',
                        'vif_plugging_timeout': 0},
            'api': {'auth_strategy': 'keystone'},
            'service_user': {'send_service_user_token': 'true', **client},
            'placement': client,
            'cinder': {**client, 'catalog_info': 'block-storage::publicURL',
                       'os_region_name': settings.REGION,
                       'cross_az_attach': 'false'},
            'neutron': {**client, 'http_retries': 0,
                        'endpoint_override': lab.url('neutron-stub')},
            'glance': {**glance, 'endpoint_override':
                       lab.url('glance', glance_site)},
            'conductor': {'workers': 1}, 'scheduler': {'workers': 1}})


class Controller:
    """Write nova.conf of the central services, and make the databases."""

    def __init__(self, lab):
        self.lab = lab
        self.conf = lab.path('etc', 'nova', 'nova.conf')

    def prepare(self, scheduler=None):
        """Write nova.conf; ``scheduler`` overrides its sections."""
        lab = self.lab
        inifile.write(
            self.conf, common(lab, layouts.CENTRAL),
            settings.database(lab, 'nova_api', 'api_database'),
            settings.database(lab, 'nova'), {
                'scheduler': {'discover_hosts_in_cells_interval': 10},
                'filter_scheduler': {
                    'available_filters': [
                        ALL_FILTERS, f'dcn_plugins.nova.site_filter.{FILTER}',
                        f'dcn_plugins.nova.one_site_filter.{LAST_FILTER}'],
                    'enabled_filters': f'{FILTER},{STOCK},{LAST_FILTER}',
                    'weight_classes':
                        f'{ALL_WEIGHERS},'
                        f'dcn_plugins.nova.site_weigher.{WEIGHER}'},
                'dcn': {'move_policy': 'strict'}}, scheduler or {})

    def install(self):
        """Make the databases and the cells."""
        self.prepare()
        self.manage('api_db', 'sync')
        # Its database is the main one's name with "_cell0"; the option that
        # says so would show the password to everybody.
        self.manage('cell_v2', 'map_cell0')
        self.manage('cell_v2', 'create_cell', '--name=cell1')
        self.manage('db', 'sync')

    def manage(self, *arguments):
        """Run ``nova-manage``."""
        log = self.lab.path('log', f'nova-{"-".join(arguments[:2])}.log')
        return process.run(self.lab, ['nova-manage', '--config-file',
                                      self.conf, *arguments], log=log)


class API(wsgi.API):
    """nova-api."""

    module = 'nova.wsgi.osapi_compute:application'

    def __init__(self, lab):
        super().__init__(lab, 'nova-api')

    def environment(self):
        paste = self.lab.venv / 'etc' / 'nova' / 'api-paste.ini'
        conf = self.lab.path('etc', 'nova')
        return {'OS_NOVA_CONFIG_DIR': str(conf),
                'OS_NOVA_CONFIG_FILES': f'{paste};nova.conf'}


class Central(service.Service):
    """nova-conductor."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.conf = Controller(lab).conf

    def command(self):
        return [self.lab.program(self.name), '--config-file', self.conf]


class Scheduler(Central):
    """nova-scheduler, with our filter or, to compare, without it."""

    def __init__(self, lab):
        super().__init__(lab, 'nova-scheduler')

    def is_ready(self):
        return self.process.has_logged('Starting scheduler node')

    def reconfigure(self, with_filter=True, options=None):
        """Restart with the stock filters only, or with other options."""
        self.stop()
        override = dict(options or {})
        if not with_filter:
            override['filter_scheduler'] = {
                **override.get('filter_scheduler', {}),
                'available_filters': ALL_FILTERS, 'enabled_filters': STOCK,
                'weight_classes': ALL_WEIGHERS}
        Controller(self.lab).prepare(override)
        self.start()


class Compute(service.Service):
    """A nova-compute with Nova's fake driver or with libvirt."""

    def __init__(self, lab, site, number=0):
        self.host = compute_host(site, number)
        super().__init__(lab, f'nova-compute-{self.host}', site)
        self.conf = lab.path('etc', 'nova', f'{self.host}.conf')

    def prepare(self):
        lab = self.lab
        state = lab.path('state', 'nova', self.host)
        state.mkdir(parents=True, exist_ok=True)
        # Computes have no database.
        inifile.write(
            self.conf, common(lab, self.site), {
                'DEFAULT': {
                    'host': self.host, 'state_path': state,
                    # A node's identity outlives the process with this one.
                    'compute_driver': 'fake.FakeDriverWithoutFakeNodes',
                    'heal_instance_info_cache_interval': -1,
                    # The guest does not listen to the power button.
                    'shutdown_timeout': 2,
                    'report_interval': 10,
                    'resume_guests_state_on_host_boot': 'true'},
                'compute': {'resource_provider_association_refresh': 300}},
            self._libvirt() if lab.has_real_guests else {})

    def _libvirt(self):
        from tests.lab.services import libvirt
        lab = self.lab
        # Shared by the computes of a site, as with a shared file system:
        # Nova then moves no files when a server is migrated.
        instances = lab.path('state', 'nova', f'instances-{self.site}')
        instances.mkdir(parents=True, exist_ok=True)
        helper = f'{lab.program("privsep-helper")} --config-file {self.conf}'
        return {
            'DEFAULT': {
                'compute_driver': 'libvirt.LibvirtDriver',
                'reserved_host_memory_mb': 0, 'flat_injected': 'false',
                'force_config_drive': 'false', 'instances_path': instances,
                'sync_power_state_interval': 60,
                # Each time it asks Ceph for its room, by a command.
                'update_resources_interval': 300},
            'libvirt': {
                'virt_type': 'qemu', 'cpu_mode': 'none',
                'connection_uri': libvirt.uri(lab, self.host),
                # Nova puts the address in.
                'live_migration_uri': libvirt.uri(lab, '%s'),
                'live_migration_inbound_addr': libvirt.address(
                    lab, self.site, self.host),
                'images_type': 'rbd', 'images_rbd_pool': 'vms',
                'images_rbd_ceph_conf': ceph.conf(lab, self.site),
                'images_rbd_glance_store_name': self.site,
                'rbd_user': ceph.USER,
                'rbd_secret_uuid': lab.uuid(f'secret-{self.site}'),
                'disk_cachemodes': 'network=writeback',
                'num_pcie_ports': 0, 'inject_partition': -2,
                'hw_machine_type': 'x86_64=pc', 'rbd_connect_timeout': 5},
            'vnc': {'enabled': 'false'}, 'spice': {'enabled': 'false'},
            'serial_console': {'enabled': 'false'},
            # Without it the daemon is looked for on the PATH, even for root.
            **{section: {'helper_command': helper} for section in (
                'privsep_osbrick', 'nova_sys_admin',
                'vif_plug_linux_bridge_privileged',
                'vif_plug_ovs_privileged')}}

    def command(self):
        return [self.lab.program('nova-compute'), '--config-file', self.conf]
