# SPDX-License-Identifier: Apache-2.0
"""What Cinder needs, and nothing else: a part of the lab, to be broken."""

import concurrent.futures
import re

import openstack

from tests.chaos import proxy
from tests.chaos import site as sites
from tests.chaos import storage
from tests.lab import catalogue
from tests.lab import deadline
from tests.lab.services import cinder
from tests.lab.services import keystone
from tests.lab.services import mariadb
from tests.lab.services import rabbitmq

TTL_SECONDS = 5
_PLENTY = 1000
_WAIT_SECONDS = 120
# There is neither Nova nor Glance to ask for a map of sites.
_SCHEDULING = {
    'scheduler_default_filters':
        'AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter',
    'scheduler_default_weighers': 'CapacityWeigher'}
# How a service says that a process of its own has crashed.
_CRASH = re.compile(rb'killed by signal (?:4|6|7|11)\b')


class Controller(cinder.Controller):
    """The configuration of the central services, without sites."""

    def prepare(self):
        super().prepare()
        text = self.conf.read_text()
        for option, value in _SCHEDULING.items():
            text = re.sub(f'^{option} = .*$', f'{option} = {value}', text,
                          flags=re.MULTILINE)
        self.conf.write_text(text)


class Host:
    """A cinder-volume, as a nemesis sees it.

    :param service: of the lab.
    :param flavour: of :mod:`tests.chaos.flavours`.
    """

    def __init__(self, service, proxies, flavour):
        self.name = service.host
        self.service = service
        service.override = {
            'DEFAULT': {'graceful_shutdown_timeout': 20,
                        'report_interval': 5, 'service_down_time': 20},
            'coordination': {'backend_url': storage.url(
                flavour, proxies, TTL_SECONDS)},
            'dcn': {'lock_wait_seconds': storage.LOCK_WAIT_SECONDS,
                    # Nobody is to be stuck for a minute.
                    'stuck_seconds': 20},
            cinder.BACKEND: {'rbd_max_clone_depth': 3}}
        service.stop_seconds = 30

    @property
    def is_running(self):
        return self.service.is_running

    @property
    def pid(self):
        """The process that has the driver: a child of the first one."""
        return self.service.pids()[-1]

    def pause(self):
        self.service.pause()

    def resume(self):
        self.service.resume()

    def kill(self):
        self.service.kill()

    def start(self):
        self.service.launch()

    def wait_ready(self):
        """Wait until its driver is set up; return whether it is."""
        try:
            self.service.wait_ready()
        except deadline.LabError:
            return False
        return True

    def crashes(self, offset):
        """Return how many of its processes have crashed.

        :param offset: in its log, from which on they count.
        """
        with self.service.process.log.open('rb') as log:
            log.seek(offset)
            return len(_CRASH.findall(log.read()))

    def log_size(self):
        """Return the length of its log."""
        path = self.service.process.log
        return path.stat().st_size if path.exists() else 0


class Services:
    """Keystone, MariaDB, RabbitMQ, cinder-api, -scheduler and two -volume.

    :param site: :class:`~tests.chaos.site.Site`, running.
    :param loop: :class:`~tests.chaos.proxy.Loop`.
    """

    def __init__(self, site, loop):
        self.lab = lab = site.lab
        self.mariadb = mariadb.MariaDB(lab)
        self.rabbitmq = rabbitmq.RabbitMQ(lab)
        self._keystone = keystone.Keystone(lab)
        self._api = cinder.API(lab)
        self._scheduler = cinder.Scheduler(lab)
        self.volumes = [cinder.Volume(lab, sites.NAME, number)
                        for number in range(cinder.volumes(lab, sites.NAME))]
        for volume in self.volumes:
            volume.environment = lambda: site.clocks.environment
        self.proxies = [proxy.before(loop, site) for _one in self.volumes]

    def start(self):
        """Start all but the cinder-volumes."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            broker = pool.submit(self.rabbitmq.start)
            self.mariadb.start()
            tables = pool.submit(Controller(self.lab).install)
            self._keystone.install()
            self._keystone.start()
            catalogue.register(self.lab)
            broker.result()
            tables.result()
        self._api.start()
        self._scheduler.start()
        self._allow_plenty()

    def hosts(self, flavour):
        """Return the cinder-volumes with the proxies of each."""
        return [(Host(service, proxies, flavour), proxies)
                for service, proxies in zip(self.volumes, self.proxies)]

    def connect(self):
        """Return a connection of the administrator's."""
        return catalogue.connect(self.lab)

    def wait_up(self):
        """Wait until cinder-scheduler knows both cinder-volumes."""
        storage_api = self.connect().block_storage
        wanted = {f'{one.host}@{cinder.BACKEND}' for one in self.volumes}
        deadline.wait('the cinder-volumes being up', lambda: wanted <= {
            row.host for row in storage_api.services() if row.state == 'up'},
            _WAIT_SECONDS, 0.5, (openstack.exceptions.SDKException,))

    def forget(self):
        """Remove all volumes and snapshots from the database."""
        self.mariadb.execute(''.join(
            f'update cinder.{table} set deleted = 1, status = "deleted" '
            'where not deleted;' for table in ('volumes', 'snapshots'))
            + 'delete from cinder.workers;')

    def _allow_plenty(self):
        connection = self.connect()
        answer = connection.block_storage.put(
            f'/os-quota-sets/{connection.current_project_id}',
            json={'quota_set': {name: _PLENTY for name in (
                'volumes', 'snapshots', 'gigabytes')}})
        openstack.exceptions.raise_from_response(answer)
