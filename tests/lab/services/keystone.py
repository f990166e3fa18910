# SPDX-License-Identifier: Apache-2.0
"""Keystone."""

import grp
import os
import pwd

from tests.lab import inifile
from tests.lab import process
from tests.lab.services import settings
from tests.lab.services import wsgi

ADMIN = 'admin'


class Keystone(wsgi.API):
    """The identity service of all sites."""

    module = 'keystone.wsgi.api:application'

    def __init__(self, lab):
        super().__init__(lab, 'keystone')
        self.conf = lab.path('etc', 'keystone', 'keystone.conf')

    def prepare(self):
        state = self.lab.path('state', 'keystone')
        fernet = {'key_repository': state / 'fernet-keys'}
        for sub in ('fernet-keys', 'credential-keys'):
            (state / sub).mkdir(parents=True, exist_ok=True, mode=0o700)
        inifile.write(
            self.conf, settings.database(self.lab, 'keystone'), {
                'token': {'provider': 'fernet', 'expiration': 86400},
                'fernet_tokens': fernet, 'fernet_receipts': fernet,
                # Each login of a test would compute for a quarter of a second.
                'identity': {'password_hash_rounds': 4},
                'credential': {'key_repository': state / 'credential-keys'},
                'cache': {'enabled': 'true',
                          'backend': 'dogpile.cache.memory'},
                'oslo_messaging_notifications': {'driver': 'noop'}})

    def environment(self):
        return {'OS_KEYSTONE_CONFIG_DIR': str(self.conf.parent),
                'OS_KEYSTONE_CONFIG_FILES': str(self.conf)}

    def install(self):
        """Make the database, the keys, the administrator and the endpoint."""
        self.prepare()
        who = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        owner = ['--keystone-user', who, '--keystone-group', group]
        url = self.lab.url('keystone') + '/v3'
        self._manage('db_sync')
        self._manage('fernet_setup', *owner)
        self._manage('credential_setup', *owner)
        self._manage(
            'bootstrap', '--bootstrap-admin-url', url,
            '--bootstrap-internal-url', url, '--bootstrap-public-url', url,
            '--bootstrap-region-id', settings.REGION,
            env={'OS_BOOTSTRAP_PASSWORD': self.lab.secret('admin')})

    def _manage(self, action, *arguments, env=None):
        process.run(
            self.lab, ['keystone-manage', '--config-file', self.conf, action,
                       *arguments], env=env,
            log=self.lab.path('log', f'keystone-{action}.log'))
