# SPDX-License-Identifier: Apache-2.0
"""Placement."""

from tests.lab import inifile
from tests.lab import process
from tests.lab.services import settings
from tests.lab.services import wsgi


class Placement(wsgi.API):
    """The inventory of all sites."""

    module = 'placement.wsgi.api:application'
    threads = 2

    def __init__(self, lab):
        super().__init__(lab, 'placement')
        self.conf = lab.path('etc', 'placement', 'placement.conf')

    def prepare(self):
        inifile.write(
            self.conf,
            settings.database(self.lab, 'placement', 'placement_database'),
            {'api': {'auth_strategy': 'keystone'}},
            settings.authtoken(self.lab, 'placement'))

    def environment(self):
        return {'OS_PLACEMENT_CONFIG_DIR': str(self.conf.parent)}

    def install(self):
        """Make the database."""
        self.prepare()
        process.run(
            self.lab, ['placement-manage', '--config-file', self.conf,
                       'db', 'sync'],
            log=self.lab.path('log', 'placement-db.log'))
