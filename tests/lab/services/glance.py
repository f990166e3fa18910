# SPDX-License-Identifier: Apache-2.0
"""A glance-api per site, with the stores of the DCN design.

The central one has all stores; an edge has its own, which is its default,
and the central one. All of them have one placement policy, and the etcd of
the central site for its jobs.
"""

import os
import re
import tempfile

from tests.lab import deadline
from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service
from tests.lab.services import ceph
from tests.lab.services import etcd
from tests.lab.services import settings
from tests.lab.services import wsgi

#: It wants nothing by itself and forbids nothing: an image is where somebody
#: has put it, and where its property dcn_sites asks for it.
POLICY = f"""\
version: 1
central: [{layouts.CENTRAL}, {layouts.ARCHIVE}]
default:
  stores: none
  may_ask: all
"""

# Behind "context", in front of the application.
_PIPELINE = re.compile(r'^(keystone = .* context)( .*)$', re.MULTILINE)
_HEALTH = re.compile(r'^(backends = disable_by_file)$', re.MULTILINE)


def stores(lab, site):
    """Return ``{store: (site of its cluster, pool)}``, the default first."""
    if site == layouts.CENTRAL:
        found = {name: (name, 'images') for name in lab.sites}
        found[layouts.ARCHIVE] = (layouts.CENTRAL, layouts.ARCHIVE)
        return found
    return {site: (site, 'images'),
            layouts.CENTRAL: (layouts.CENTRAL, 'images')}


def policy_file(lab):
    """Return the path of the placement policy of all glance-api."""
    return lab.path('etc', 'glance', 'placement.yaml')


def write_policy(lab, text):
    """Replace the placement policy; nobody ever reads half of it."""
    target = policy_file(lab)
    target.parent.mkdir(parents=True, exist_ok=True)
    number, scratch = tempfile.mkstemp(dir=target.parent)
    with open(number, 'w') as file:
        file.write(text)
    os.replace(scratch, target)


def paste(text):
    """Return glance-api-paste.ini with our filter and our health checks.

    :raises deadline.LabError: if there is no place for one of them.
    """
    found, count = _PIPELINE.subn(r'\1 dcn_placement\2', text)
    if count != 1:
        raise deadline.LabError('glance-api-paste.ini has no pipeline '
                                '"keystone" with "context" in it')
    found, count = _HEALTH.subn(r'\1,dcn_dlm,dcn_stores', found)
    if count != 1:
        raise deadline.LabError('glance-api-paste.ini has no healthcheck '
                                'with the backend "disable_by_file" alone')
    return (f'{found}\n[filter:dcn_placement]\n'
            'use = egg:dcn_plugins#dcn_placement\n')


class Glance(service.Service):
    """glance-api of one site.

    Standalone: under uWSGI's HTTP socket chunked uploads break.
    """

    def __init__(self, lab, site):
        super().__init__(lab, f'glance-{site}', site)
        self.conf = lab.path('etc', 'glance', site, 'glance-api.conf')
        #: Notification drivers; a test may take ours out.
        self.notifications = 'dcn_copy'
        #: Whether our paste filter is in the pipeline.
        self.has_filter = True
        #: Sections that override the usual ones.
        self.override = {}

    @property
    def listening_port(self):
        return self.lab.port('glance', self.site)

    def prepare(self):
        lab = self.lab
        state = lab.path('state', self.name)
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        pipelines = self.conf.parent / 'glance-api-paste.ini'
        text = (lab.venv / 'etc' / 'glance' / pipelines.name).read_text()
        pipelines.write_text(paste(text) if self.has_filter else text)
        # What a test has made of it outlives a restart.
        if not policy_file(lab).exists():
            write_policy(lab, POLICY)
        for sub in ('staging', 'tasks', 'locks'):
            (state / sub).mkdir(parents=True, exist_ok=True)
        backends = stores(lab, self.site)
        url = lab.url('glance', self.site)
        source = lab.port('image-source')
        inifile.write(
            self.conf, settings.messaging(lab, self.notifications),
            settings.process(lab, self.name),
            settings.database(lab, 'glance'),
            settings.authtoken(lab, 'glance'), {
                'DEFAULT': {
                    'bind_host': lab.address(self.site),
                    'bind_port': self.listening_port, 'workers': 0,
                    'enabled_backends': ','.join(
                        [f'{name}:rbd' for name in backends] + ['http:http']),
                    'enabled_import_methods':
                        '[glance-direct,web-download,copy-image]',
                    'show_image_direct_url': 'true',
                    'show_multiple_locations': 'true',
                    'worker_self_reference_url': url,
                    'node_staging_uri': f'file://{state}/staging'},
                'glance_store': {'default_backend': self.site},
                'os_glance_staging_store': {
                    'filesystem_store_datadir': state / 'staging'},
                'os_glance_tasks_store': {
                    'filesystem_store_datadir': state / 'tasks'},
                'paste_deploy': {'flavor': 'keystone',
                                 'config_file': pipelines},
                'image_import_opts': {
                    'image_import_plugins':
                        '[image_conversion,dcn_fan_out]'},
                'dcn': {
                    'copy_data_path': 'dcn',
                    'health_etcd_url': etcd.coordination_url(lab, self.site),
                    'placement_policy_file': policy_file(lab),
                    'placement_jobs_url': etcd.coordination_url(
                        lab, layouts.CENTRAL)},
                'image_conversion': {'output_format': 'raw'},
                'import_filtering_opts': {
                    'allowed_ports': f'[80,443,{source}]'},
                'taskflow_executor': {'max_workers': 2},
                'http': {},
                **{name: self._store(name, *where)
                   for name, where in backends.items()}}, self.override)

    def _store(self, name, site, pool):
        return {'store_description': f'{name}: RBD pool {pool} at {site}',
                'rbd_store_pool': pool, 'rbd_store_user': ceph.USER,
                'rbd_store_ceph_conf': ceph.conf(self.lab, site),
                'rbd_thin_provisioning': 'true',
                # Else a call waits for minutes when a cluster is away.
                'rados_connect_timeout': 5}

    def command(self):
        return [self.lab.program('glance-api'), '--config-file', self.conf]

    def is_ready(self):
        return super().is_ready() and wsgi.answers(
            self.lab.address(self.site), self.listening_port)

    def install(self):
        """Make the database."""
        self.prepare()
        manage = ['glance-manage', '--config-file', self.conf]
        process.run(self.lab, [*manage, 'db_sync'],
                    log=self.lab.path('log', 'glance-db.log'))
