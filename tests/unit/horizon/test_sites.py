# SPDX-License-Identifier: Apache-2.0
"""The table of sites."""

from tests.fakes import cloud as clouds
from tests.unit.horizon import panel_case

_HOSTILE = '<img src=x onerror=alert(1)>{$ 7*7 $}'


class SitesTest(panel_case.PanelCase):

    def table(self):
        return {row[0]: row for row in self.rows(self.page())}

    def test_sites_that_are_well(self):
        for name in ('dcn0', 'dcn1'):
            self.cloud.add_site(name, 2, **{'dcn:group': 'north'})
        self.cloud.add_image('one', ['dcn0'])
        found = self.table()
        self.assertEqual({'dcn0', 'dcn1'}, set(found))
        self.assertEqual(
            ['dcn0', 'enabled', 'ok', 'dcn0', 'north', '2/2',
             '56/64 vCPU, 14.0/16.0 GiB', '2/2 in 1/1 clusters', '-', 'dcn0',
             '1', '-'], found['dcn0'][:12])
        self.assertEqual('Cordon', found['dcn0'][-1])

    def test_a_dead_site_is_unknown_since_its_last_sign_of_life(self):
        self.cloud.add_site('dcn0')
        self.cloud.silence('dcn0', 600)
        row = self.table()['dcn0']
        self.assertTrue(row[2].startswith('unknown since 20'), row)
        self.assertIn('none of 1 hosts is up', row[2])
        self.assertTrue(row[5].startswith('unknown since 20'), row)

    def test_what_is_not_well_is_not_called_ok(self):
        self.cloud.add_site('dcn0', 2)
        self.cloud.computes[0]['state'] = 'down'
        self.assertEqual('not well hosts: 1 of 2 down',
                         self.table()['dcn0'][2])

    def test_a_service_that_fails_spares_what_others_tell(self):
        self.cloud.add_site('dcn0')
        self.cloud.failures['/placement'] = 503
        row = self.table()['dcn0']
        self.assertEqual('1/1', row[5])
        self.assertTrue(row[6].startswith('unknown placement: '), row)

    def test_without_nova_there_is_a_reason_and_no_site(self):
        self.cloud.failures['os-aggregates'] = 503
        text = self.page()
        self.assertIn('id="dcn_problem"', text)
        self.assertIn('Nova: ', text)
        self.assertEqual([['Unknown']], self.rows(text))

    def test_an_etcd_that_never_answers_holds_up_nobody(self):
        self.cloud.add_site('dcn0')
        hole = self.useFixture(clouds.BlackHole())
        self.config('locks_url: dcn-etcd3+http://' + hole.address)
        self.set(DCN_SITE_SECONDS=0.2)
        row = self.table()['dcn0']
        self.assertRegex(row[8], r'^unknown \w+ does not answer within 0\.2 s')
        self.assertEqual('1/1', row[5])

    def config(self, text):
        path = f'{self.useFixture(panel_case.fixtures.TempDir()).path}/dcn'
        with open(path, 'w') as file:
            file.write(text)
        self.set(DCN_CONFIG_FILE=path)

    def test_settings_of_no_use_are_told_without_their_values(self):
        self.config('jobs_uri: http://user:secret@etcd')
        text = self.page()
        self.assertIn('jobs_uri means nothing', text)
        self.assertNotIn('secret', text)

    def test_hostile_names_are_text(self):
        self.cloud.add_site(_HOSTILE, **{'dcn:group': _HOSTILE})
        text = self.page()
        self.assertNotIn('<img src=x', text)
        self.assertNotIn('{$ 7', text)
        self.assertIn('&lt;img src=x', text)

    def test_others_do_not_see_it(self):
        self.roles = ('member',)
        self.assertEqual(403, self.browser.get(
            '/admin/dcn_sites/').status_code)


class ChangeTest(panel_case.PanelCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('dcn0', 2)

    def statuses(self):
        return [found['status'] for found in [*self.cloud.computes,
                                              *self.cloud.clusters]]

    def test_cordon_and_back(self):
        text = self.page('cordon/', site='dcn0')
        self.assertIn('disable nova-compute dcn0-compute-1', text)
        self.assertEqual(['enabled'] * 3, self.statuses())
        answer = self.post('cordon/', site='dcn0', reason='new racks')
        self.assertEqual(302, answer.status_code, answer.content[-3000:])
        self.assertEqual(['disabled'] * 3, self.statuses())
        self.assertEqual({'dcn site cordon dcn0: new racks'}, {
            found['disabled_reason'] for found in self.cloud.computes})
        row, = self.rows(self.page())
        self.assertEqual('Uncordon', row[-1])
        self.assertEqual(302, self.post('uncordon/',
                                        site='dcn0').status_code)
        self.assertEqual(['enabled'] * 3, self.statuses())

    def test_without_the_token_of_a_page_nothing_happens(self):
        answer = self.browser.post('/admin/dcn_sites/cordon/',
                                   {'site': 'dcn0', 'reason': ''})
        self.assertEqual(403, answer.status_code)
        self.assertEqual(['enabled'] * 3, self.statuses())

    def test_who_may_not_change_services_gets_no_button_and_no_form(self):
        self.useFixture(panel_case.fixtures.MockPatch(
            'openstack_dashboard.policy.check', return_value=False))
        row, = self.rows(self.page())
        self.assertNotIn('Cordon', row)
        for path in ('cordon/', 'uncordon/'):
            self.assertEqual(403, self.browser.get(
                f'/admin/dcn_sites/{path}').status_code)
        self.assertEqual(['enabled'] * 3, self.statuses())

    def test_half_a_cordon_is_none(self):
        self.cloud.failures['GET /volume/v3/clusters'] = 503
        answer = self.post('cordon/', site='dcn0', reason='')
        self.assertEqual(200, answer.status_code)
        self.assertIn('nothing was changed', answer.content.decode())
        self.assertEqual(['enabled'] * 3, self.statuses())

    def test_a_site_that_is_gone(self):
        answer = self.post('cordon/', site='dcn7', reason='')
        self.assertEqual(200, answer.status_code)
        self.assertIn('there is no site dcn7', answer.content.decode())

    def test_what_somebody_else_has_disabled_is_named(self):
        self.cloud.computes[0].update(status='disabled',
                                      disabled_reason='fan')
        text = self.page('uncordon/', site='dcn0')
        self.assertIn('id="dcn_left"', text)
        self.assertIn('dcn0-compute-0', text)
