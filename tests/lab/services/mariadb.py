# SPDX-License-Identifier: Apache-2.0
"""MariaDB with a private data directory.

SQLite is not good enough: cinder-volumes that start together die of
"database is locked".
"""

from tests.lab import process
from tests.lab import service

USER = 'lab'
DATABASES = ('keystone', 'placement', 'nova_api', 'nova', 'nova_cell0',
             'glance', 'cinder')


def url(lab, database):
    """Return the SQLAlchemy URL of a database."""
    return (f'mysql+pymysql://{USER}:{lab.secret("database")}@{lab.address()}:'
            f'{lab.port("mariadb")}/{database}?charset=utf8mb4')


class MariaDB(service.Service):
    """One server for all databases, at the central site."""

    def __init__(self, lab):
        super().__init__(lab, 'mariadb')
        self.home = lab.path('state', 'mariadb')

    @property
    def listening_port(self):
        return self.lab.port('mariadb')

    def prepare(self):
        data = self.home / 'data'
        if (data / 'installed').exists():
            return
        self.home.mkdir(parents=True, exist_ok=True)
        process.run(self.lab, [
            'mariadb-install-db', '--no-defaults', '--user=root',
            '--auth-root-authentication-method=socket', '--skip-test-db',
            '--auth-root-socket-user=root',
            f'--datadir={data}'], log=self.lab.path('log', 'mariadb-init.log'))
        (data / 'installed').touch()

    def command(self):
        return ['mariadbd', '--no-defaults', '--user=root',
                f'--datadir={self.home}/data', f'--socket={self.home}/sock',
                f'--pid-file={self.home}/pid',
                f'--bind-address={self.lab.address()}',
                f'--port={self.listening_port}', '--max-connections=2000',
                '--innodb-buffer-pool-size=128M', '--skip-name-resolve',
                '--innodb-flush-log-at-trx-commit=2',
                '--innodb-log-file-size=48M', '--performance-schema=off']

    def start(self):
        """Start the server; make the user and the databases."""
        super().start()
        self.execute(
            f"create user if not exists {USER}@'%' identified by "
            f"'{self.lab.secret('database')}';"
            f"grant all on *.* to {USER}@'%';" + ''.join(
                f'create database if not exists {name} character set utf8mb4;'
                for name in DATABASES))

    def execute(self, statements):
        """Run SQL as root over the unix socket and return its rows as text."""
        return process.run(
            self.lab, ['mariadb', '--no-defaults', '-N', '-uroot',
                       f'--socket={self.home}/sock'], text_in=statements)
