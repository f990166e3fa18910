# SPDX-License-Identifier: Apache-2.0
"""The panel of Horizon in a real Chromium, on real services.

Run in the environment of ``tox -e horizon``.
"""

import time

from selenium.webdriver.common.by import By
from selenium.webdriver.support import ui

from dcn_plugins.glance import placement_jobs
from dcn_plugins.osc import client
from dcn_plugins.osc import cordon
from dcn_plugins.osc import site_change
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_progress
from tests.integration import lab_case
from tests.lab.services import etcd
from tests.lab.services import glance
from tests.lab.services import horizon
from tests.lab.services import nova
from tests.lab.services import settings
from tests.scenes import dashboard

HOSTILE = '<img src=x onerror="window.dcnHit=1">{$ 7*7 $}'
# Horizon has no "{$" on any page: AngularJS would run it.
_SHOWN = HOSTILE.replace('{$', '{%').replace('$}', '%}')
_SITE_SECONDS, _SERVICE_SECONDS = 2, 10
_SITES, _IMAGES = '/admin/dcn_sites/', '/admin/dcn_sites/images/'


class PanelTest(lab_case.LabCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        central = etcd.coordination_url(cls.lab, 'central')
        cls.settings = {
            # No glance-api works on these.
            'jobs_url': f'{central}&namespace=/panel-{time.time():.0f}',
            'policy_file': str(glance.policy_file(cls.lab)),
            'sites': {name: {'locks_url': etcd.coordination_url(
                cls.lab, name)} for name in cls.lab.sites}}
        service = horizon.Horizon(
            cls.lab, cls.settings, DCN_SITE_SECONDS=_SITE_SECONDS,
            DCN_SERVICE_SECONDS=_SERVICE_SECONDS,
            DCN_SITE_GROUPS={'coast': [cls.near], 'hills': [cls.far]})
        cls.addClassCleanup(service.stop)
        service.start()
        cls.page = dashboard.Dashboard(cls.lab.url('horizon'),
                                       lambda: service.process.tail(30))
        cls.addClassCleanup(cls.page.close)
        cls.page.log_in('admin', cls.lab.secret('admin'))

    def site(self, name):
        return self.page.row('data-site', name)

    def health(self, row):
        return self.page.find('.dcn-health', row).text

    def assert_text(self, element):
        """See that a hostile name is text and nothing else."""
        self.assertEqual(_SHOWN, element.text.partition('\n')[0])
        self.assertEqual([], element.find_elements(By.CSS_SELECTOR, 'img'))
        self.assertIsNone(self.page.driver.execute_script(
            'return window.dcnHit || null'))

    # Sites

    def test_all_sites(self):
        self.user.set_site(self.near, group='coast')
        self.addCleanup(self.user.set_site, self.near, group=None)
        self.page.open(_SITES)
        self.page.wait('all sites being well', self.are_well)
        for name in self.lab.sites:
            row = self.site(name)
            self.assertEqual('enabled', self.page.find(
                '.dcn-state', row).text)
            hosts = nova.computes(self.lab, name)
            self.assertIn(f'{hosts}/{hosts}', row.text)
        self.assertIn('coast', self.site(self.near).text)
        self.assertIn('2/2 in 1/1 clusters', self.site(self.near).text)
        self.page.shot('horizon-sites')
        link = self.page.driver.find_element(
            By.CSS_SELECTOR, f'#sidebar a[href$="{_SITES}"]')
        self.assertEqual('Sites', link.get_attribute('textContent').strip())

    def are_well(self):
        """Look again: what an earlier test has frozen is awake at last."""
        self.page.open(_SITES)
        return {'ok'} == {self.health(self.site(name))
                          for name in self.lab.sites}

    def test_an_etcd_that_never_answers(self):
        service = self.cloud[f'etcd-{self.far}-0']
        service.pause()
        self.addCleanup(service.resume)
        began = time.monotonic()
        self.page.open(_SITES)
        seconds = time.monotonic() - began
        print(f'the page of sites with a dead etcd: {seconds:.1f} s')
        self.assertLess(seconds, _SITE_SECONDS + 2 * _SERVICE_SECONDS)
        self.assertIn('etcd does not answer within',
                      self.health(self.site(self.far)))
        self.assertNotIn('etcd', self.health(self.site(self.near)))
        self.page.shot('horizon-etcd-away')

    def test_hosts_that_are_dead_are_unknown(self):
        host = nova.compute_host(self.far, 0)
        self.user.force_down(host, True)
        self.addCleanup(self.user.force_down, host, False)
        self.page.open(_SITES)
        row = self.site(self.far)
        self.assertIn('none of 1 hosts is up', self.health(row))
        self.assertIn('unknown since', row.text)
        self.page.shot('horizon-hosts-dead')

    def test_hostile_name_of_a_site(self):
        compute = self.user.cloud.compute
        made = compute.create_aggregate(name=self.name())
        self.addCleanup(compute.delete_aggregate, made)
        compute.set_aggregate_metadata(made, {'dcn:site': HOSTILE})
        self.page.open(_SITES)
        self.assert_text(self.page.find('.dcn-name', self.site(_SHOWN)))

    # Cordon

    def services(self):
        """Return status and reason of what is at the far site, asked Nova."""
        hosts = [nova.compute_host(self.far, number) for number in range(
            nova.computes(self.lab, self.far))]
        told = {(found.status, found.disabled_reason) for found
                in self.user.cloud.compute.services(binary='nova-compute')
                if found.host in hosts}
        return told | {(found['status'], found['disabled_reason'])
                       for found in self.user.clusters()
                       if found['name'] == f'{self.far}@ceph'}

    def undo(self):
        made = client.Client(self.user.cloud.session, {'dcn': self.settings},
                             'public', settings.REGION)
        self.addCleanup(made.close)
        plan, _left = cordon.uncordoned(made, self.far, 60.0)
        site_change.SiteChange(made.cloud, 60.0).run(plan)

    def change(self, button, status, reason=''):
        """Click a button, read what it would do, and have it done."""
        self.page.open(_SITES)
        self.page.click(button, self.site(self.far))
        told = self.page.find('.modal #dcn_steps').text
        self.assertIn(nova.compute_host(self.far, 0), told)
        self.assertIn(f'{self.far}@ceph', told)
        if reason:
            self.page.find('.modal #id_reason').send_keys(reason)
            self.page.shot('horizon-cordon')
        before = self.services()
        self.page.click('.modal input[type=submit]')
        self.page.wait(f'services being {status}', lambda: {
            one[0] for one in self.services()} == {status})
        self.assertNotEqual(before, self.services())

    def test_cordon_and_back(self):
        self.addCleanup(self.undo)
        self.assertEqual({'enabled'}, {one[0] for one in self.services()})
        self.change('.dcn-cordon', 'disabled', 'new racks')
        self.assertEqual({f'dcn site cordon {self.far}: new racks'},
                         {one[1] for one in self.services()})
        self.page.wait('its line being another one', lambda: 'not well' in
                       self.health(self.site(self.far)))
        self.page.shot('horizon-cordoned')
        row = self.site(self.far)
        self.assertEqual([], row.find_elements(By.CSS_SELECTOR,
                                               '.dcn-cordon'))
        self.change('.dcn-uncordon', 'enabled')

    # Images

    def cells(self, image_id):
        row = self.page.row('data-image', image_id)
        return {cell.get_attribute('data-store'): cell for cell
                in row.find_elements(By.CSS_SELECTOR, '.dcn-cell')}

    def states(self, image_id):
        return {name: cell.get_attribute('data-state')
                for name, cell in self.cells(image_id).items()}

    def test_where_images_are(self):
        image_id = self.import_image([self.near])
        self.page.open(f'{_IMAGES}?search={image_id}')
        self.assertEqual({
            'central': 'absent', self.near: 'present', self.far: 'absent',
            'archive': 'absent'}, self.states(image_id))
        heads = [one.text for one in self.page.driver.find_elements(
            By.CSS_SELECTOR, '#dcn_images th')]
        self.assertEqual(['Image', *self.lab.sites, 'archive (store)'], heads)

    def test_a_copy_on_its_way(self):
        """As a glance-api would tell it that has claimed the job."""
        image_id = self.import_image([self.near])
        worker = placement_jobs.PlacementJobs(self.settings['jobs_url'])
        self.addCleanup(worker.close)
        now = time.time()
        for store, is_begun in (('central', True), (self.far, False)):
            worker.jobs.register(steps.Job(image_id, store, now, now))
            self.addCleanup(worker.jobs.drop, image_id, store)
            if is_begun:
                entry, = worker.jobs.entries(image_id)
                self.assertIsNotNone(worker.claims.claim(entry))
        worker.reports.report(image_id, {'central': job_progress.Progress(
            now, 'pump', 37 << 20, 100 << 20, 10 << 20)})
        self.page.open(f'{_IMAGES}?search=test-')
        self.assertEqual({
            'central': 'copying', self.near: 'present', self.far: 'waiting',
            'archive': 'absent'}, self.states(image_id))
        cell = self.cells(image_id)['central']
        self.assertIn('37 %', cell.text)
        self.assertIn('10.0 MiB/s', cell.text)
        self.page.shot('horizon-images')

    def test_hostile_name_of_an_image(self):
        image_id = self.import_image([self.near])
        self.user.cloud.image.update_image(image_id, name=HOSTILE)
        self.page.open(f'{_IMAGES}?search={image_id}')
        row = self.page.row('data-image', image_id)
        self.assert_text(self.page.find('.dcn-name', row))

    def test_a_glance_that_never_answers(self):
        service = self.cloud['glance-central']
        service.pause()
        self.addCleanup(service.resume)
        began = time.monotonic()
        self.page.open(_IMAGES)
        self.assertIn('Glance', self.page.find('#dcn_problem').text)
        seconds = time.monotonic() - began
        print(f'the page of images with a dead Glance: {seconds:.1f} s')
        self.assertLess(seconds, 3 * _SERVICE_SECONDS)
        self.page.open(_SITES)
        self.assertIn('Glance', self.health(self.site(self.near)))

    # Launch Instance

    def choose(self, name):
        """Open Launch Instance; choose a site; return what is offered."""
        self.page.open('/project/instances/')
        self.page.click('#instances__action_launch-ng')
        self.page.find('wizard #name').send_keys(name)
        self.step('Site')
        chooser = self.page.find('wizard #dcn-site')
        offered = {group.get_attribute('label'): [
            one.text for one in group.find_elements(By.TAG_NAME, 'option')]
            for group in chooser.find_elements(By.TAG_NAME, 'optgroup')}
        ui.Select(chooser).select_by_visible_text(self.far)
        self.page.shot('horizon-launch')
        self.step('Details')
        zone = ui.Select(self.page.find('wizard #availability-zone'))
        self.assertEqual(self.far, zone.first_selected_option.text)
        return offered

    def step(self, title):
        def clicked():
            for one in self.page.driver.find_elements(
                    By.CSS_SELECTOR, 'wizard .wizard-nav li'):
                if one.is_displayed() and one.text.rstrip('* \n') == title:
                    one.find_element(By.TAG_NAME, 'a').click()
                    return True
            return False

        self.page.wait(f'the step {title}', clicked)

    def member(self):
        """Log in as somebody who is no administrator."""
        identity, name = self.user.cloud.identity, self.name()
        project = identity.create_project(name=name, domain_id='default')
        self.addCleanup(identity.delete_project, project)
        user = identity.create_user(
            name=name, password=name, domain_id='default',
            default_project_id=project.id)
        self.addCleanup(identity.delete_user, user)
        identity.assign_project_role_to_user(
            project, user, identity.find_role('member'))
        self.addCleanup(self.page.log_in, 'admin', self.lab.secret('admin'))
        self.page.log_in(name, name)

    def test_the_chooser_knows_groups_of_sites(self):
        self.user.set_site(self.near, group='north')
        self.addCleanup(self.user.set_site, self.near, group=None)
        self.user.set_site(self.far, group='south')
        self.addCleanup(self.user.set_site, self.far, group=None)
        self.assertEqual({'north': [self.near], 'south': [self.far],
                          'Other sites': ['central']},
                         self.choose(self.name()))

    def test_who_is_no_administrator_chooses_among_zones(self):
        """No server: Horizon sends none to a cloud without networks."""
        self.member()
        self.assertEqual({'coast': [self.near], 'hills': [self.far],
                          'Other sites': ['central']},
                         self.choose(self.name()))
        self.assertEqual(403, self.panel_status())

    def panel_status(self):
        """Return what the panel answers to who has logged in."""
        return self.page.driver.execute_script(
            'var request = new XMLHttpRequest();'
            f'request.open("GET", "{_SITES}", false); request.send();'
            'return request.status;')
