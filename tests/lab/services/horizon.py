# SPDX-License-Identifier: Apache-2.0
"""Horizon with our panel: for the tests that start it, no part of each lab.

It runs in the environment of whoever starts it, which has to have Horizon.
"""

import importlib.util
import json
import os
import pathlib
import shutil

from tests.lab import deadline
from tests.lab import process
from tests.lab.services import wsgi

#: What Horizon is told about the panel; linked as an operator links it.
ENABLED = '_2135_admin_dcn_sites_panel.py'

_SETTINGS = """# Written by the lab.
ALLOWED_HOSTS = ['*']
SECRET_KEY = {secret!r}
OPENSTACK_KEYSTONE_URL = {keystone!r}
SESSION_ENGINE = 'django.contrib.sessions.backends.cache'
# Of 300 entries sessions would soon be dropped for compressed files.
CACHES = {{'default': {{
    'BACKEND': 'django.core.cache.backends.filebased.FileBasedCache',
    'LOCATION': {cache!r}, 'OPTIONS': {{'MAX_ENTRIES': 100000}}}}}}
STATIC_ROOT = {static!r}
COMPRESS_OFFLINE = False
# Else a server boots from a new volume unless somebody says no.
LAUNCH_INSTANCE_DEFAULTS = {{'create_volume': False}}
LOGGING = {{
    'version': 1, 'disable_existing_loggers': False,
    'handlers': {{'console': {{'class': 'logging.StreamHandler'}}}},
    'root': {{'handlers': ['console'], 'level': 'WARNING'}}}}
DCN_CONFIG_FILE = {config!r}
"""


class Horizon(wsgi.API):
    """The dashboard of all sites.

    :param settings: what our panel has in the file of ``DCN_CONFIG_FILE``.
    :param more: further settings of Django, by their names.
    """

    module = 'openstack_dashboard.wsgi:application'

    def __init__(self, lab, settings=None, **more):
        super().__init__(lab, 'horizon')
        self.settings = settings or {}
        self.more = more
        self.root = lab.path('state', 'horizon')

    def prepare(self):
        self._link_dashboard()
        config = self.root / 'dcn.yaml'
        config.touch(mode=0o600)
        config.write_text(json.dumps(self.settings))
        local = self.root / 'openstack_dashboard' / 'local'
        text = _SETTINGS.format(
            secret=self.lab.secret('horizon'), config=str(config),
            keystone=self.lab.url('keystone') + '/v3',
            static=str(self.root / 'static'),
            cache=str(self.root / 'cache'))
        (local / 'local_settings.py').write_text(text + ''.join(
            f'{name} = {value!r}\n' for name, value in self.more.items()))
        (local / 'enabled' / ENABLED).symlink_to(
            self.lab.plugins / 'dcn_plugins' / 'horizon' / 'enabled' / ENABLED)
        process.run(
            self.lab, [self.lab.program('python'), '-m', 'django',
                       'collectstatic', '--noinput', '--verbosity', '0'],
            env={**self.environment(),
                 'DJANGO_SETTINGS_MODULE': 'openstack_dashboard.settings'},
            log=self.lab.path('log', 'horizon-static.log'))

    def _link_dashboard(self):
        """Make links to Horizon, in which local files can be others.

        :raises deadline.LabError: if there is no Horizon.
        """
        found = importlib.util.find_spec('openstack_dashboard')
        if found is None:
            raise deadline.LabError(
                f'there is no Horizon in {self.lab.venv}: use the '
                'environment of "tox -e horizon"')
        made = self.root / 'openstack_dashboard'
        if made.exists():
            shutil.rmtree(made)
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(pathlib.Path(found.origin).parent, made,
                        copy_function=os.symlink,
                        ignore=shutil.ignore_patterns('__pycache__'))

    def environment(self):
        return {'PYTHONPATH': f'{self.root}:{self.lab.plugins}'}

    def command(self):
        return [*super().command(), '--static-map',
                f'/static={self.root / "static"}']
