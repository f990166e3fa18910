# SPDX-License-Identifier: Apache-2.0
"""The whole lab: what it is made of, and the order in which it comes up."""

import concurrent.futures
import graphlib
import time

from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab.services import ceph
from tests.lab.services import cinder
from tests.lab.services import etcd
from tests.lab.services import glance
from tests.lab.services import image_source
from tests.lab.services import keystone
from tests.lab.services import libvirt
from tests.lab.services import mariadb
from tests.lab.services import neutron_stub
from tests.lab.services import nova
from tests.lab.services import placement
from tests.lab.services import rabbitmq
from tests.lab import wan

# More than cores, as a step mostly waits for its program.
_WORKERS = 10


class Cloud:
    """All services of one lab, by name."""

    def __init__(self, lab):
        self.lab = lab
        self.services = {}
        for made in (mariadb.MariaDB(lab), rabbitmq.RabbitMQ(lab),
                     keystone.Keystone(lab), placement.Placement(lab),
                     nova.API(lab), nova.Central(lab, 'nova-conductor'),
                     nova.Scheduler(lab), cinder.API(lab),
                     cinder.Scheduler(lab), neutron_stub.NeutronStub(lab),
                     image_source.ImageSource(lab)):
            self._add(made)
        for site in lab.sites:
            self._add_site(site)

    def _add(self, made):
        self.services[made.name] = made

    def _add_site(self, site):
        lab = self.lab
        if lab.wan and site in lab.edges:
            self._add(wan.Link(lab, site))
        for member in range(etcd.members(lab, site)):
            self._add(etcd.Etcd(lab, site, member))
        self._add(ceph.Cluster(lab, site))
        self._add(glance.Glance(lab, site))
        for number in range(cinder.volumes(lab, site)):
            self._add(cinder.Volume(lab, site, number))
        for number in range(nova.computes(lab, site)):
            if lab.has_real_guests:
                self._add(libvirt.Libvirt(
                    lab, site, nova.compute_host(site, number)))
            self._add(nova.Compute(lab, site, number))

    def __getitem__(self, name):
        """Return a service.

        :raises deadline.LabError: with the names there are.
        """
        try:
            return self.services[name]
        except KeyError:
            raise deadline.LabError(
                f'no service {name}; there are: '
                + ', '.join(sorted(self.services))) from None

    def of(self, kind):
        """Return all services of a class."""
        return [s for s in self.services.values() if isinstance(s, kind)]

    def hosts(self):
        """Return the host names of all computes."""
        return [compute.host for compute in self.of(nova.Compute)]

    def expected(self):
        """Return ``{(binary, host)}`` as the service lists should be."""
        rows = {('nova-compute', host) for host in self.hosts()}
        return rows | {('cinder-volume', f'{v.host}@{cinder.BACKEND}')
                       for v in self.of(cinder.Volume)}

    def steps(self):
        """Return ``{step: (function, steps before it)}``."""
        services = self.services
        databases = {
            'database of keystone': services['keystone'].install,
            'database of placement': services['placement'].install,
            'database of nova': nova.Controller(self.lab).install,
            'database of glance': services[
                f'glance-{layouts.CENTRAL}'].install,
            'database of cinder': cinder.Controller(self.lab).install}
        steps = {name: (function, ('mariadb',))
                 for name, function in databases.items()}
        steps['users and endpoints'] = (
            lambda: catalogue.register(self.lab), ('keystone',))
        for name, service in services.items():
            if not isinstance(service, wan.Link):
                steps[name] = (service.start, self._before(service))
        clusters = tuple(s.name for s in self.of(etcd.Etcd))
        steps['etcd clusters'] = (self._wait_etcd, clusters)
        steps['all services up'] = (self._wait_up, tuple(services.keys()
                                    & steps.keys()))
        steps['providers in placement'] = (
            lambda: catalogue.wait_providers(self.lab, self.hosts()),
            ('all services up',))
        steps['hosts in cells'] = (
            lambda: nova.Controller(self.lab).manage(
                'cell_v2', 'discover_hosts'), ('all services up',))
        steps['sites'] = (lambda: catalogue.make_sites(self.lab),
                          ('providers in placement', 'hosts in cells'))
        return steps

    def _wait_up(self):
        catalogue.wait_services(self.lab, self.expected())

    def _wait_etcd(self):
        for member in self.of(etcd.Etcd):
            member.wait_ready()

    def grow(self, report):
        """Start the services of one more edge; return its name.

        For Nova and Cinder it is no site yet: that takes ``openstack dcn site
        onboard``. After a failure what runs goes on; ``down`` ends it.

        :param report: called with (seconds, step) as each step is done.
        :raises deadline.LabError: of the first step that fails.
        """
        site = self.lab.add_edge()
        if self.lab.wan:
            wan.add(self.lab, site)
        self._add_site(site)
        # What is central runs; it is told of the new store.
        central = self[f'glance-{layouts.CENTRAL}']
        steps = {name: (service.start, self._before(service))
                 for name, service in self.services.items()
                 if service.site == site}
        steps['etcd clusters'] = (self._wait_etcd, tuple(
            name for name in steps if isinstance(self[name], etcd.Etcd)))
        steps[central.name] = (central.restart, (f'ceph-{site}',))
        steps['all services up'] = (self._wait_up, tuple(steps))
        self._run({name: (function, [one for one in before if one in steps])
                   for name, (function, before) in steps.items()}, report)
        return site

    def _before(self, service):
        """Return the steps without which a service would end or misbehave."""
        site = service.site
        # nova-conductor and nova-scheduler end on a 401 or without Keystone;
        # a compute with RBD has no inventory if Ceph comes later.
        control = ('users and endpoints', 'rabbitmq')
        before = {
            'keystone': ('database of keystone',),
            'placement': ('database of placement', 'keystone'),
            'nova-api': ('database of nova', 'keystone'),
            'nova-conductor': ('database of nova', 'placement', *control),
            'nova-scheduler': ('database of nova', 'placement', *control),
            'cinder-api': ('database of cinder', 'keystone', 'rabbitmq'),
            'cinder-scheduler': ('database of cinder', *control),
        }.get(service.name)
        if before is not None:
            return before
        if isinstance(service, glance.Glance):
            return ('database of glance', f'etcd-{layouts.CENTRAL}-0',
                    *control, *sorted(
                        {f'ceph-{where}' for where, _pool in glance.stores(
                            self.lab, site).values()}))
        if isinstance(service, cinder.Volume):
            return ('database of cinder', 'etcd clusters', f'ceph-{site}',
                    *control)
        if isinstance(service, nova.Compute):
            real = (f'ceph-{site}', f'libvirtd-{service.host}')
            return ('nova-conductor', *control,
                    *(real if self.lab.has_real_guests else ()))
        if isinstance(service, libvirt.Libvirt):
            return (f'ceph-{site}',)
        return ()

    def up(self, report):
        """Bring everything up.

        :param report: called with (seconds, step) as each step is done.
        :raises deadline.LabError: of the first step that fails.
        """
        started = time.monotonic()
        if self.lab.wan:
            wan.up(self.lab)
            wan.enter(self.lab)
            report(time.monotonic() - started, 'network of the sites')
        self._run(
            self.steps(),
            lambda _seconds, step: report(time.monotonic() - started, step),
            lambda: process.sweep(self.lab.directory))

    def _run(self, steps, report, give_up=lambda: None):
        """Take steps, side by side where they can be.

        :param steps: ``{step: (function, steps before it)}``.
        :param give_up: called after a failure, for what is under way to end.
        """
        started = time.monotonic()
        order = graphlib.TopologicalSorter(
            {name: before for name, (_function, before) in steps.items()})
        order.prepare()
        running = {}
        pool = concurrent.futures.ThreadPoolExecutor(_WORKERS)
        try:
            while order.is_active():
                for name in order.get_ready():
                    running[pool.submit(steps[name][0])] = name
                done, _rest = concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    order.done(name)
                    report(time.monotonic() - started, name)
        except BaseException:
            # No step may start a program after the lab was taken down.
            deadline.closing.set()
            give_up()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            deadline.closing.clear()
