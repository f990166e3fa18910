# SPDX-License-Identifier: Apache-2.0
"""The servers of one request, and every second try, in one site."""

import fixtures
from nova.scheduler import manager as scheduler_manager
from nova import test
from nova.virt import fake

from tests.functional.nova import cloud

# Nova's own: of hosts that are alike they take the emptiest, so that servers
# spread over all.
STOCK_WEIGHERS = ['nova.scheduler.weights.all_weighers']

FIRST, SECOND = cloud.TWO_SITES


class OneSiteTestCase(cloud.SiteFilterTestCase):

    # The best two are of different sites.
    weights = {'h21': 100, 'h11': 90, 'h22': 80, 'h12': 70}

    def sites_of(self, hosts):
        return sorted({site for site, members in cloud.TWO_SITES.items()
                       for host in hosts if host in members})

    def create_spread(self, count, hosts_of_all=4, **options):
        """Create servers with one request; return the sites of their hosts.

        :param hosts_of_all: the number of hosts that they come to.
        """
        servers = self.create_several(count, **options)
        self.assertEqual(['ACTIVE'] * count,
                         [server['status'] for server in servers])
        hosts = {server['OS-EXT-SRV-ATTR:host'] for server in servers}
        self.assertEqual(hosts_of_all, len(hosts))
        return self.sites_of(hosts)

    def record_selections(self):
        """Return a list that will hold the hosts of each selection."""
        found = []
        select = scheduler_manager.SchedulerManager.select_destinations

        def record(manager, *args, **kwargs):
            selected = select(manager, *args, **kwargs)
            found.extend([host.service_host for host in hosts]
                         for hosts in selected)
            return selected

        self.useFixture(fixtures.MonkeyPatch(
            'nova.scheduler.manager.SchedulerManager.select_destinations',
            record))
        return found

    def fail_first_build(self):
        """Let the first build of a server fail; return where builds were."""
        hosts = []
        spawn = fake.FakeDriver.spawn

        def fail_once(driver, context, instance, *args, **kwargs):
            hosts.append(instance.host)
            if len(hosts) == 1:
                raise test.TestingException('the first build fails')
            return spawn(driver, context, instance, *args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.fake.FakeDriver.spawn', fail_once))
        return hosts


class StockTest(OneSiteTestCase):

    def test_g08_servers_of_one_request(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False,
                         weighers=STOCK_WEIGHERS)
        self.assertEqual([FIRST, SECOND], self.create_spread(4))

    def test_g09_second_try(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        selections = self.record_selections()
        builds = self.fail_first_build()
        self.assertEqual('ACTIVE', self.create()['status'])
        self.assertEqual([['h21', 'h11', 'h22']], selections)
        self.assertEqual(['h21', 'h11'], builds)


class OneSiteTest(OneSiteTestCase):

    def test_g08_servers_of_one_request(self):
        self.start_cloud(cloud.TWO_SITES, weighers=STOCK_WEIGHERS)
        self.assertEqual(
            [FIRST, SECOND],
            self.create_spread(4, hints={'dcn_spread': 'true'}))
        found = self.create_spread(4, hosts_of_all=2)
        self.assertEqual(1, len(found))
        # The next request of the project goes to the same site, although
        # the other one is emptier now.
        self.assertEqual(found, self.create_spread(2, hosts_of_all=2))

    def test_spread_when_no_site_has_room_for_all(self):
        self.flags(compute_driver='fake.MediumFakeDriver')
        self.start_cloud(cloud.TWO_SITES, weighers=STOCK_WEIGHERS)
        # 4 GiB each; a host has 8, and Nova keeps half a GiB for itself.
        self.assertEqual([FIRST, SECOND],
                         self.create_spread(3, hosts_of_all=3, flavorRef='3'))

    def test_g09_second_try(self):
        self.start_cloud(cloud.TWO_SITES)
        selections = self.record_selections()
        builds = self.fail_first_build()
        self.assertEqual('ACTIVE', self.create()['status'])
        selected, = selections
        self.assertEqual(2, len(set(selected)))
        self.assertEqual(1, len(self.sites_of(selected)))
        self.assertEqual(selected, builds)
