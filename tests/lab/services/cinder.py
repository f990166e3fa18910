# SPDX-License-Identifier: Apache-2.0
"""Cinder: API and scheduler at the centre, cinder-volumes at each site."""

import shutil

from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service
from tests.lab.services import ceph
from tests.lab.services import etcd
from tests.lab.services import settings
from tests.lab.services import wsgi

DRIVER = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
FILTER = 'DCNSiteFilter'
WEIGHER = 'DCNSiteWeigher'
BACKEND = 'ceph'


def volume_host(site, number):
    """Return the host name of a cinder-volume."""
    return f'{site}-vol-{number}'


def volumes(lab, site):
    """Return how many cinder-volumes a site has: two form a cluster."""
    return 1 if site == layouts.CENTRAL else 2


def common(lab, glance_site):
    """Return the sections of every Cinder service."""
    client = settings.client(lab, 'cinder')
    home = lab.path('etc', 'cinder')
    return inifile.merge(
        settings.messaging(lab), settings.process(lab, 'cinder'),
        settings.database(lab, 'cinder'),
        settings.authtoken(lab, 'cinder'), {
            'DEFAULT': {
                'auth_strategy': 'keystone', 'my_ip': '127.0.0.1',
                'state_path': lab.path('state', 'cinder'),
                'api_paste_config': home / 'api-paste.ini',
                'resource_query_filters_file': home / 'resource_filters.json',
                'rootwrap_config':
                    lab.venv / 'etc' / 'cinder' / 'rootwrap.conf',
                'glance_api_servers': lab.url('glance', glance_site),
                'report_interval': 10, 'service_down_time': 60},
            'service_user': {'send_service_user_token': 'true', **client},
            'nova': {**client, 'interface': 'public'}})


def backend(lab, site, driver=DRIVER):
    """Return the section of a backend with the Ceph cluster of a site."""
    return {
        'volume_driver': driver, 'volume_backend_name': BACKEND,
        'rbd_ceph_conf': ceph.conf(lab, site),
        'rbd_cluster_name': ceph.cluster_name(lab, site),
        'rbd_pool': 'volumes', 'rbd_user': ceph.USER,
        'rbd_secret_uuid': lab.uuid(f'secret-{site}'),
        'rbd_flatten_volume_from_snapshot': 'false',
        'rbd_max_clone_depth': 5, 'rbd_store_chunk_size': 4,
        'rados_connect_timeout': 5, 'report_discard_supported': 'true',
        'image_volume_cache_enabled': 'false'}


class Controller:
    """Write cinder.conf of the central services, and make the database."""

    def __init__(self, lab):
        self.lab = lab
        self.conf = lab.path('etc', 'cinder', 'cinder.conf')

    def prepare(self):
        """Write cinder.conf and copy what the package brings."""
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        self.lab.path('state', 'cinder').mkdir(parents=True, exist_ok=True)
        for name in ('api-paste.ini', 'resource_filters.json'):
            shutil.copy(self.lab.venv / 'etc' / 'cinder' / name,
                        self.conf.parent / name)
        inifile.write(self.conf, common(self.lab, layouts.CENTRAL), {
            'DEFAULT': {
                'default_availability_zone': layouts.CENTRAL,
                'storage_availability_zone': layouts.CENTRAL,
                'allow_availability_zone_fallback': 'false',
                'default_volume_type': '__DEFAULT__',
                'scheduler_default_filters':
                    f'{FILTER},AvailabilityZoneFilter,CapacityFilter,'
                    'CapabilitiesFilter',
                'scheduler_default_weighers': f'CapacityWeigher,{WEIGHER}',
                'enable_force_upload': 'true'},
            'dcn': {'site_map_seconds': 2}})

    def install(self):
        """Make the database."""
        self.prepare()
        process.run(self.lab, ['cinder-manage', '--config-file', self.conf,
                               'db', 'sync'],
                    log=self.lab.path('log', 'cinder-db.log'))


class API(wsgi.API):
    """cinder-api."""

    module = 'cinder.wsgi.api:application'

    def __init__(self, lab):
        super().__init__(lab, 'cinder-api')

    def command(self):
        conf = Controller(self.lab).conf
        return super().command() + ['--pyargv', f'--config-file {conf}']


class Scheduler(service.Service):
    """cinder-scheduler."""

    def __init__(self, lab):
        super().__init__(lab, 'cinder-scheduler')

    def command(self):
        return [self.lab.program('cinder-scheduler'), '--config-file',
                Controller(self.lab).conf]


class Volume(service.Service):
    """A cinder-volume; those of an edge form one active/active cluster."""

    def __init__(self, lab, site, number=0):
        self.host = volume_host(site, number)
        super().__init__(lab, f'cinder-volume-{self.host}', site)
        self.conf = lab.path('etc', 'cinder', f'{self.host}.conf')
        #: Sections that override the usual ones; a test breaks things here.
        self.override = {}

    def prepare(self):
        lab, site = self.lab, self.site
        is_edge = site != layouts.CENTRAL
        inifile.write(self.conf, common(lab, site), {
            'DEFAULT': {
                'host': self.host, 'cluster': site if is_edge else None,
                'storage_availability_zone': site,
                'enabled_backends': BACKEND},
            'coordination': {'backend_url': etcd.coordination_url(lab, site)},
            'dcn': {'lock_wait_seconds': 120},
            # Cinder looks into a downloaded image with it.
            'cinder_sys_admin': {'helper_command': (
                f'{lab.program("privsep-helper")} --config-file '
                f'{self.conf}')},
            BACKEND: backend(lab, site)}, self.override)

    def command(self):
        return [self.lab.program('cinder-volume'), '--config-file', self.conf]

    def is_ready(self):
        return self.process.has_logged(
            'Driver post RPC initialization completed')
