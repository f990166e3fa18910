# SPDX-License-Identifier: Apache-2.0
"""The lab as one node of DevStack, which our plugin has configured.

What DevStack would have written before are the lab's own files without
anything of ours; it calls the plugin's phases then, and the services start
with what these have made of the files. One glance-api, and one cinder-volume
with a backend for each site, as on one node.

There is no way back: the lab is taken down afterwards.
"""

import shlex

from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service
from tests.lab.services import cinder
from tests.lab.services import etcd
from tests.lab.services import glance
from tests.lab.services import nova
from tests.lab import wan
from tests.unit.devstack import stacked

HOST = 'devstack'
STOCK_DRIVER = 'cinder.volume.drivers.rbd.RBDDriver'
# Of the lab's own configuration, what DevStack's own would not have.
_NOT_OURS = {name: None for name in (
    'copy_data_path', 'health_etcd_url', 'placement_policy_file',
    'placement_jobs_url')}


class Volume(service.Service):
    """The only cinder-volume, with a backend for each site."""

    def __init__(self, lab):
        super().__init__(lab, f'cinder-volume-{HOST}')
        self.conf = cinder.Controller(lab).conf

    def command(self):
        return [self.lab.program('cinder-volume'), '--config-file', self.conf]

    def expected(self):
        """Return ``{(binary, host)}`` as the service list should be."""
        return {('cinder-volume', f'{HOST}@{site}')
                for site in self.lab.sites}


class Stack:
    """What ``stack.sh`` does around our plugin."""

    def __init__(self, lab, cloud):
        self.lab = lab
        self.volume = Volume(lab)
        self.glance = cloud[f'glance-{layouts.CENTRAL}']
        #: Those that read what the plugin writes.
        self.services = [
            *(cloud[name] for name in ('nova-api', 'nova-scheduler',
                                       'cinder-api', 'cinder-scheduler')),
            self.glance, self.volume]
        #: Those that a single node does not have.
        self.others = [*cloud.of(cinder.Volume),
                       *(found for found in cloud.of(glance.Glance)
                         if found is not self.glance)]
        #: One node has no lines.
        self.lines = cloud.of(wan.Link)
        self.directory = lab.path('state', HOST)
        self.directory.mkdir(exist_ok=True)

    def up(self):
        """Configure and start all, as often as you like.

        :raises AssertionError: if a phase of the plugin ends with an error.
        :raises deadline.LabError: if a service does not start.
        """
        for link in self.lines:
            link.tell('delay 0')
        catalogue.remove_aggregates(self.lab)
        lab_case.stop(*self.services, *self.others)
        self._configure()
        self.call('install', 'post-config')
        # Its file is the plugin's now.
        self.glance.prepare = lambda: None
        lab_case.start(*self.services)
        catalogue.wait_services(self.lab, self.volume.expected())
        self._make_default_type()
        self.call('extra', 'test-config')

    def call(self, *phases):
        """Have the plugin called, with the lab's own openstack client."""
        lab = self.lab
        names = {
            'DCN_PLUGINS_DIR': stacked.ROOT,
            'DCN_SITES': ','.join(lab.sites),
            # The edges' glance-apis must not meet the jobs of this one.
            'DCN_COORDINATION_URL': etcd.coordination_url(
                lab, layouts.CENTRAL) + f'&namespace=/{HOST}',
            'KEYSTONE_SERVICE_URI': lab.url('keystone'),
            'ADMIN_PASSWORD': lab.secret('admin'),
            'CINDER_ENABLED_BACKENDS': ','.join(
                f'ceph:{site}' for site in lab.sites),
            'GLANCE_CONF_DIR': self.glance.conf.parent,
            'GLANCE_API_CONF': self.glance.conf,
            'GLANCE_API_PASTE_INI':
                self.glance.conf.parent / 'glance-api-paste.ini'}
        localrc = [f'{name}={shlex.quote(str(value))}'
                   for name, value in names.items()]
        program = shlex.quote(lab.program('openstack'))
        localrc.append(f'openstack() {{ {program} "$@"; }}')
        stacked.call(lab.path('etc'), *phases, LOCALRC='\n'.join(localrc),
                     RECORD=str(self.directory / 'record'),
                     ENABLED_SERVICES=stacked.SERVICES,
                     **process.environment(lab, catalogue.variables(lab)))

    def hosts_of(self, site):
        """Return the computes that the plugin has put into a site."""
        compute = catalogue.connect(self.lab).compute
        return next(found.hosts for found in compute.aggregates()
                    if found.name == f'dcn-{site}')

    def _configure(self):
        """Write what DevStack has written before it calls plugins."""
        lab = self.lab
        nova.Controller(lab).prepare({
            'filter_scheduler': {
                'available_filters': nova.ALL_FILTERS,
                'enabled_filters': nova.STOCK, 'weight_classes': None},
            'dcn': {'move_policy': None}})
        cinder.Controller(lab).prepare()
        first = lab.sites[0]
        inifile.write(
            cinder.Controller(lab).conf, cinder.common(lab, layouts.CENTRAL), {
                'DEFAULT': {'host': HOST, 'default_volume_type': first,
                            'enabled_backends': ','.join(lab.sites)},
                'coordination': {'backend_url': etcd.stock_url(
                    lab, layouts.CENTRAL)},
                **{site: {**cinder.backend(lab, site, STOCK_DRIVER),
                          'volume_backend_name': site}
                   for site in lab.sites}})
        self.glance.has_filter = False
        self.glance.notifications = 'noop'
        self.glance.override = {
            'DEFAULT': {'enabled_backends': ','.join(
                f'{site}:rbd' for site in lab.sites)},
            'image_import_opts': {
                'image_import_plugins': '[image_conversion]'},
            'dcn': _NOT_OURS}
        # Not the instance's, which is of a former "up".
        glance.Glance.prepare(self.glance)

    def _make_default_type(self):
        """Make the type that DevStack ties to its first backend."""
        storage = catalogue.connect(self.lab).block_storage
        name = self.lab.sites[0]
        if storage.find_type(name) is None:
            storage.create_type(name=name, extra_specs={
                'volume_backend_name': name})
