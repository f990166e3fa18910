# SPDX-License-Identifier: Apache-2.0
"""A glance-api without Keystone, whose stores are the clusters of a rig."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request

import fixtures

from tests.functional.imagecopy import rig as rigs
from tests.lab import deadline

WAIT_SECONDS = 300

CONF = '''
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {port}
workers = 0
enabled_backends = {stores}
enabled_import_methods = [copy-image]
node_staging_uri = file://{home}/staging
[database]
connection = sqlite:///{home}/glance.db?timeout=60
[glance_store]
default_backend = {default}
[os_glance_staging_store]
filesystem_store_datadir = {home}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {home}/tasks
[oslo_concurrency]
lock_path = {home}
[paste_deploy]
config_file = {paste}
[dcn]
copy_data_path = dcn
auth_type = none
copy_endpoint_override = http://127.0.0.1:{port}
'''
STORE = '''
[{name}]
rbd_store_pool = {pool}
rbd_store_user = admin
rbd_store_ceph_conf = {conf}
rados_connect_timeout = 10
'''


def administrators(_conf, **_options):
    """Return a paste filter by which all requests come from Keystone."""
    identity = {'HTTP_X_IDENTITY_STATUS': 'Confirmed',
                'HTTP_X_ROLES': 'admin', 'HTTP_X_USER_ID': 'user',
                'HTTP_X_PROJECT_ID': 'project'}

    def wrapped(app):
        return lambda environ, start_response: app(
            {**environ, **identity}, start_response)

    return wrapped


class GlanceServer(fixtures.Fixture):
    """One glance-api with a store for each site of a rig, and its database.

    Whoever asks is an administrator, see :func:`administrators`.

    :param pool: of each store.

    :ivar conf: path of glance-api.conf.
    """

    def __init__(self, rig, pool):
        super().__init__()
        self._rig = rig
        self._pool = pool

    def _setUp(self):
        self.home = self.useFixture(fixtures.TempDir()).path
        self.conf = f'{self.home}/glance-api.conf'
        self.database = f'{self.home}/glance.db'
        with socket.socket() as found:
            found.bind(('127.0.0.1', 0))
            self._port = found.getsockname()[1]
        for name in ('staging', 'tasks'):
            os.mkdir(f'{self.home}/{name}')
        self.configure()
        self._write_paste()
        self._run('glance-manage', 'db_sync')
        with open(f'{self.home}/log', 'w') as log:
            self._process = subprocess.Popen(
                [self._program('glance-api'), '--config-file', self.conf],
                stdout=log, stderr=log,
                env={**os.environ, 'PYTHONPATH': os.getcwd()})
        self.addCleanup(self._stop)
        deadline.wait('glance-api', self._is_ready, WAIT_SECONDS)

    def configure(self, confs=None):
        """Write glance-api.conf, for whoever reads it from now on.

        :param confs: other paths of ceph.conf, by store.
        """
        stores = {site: self._rig.conf(site)
                  for site in (rigs.SOURCE, rigs.TARGET)}
        with open(self.conf, 'w') as file:
            file.write(CONF.format(
                port=self._port, home=self.home, default=rigs.SOURCE,
                stores=','.join(f'{name}:rbd' for name in stores),
                paste=f'{self.home}/paste.ini'))
            for name, conf in {**stores, **(confs or {})}.items():
                file.write(STORE.format(name=name, pool=self._pool, conf=conf))

    def _write_paste(self):
        with open(os.path.join(sys.prefix, 'etc', 'glance',
                               'glance-api-paste.ini')) as file:
            paste = file.read()
        with open(f'{self.home}/paste.ini', 'w') as file:
            file.write(paste.replace('unauthenticated-context',
                                     'administrators context')
                       + '\n[filter:administrators]\npaste.filter_factory = '
                       f'{__name__}:administrators\n')

    @staticmethod
    def _program(name):
        return shutil.which(name, path=os.path.dirname(sys.executable))

    def _run(self, name, *arguments):
        subprocess.run(
            [self._program(name), '--config-file', self.conf, *arguments],
            check=True, capture_output=True, timeout=WAIT_SECONDS)

    def _stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def log(self):
        """Return the last lines of the log."""
        with open(f'{self.home}/log') as log:
            return log.read()[-3000:]

    def _is_ready(self):
        if self._process.poll() is not None:
            raise deadline.LabError(f'glance-api: {self.log()}')
        try:
            return self.ask('GET', '/v2/images')
        except urllib.error.URLError:
            return None

    def ask(self, method, path, data=None, **headers):
        """Make a request and return its answer, if it is in JSON."""
        if isinstance(data, dict):
            data = json.dumps(data).encode()
            headers['Content-Type'] = 'application/json'
        request = urllib.request.Request(
            f'http://127.0.0.1:{self._port}{path}', data,
            {name.replace('_', '-'): value
             for name, value in headers.items()}, method=method)
        try:
            with urllib.request.urlopen(request,
                                        timeout=WAIT_SECONDS) as answer:
                found = answer.read()
        except urllib.error.HTTPError as exc:
            raise AssertionError(f'{exc}: {self.log()}') from exc
        return json.loads(found) if found else {}

    def upload(self, image_id, data):
        """Make an image of a given id in the source's store."""
        self.ask('POST', '/v2/images', {
            'id': image_id, 'name': 'image', 'disk_format': 'raw',
            'container_format': 'bare'})
        self.ask('PUT', f'/v2/images/{image_id}/file', data,
                 Content_Type='application/octet-stream',
                 X_Image_Meta_Store=rigs.SOURCE)

    def copy(self, image_ids):
        """Have images copied to the target's store."""
        for image_id in image_ids:
            self.ask('POST', f'/v2/images/{image_id}/import', {
                'method': {'name': 'copy-image'}, 'stores': [rigs.TARGET]})
        for image_id in image_ids:
            deadline.wait(
                f'the copy of image {image_id}', lambda: (
                    rigs.TARGET in self.stores(image_id)
                    and 'os_glance_import_task' not in self.image(image_id)),
                WAIT_SECONDS)

    def image(self, image_id):
        return self.ask('GET', f'/v2/images/{image_id}')

    def stores(self, image_id):
        return self.image(image_id)['stores'].split(',')

    def change(self, statement, *values):
        """Change the database behind Glance's back."""
        connection = sqlite3.connect(self.database, timeout=WAIT_SECONDS)
        try:
            with connection:
                return connection.execute(statement, values).rowcount
        finally:
            connection.close()
