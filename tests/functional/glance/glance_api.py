# SPDX-License-Identifier: Apache-2.0
"""Glance's functional test base, with a port and with our driver."""

import atexit
import logging
import os
import re
import shutil
import socketserver
import tempfile
import textwrap
import threading
import time
import wsgiref.simple_server

import fixtures
import glance
import glance.location
from oslo_config import cfg
from oslo_db import options as db_options
import oslo_messaging

from dcn_plugins.conf import imagecopy
from dcn_plugins.conf import placement
from dcn_plugins.glance import copy_hook
from tests.unit.glance import http_service

CONF = cfg.CONF
WAIT_SECONDS = 60

# Glance's tests open run_tests.log in the working directory when they are
# imported, and later copy files from glance/tests/etc below it.
_DIRECTORY = tempfile.mkdtemp(prefix='dcn_plugins-glance-')
atexit.register(shutil.rmtree, _DIRECTORY, ignore_errors=True)
os.symlink(os.path.dirname(glance.__file__),
           os.path.join(_DIRECTORY, 'glance'))
# The base expects that another test has registered [database].
db_options.set_defaults(CONF)
_before = os.getcwd()
os.chdir(_DIRECTORY)
try:
    from glance.tests import functional
finally:
    os.chdir(_before)


_set_data = glance.location.ImageProxy.set_data


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _Handler(wsgiref.simple_server.WSGIRequestHandler):

    def log_message(self, *args):
        pass


class GlanceTestCase(functional.SynchronousAPIBase):
    """A glance-api with file stores store1, store2 and store3.

    Requests that come over the port are given the identity of a service user,
    which keystonemiddleware does in a cloud.
    """

    service_roles = 'admin'
    # Of the token that a service sends beside that of a user.
    roles_beside = ''

    def setUp(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(_DIRECTORY)
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            name='dcn_plugins', format='%(levelname)s %(message)s',
            level=logging.DEBUG))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_hook._shared', None))
        self.addCleanup(self._stop_threads)
        self.asked = []

    def config(self, **options):
        # Glance 33.0.0 has real threads, and SQLite waits 5 s for the others.
        if 'connection' in options:
            options['connection'] += f'?timeout={WAIT_SECONDS}'
        super().config(**options)

    def start_glance(self, drivers=('dcn_copy',), **options):
        """Start Glance with the driver; ``options`` go to ``[dcn]``."""
        self.config_driver(*drivers)
        imagecopy.register_opts(CONF)
        server = wsgiref.simple_server.make_server(
            '127.0.0.1', 0, self._serve, _Server, _Handler)
        self.config(group='dcn', auth_type='none', copy_endpoint_override=(
            f'http://127.0.0.1:{server.server_port}'), **options)
        self.useFixture(http_service.Serving(server))
        self.addCleanup(self._stop_threads)
        self.start_server()

    def config_driver(self, *drivers):
        # Registers the options of oslo.messaging.
        oslo_messaging.get_notification_transport(CONF)
        self.config(group='oslo_messaging_notifications',
                    driver=list(drivers))

    def _serve(self, environ, start_response):
        if environ['REQUEST_METHOD'] == 'POST':
            self.asked.append(environ['PATH_INFO'])
        for name, value in self._headers(
                {'X-Roles': self.service_roles,
                 'X-Service-Roles': self.roles_beside}).items():
            environ['HTTP_' + name.upper().replace('-', '_')] = value
        environ['CONTENT_TYPE'] = 'application/json'
        return self.api(environ, start_response)

    def hold(self, store, failures=0):
        """Have writing to a store wait until the event returned is set.

        It fails so many times before it works.
        """
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        left = [failures]

        def set_data(proxy, data, size=None, backend=None, set_active=True):
            if backend == store:
                go_on.wait(WAIT_SECONDS)
                if left[0]:
                    left[0] -= 1
                    raise OSError('the store is broken')
            return _set_data(proxy, data, size=size, backend=backend,
                             set_active=set_active)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.location.ImageProxy.set_data', set_data))
        return go_on

    def worker(self):
        return copy_hook._shared.of_this_process().worker

    def reaper(self):
        return copy_hook._shared.of_this_process().reaper

    def _stop_threads(self):
        if copy_hook._shared is not None:
            self.assertTrue(self.worker().stop(WAIT_SECONDS))
            self.assertTrue(self.reaper().stop(WAIT_SECONDS))

    def create(self, **properties):
        """Create an image without data and return its id."""
        response = self.api_post('/v2/images', json=dict(
            name='image', container_format='bare', disk_format='raw',
            **properties))
        self.assertEqual(201, response.status_code, response.text)
        return response.json['id']

    def upload(self, **properties):
        """Create an image, upload its data and return its id."""
        image_id = self.create(**properties)
        response = self.api_put(
            f'/v2/images/{image_id}/file', data=b'IMAGEDATA',
            headers={'Content-Type': 'application/octet-stream'})
        self.assertEqual(204, response.status_code, response.text)
        return image_id

    def patch(self, image_id, operation, path, value):
        """Change an image; returns what it is then."""
        # Not api_patch, which takes other arguments in each release.
        response = self.api_request(
            'PATCH', f'/v2/images/{image_id}',
            headers={'Content-Type':
                     'application/openstack-images-v2.1-json-patch'},
            json=[{'op': operation, 'path': path, 'value': value}])
        self.assertEqual(200, response.status_code, response.text)
        return response.json

    def stores_of(self, image_id):
        image = self.api_get(f'/v2/images/{image_id}').json
        return set(image.get('stores', '').split(','))

    def wait_for(self, condition, what):
        """Wait until ``condition()`` is true, or fail with the log."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f'waited in vain for {what}; the log says:\n'
                          f'{self.log.output}')
            time.sleep(0.05)

    def wait_for_stores(self, image_id, *stores):
        self.wait_for(lambda: self.stores_of(image_id) == set(stores),
                      f'the image to be in {stores}')

    def wait_for_log(self, text):
        self.wait_for(lambda: text in self.log.output, f'"{text}"')

    def wait_until_idle(self):
        self.wait_for(lambda: not len(self.worker()._list),
                      'the worker to be idle')

    def wait_for_import(self, image_id):
        """Wait until no task of Glance has the image in hand.

        A task saves all properties as it has read them, so that a change
        that is made meanwhile is lost.
        """
        self.wait_for(lambda: 'os_glance_import_task' not in self.api_get(
            f'/v2/images/{image_id}').json, 'the end of the import task')


class FilteredTestCase(GlanceTestCase):
    """The same with the paste filter ``dcn_placement``."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.policy_file._shared', {}))
        placement.register_opts(CONF)

    def setup_simple_paste(self):
        super().setup_simple_paste()
        with open(self.paste_config) as file:
            text = file.read()
        # Other releases have other filters in between.
        text, count = re.subn(
            r'^(\s*pipeline = context cache cachemanage\b.*)(?=rootapp)',
            r'\1dcn_placement ', text,
            flags=re.MULTILINE)
        self.assertEqual(1, count, text)
        with open(self.paste_config, 'w') as file:
            file.write(textwrap.dedent(text) + '\n'
                       '[filter:dcn_placement]\n'
                       'use = egg:dcn_plugins#dcn_placement\n')
