# SPDX-License-Identifier: Apache-2.0
"""What each service does when its plugin or its site is not well.

As the README says: nova-scheduler and cinder-volume refuse to start without
their plugin, glance-api goes on without it unless it has the paste filter; a
misspelt option is told; a site without etcd or Ceph does not harm the others.
"""

from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab.services import cinder
from tests.lab.services import nova


def without_plugins():
    """Return the environment of a host where nobody installed us."""
    return {'PYTHONPATH': ''}


class NoPluginTest(lab_case.LabCase):

    def _ends(self, service):
        service.stop()
        self.restored(service)
        text = self.log_since(service)
        service.environment = without_plugins
        service.launch()
        try:
            deadline.wait(f'the end of {service.name}',
                          lambda: not service.is_running, 60)
        except deadline.LabTimeout:
            self.fail(f'{service.name} runs without its plugin:\n{text()}')
        return text

    def test_scheduler_refuses_to_start(self):
        text = self._ends(self.cloud['nova-scheduler'])
        self.assertIn('dcn_plugins', text())

    def test_volume_refuses_to_start(self):
        text = self._ends(
            self.cloud[f'cinder-volume-{cinder.volume_host(self.far, 0)}'])
        self.assertIn('dcn_plugins', text())

    def test_glance_with_the_filter_refuses_to_start(self):
        text = self._ends(self.cloud[f'glance-{self.far}'])
        self.assertIn('dcn_plugins', text())

    def test_glance_goes_on_without_copies_and_says_so(self):
        service = self.cloud[f'glance-{self.far}']
        service.stop()
        self.restored(service)
        text = self.log_since(service)
        service.environment = without_plugins
        service.has_filter = False
        service.start()
        self.assert_logs(text, 'dcn_copy')
        self.assertNotIn('loaded (dcn_plugins', text())
        self.assertTrue(service.is_ready())


class MisspeltOptionTest(lab_case.LabCase):

    def test_scheduler_tells_and_starts(self):
        service = self.cloud['nova-scheduler']
        self.addCleanup(service.reconfigure)
        text = self.log_since(service)
        service.reconfigure(options={'dcn': {'move_polcy': 'off'}})
        self.assert_logs(text, 'nova.conf', 'move_polcy',
                         'Did you mean move_policy?', 'move_policy=strict')

    def test_volume_tells_and_starts(self):
        service = self.cloud[
            f'cinder-volume-{cinder.volume_host(self.far, 1)}']
        self.restored(service)
        text = self.log_since(service)
        service.override = {'dcn': {'lock_wait_secs': 5}}
        service.restart()
        self.assert_logs(text, service.conf.name, 'lock_wait_secs',
                         'Did you mean lock_wait_seconds?')
        catalogue.wait_services(self.lab, self.cloud.expected())

    def test_glance_tells_and_starts(self):
        service = self.cloud[f'glance-{self.far}']
        self.restored(service)
        write = service.prepare

        def misspelt():
            write()
            with service.conf.open('a') as conf:
                conf.write(inifile.text({'dcn': {'copy_retry_secs': 1}}))

        service.prepare = misspelt
        text = self.log_since(service)
        service.restart()
        self.assert_logs(text, 'glance-api.conf', 'copy_retry_secs',
                         'Did you mean copy_retry_seconds?')
        self.assertTrue(service.is_ready())


class SiteAwayTest(lab_case.LabCase):
    """One site lacks a service; the other site is dcn0."""

    def setUp(self):
        super().setUp()
        self.volumes = [
            self.cloud[f'cinder-volume-{cinder.volume_host(self.far, i)}']
            for i in range(2)]

    def test_etcd_away_at_start(self):
        etcd = self.cloud[f'etcd-{self.far}-0']
        first = self.volumes[0]
        self.restored(*self.volumes)
        lab_case.stop(*self.volumes)
        etcd.stop()
        self.addCleanup(etcd.start)
        text = self.log_since(first)
        first.start()
        # It starts, and what is asked of it waits.
        self.assert_logs(text, 'Driver initialization completed')
        waiting = self.creation(self.far)
        self.assert_logs(text, 'A claim waits', seconds=60)
        self.assertEqual('available', self.volume(self.near).status)
        self.assertEqual('creating', self.status(waiting))
        etcd.start()
        # No restart: it has to come up by itself.
        self.assert_available(waiting)

    def test_etcd_away_while_running_delays_what_is_asked(self):
        source = self.volume(self.far)
        gone = self.user.volume(self.name(), self.far)
        etcd = self.cloud[f'etcd-{self.far}-0']
        self.addCleanup(etcd.resume)
        etcd.pause()
        made = self.creation(self.far)
        cloned = self.creation(self.far, source_volume_id=source.id)
        self.user.cloud.block_storage.delete_volume(gone.id)
        self.assertEqual('available', self.volume(self.near).status)
        self.assertEqual(['creating', 'creating', 'deleting'], [
            self.status(volume) for volume in (made, cloned, gone)])
        self.assertNotIn(f'volume-{made.id}',
                         self.user.rbd_images(self.far, 'volumes'))
        etcd.resume()
        self.assert_available(made)
        self.assert_available(cloned)
        self.user.cloud.block_storage.wait_for_delete(gone, wait=60)

    def creation(self, site, **kwargs):
        """Ask for a volume that goes at the end; do not wait for it."""
        made = self.user.cloud.block_storage.create_volume(
            name=self.name(), size=1, availability_zone=site, **kwargs)
        self.addCleanup(self.user.delete_volume, made.id)
        return made

    def status(self, volume):
        return self.user.cloud.block_storage.get_volume(volume.id).status

    def assert_available(self, volume):
        deadline.wait(f'volume {volume.id} being available', lambda: (
            self.status(volume) == 'available'), 90)

    def test_ceph_away_at_start(self):
        ceph = self.cloud[f'ceph-{self.far}']
        glance = self.cloud[f'glance-{layouts.CENTRAL}']
        self.restored(*self.volumes)
        lab_case.stop(*self.volumes)
        ceph.stop()
        text = self.log_since(self.volumes[0])
        try:
            glance.restart()
            self.volumes[0].launch()
            self.assertTrue(glance.is_ready())
            image = self.import_image([layouts.CENTRAL, self.near])
            self.assertEqual(sorted([layouts.CENTRAL, self.near]),
                             self.user.stores(image))
            self.assertEqual('available', self.volume(self.near).status)
            self.assert_logs(text, 'Failed to initialize driver', seconds=180)
            self.assertTrue(self.volumes[0].is_running)
        finally:
            ceph.start()
        # As with the stock driver, a cinder-volume whose driver could not be
        # initialized is restarted once its cluster is back.
        self.volumes[0].restart()
        catalogue.wait_services(self.lab, {
            ('cinder-volume', f'{self.volumes[0].host}@{cinder.BACKEND}')})
        self.assertEqual('available', self.volume(self.far).status)


class FilterLoadedTest(lab_case.LabCase):

    def test_filter_is_named_once_and_bad_path_is_refused(self):
        service = self.cloud['nova-scheduler']
        self.addCleanup(service.reconfigure)
        service.stop()
        nova.Controller(self.lab).prepare({'filter_scheduler': {
            'available_filters': [nova.ALL_FILTERS,
                                  'dcn_plugins.nova.site_filter.NoSuch'],
            'enabled_filters': nova.STOCK}})
        text = self.log_since(service)
        service.launch()
        deadline.wait('the end of nova-scheduler',
                      lambda: not service.is_running, 60)
        self.assertIn('NoSuch', text())
