# SPDX-License-Identifier: Apache-2.0
"""A new site: from machines on which nothing runs to one that is open.

The lab has one edge more afterwards.
"""

from dcn_plugins.osc import site
from dcn_plugins.osc import site_check
from dcn_plugins.osc import site_probe
from tests.integration import lab_case
from tests.lab.services import etcd
from tests.lab.services import nova
from tests.scenes import test_pane

_SERVICE_SECONDS = ('--site-seconds', '20', '--service-seconds', '60')


class OnboardTest(test_pane.PaneCase):

    policy = test_pane.CheckTest.policy

    def test_killed_twice(self):
        name = f'dcn{len(self.lab.edges)}'
        host = nova.compute_host(name, 0)
        self.assertNotIn(name, self.sites())
        self.killed(name, host, lambda: name in self.sites())
        self.assertEqual(name, self.cloud.grow(
            lambda seconds, step: print(f'{seconds:7.1f} s  {step}',
                                        flush=True)))
        self.settings['sites'][name] = {
            'locks_url': etcd.coordination_url(self.lab, name)}
        self.killed(name, host, lambda: host in self.sites()[name])
        image_id = self.import_image([name])
        with self.assertRaises(lab_case.deadline.LabError):
            self.user.server(self.name(), zone=name, image_id=image_id)
        ran = self.onboard(name, host)
        output, errors = ran.communicate(timeout=600)
        print(output, flush=True)
        self.assertEqual(0, ran.returncode, f'{output}\n{errors}')
        metadata, = (found.metadata for found
                     in self.user.cloud.compute.aggregates()
                     if found.name == name)
        self.assertEqual({'availability_zone': name, 'dcn:site': name,
                          'dcn:state': 'enabled'}, metadata)
        server = self.user.server(self.name(), zone=name, image_id=image_id)
        self.addCleanup(self.user.delete_server, server.id)
        self.assertEqual(host, server.compute_host)
        self.volume(name)
        self.assertEqual([], [found.name for found in
                              self.user.cloud.block_storage.volumes()
                              if found.name.startswith(site_probe.PREFIX)])
        row, = self.table(site.ListSites, name)
        self.assertEqual('enabled', row['State'])
        self.assertEqual([], self.table(site_check.CheckSite, name,
                                        *_SERVICE_SECONDS))

    def sites(self):
        """Return the hosts of each site."""
        return {found.name: found.hosts or ()
                for found in self.user.cloud.compute.aggregates()}

    def onboard(self, name, host):
        return self.started('site', 'onboard', name, '--host', host,
                            '--wait-seconds', '300', *_SERVICE_SECONDS)

    def killed(self, name, host, is_time):
        self.kill(self.onboard(name, host), f'onboard of {name}', is_time)
