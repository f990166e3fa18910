# SPDX-License-Identifier: Apache-2.0
"""Sites that are opened when they are well, also in many goes."""

import types

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.osc import site_change
from dcn_plugins.osc import site_check
from dcn_plugins.osc import site_onboard
from dcn_plugins.osc import site_probe
from tests.unit.osc import pane_case

OPEN = {'availability_zone': 'dcn2', 'dcn:site': 'dcn2',
        'dcn:state': 'enabled'}
CLOSED = {**OPEN, 'dcn:state': 'disabled', 'dcn:onboarding': 'true'}
TRIED = {**CLOSED, 'dcn:state': 'enabled', 'dcn:projects': 'p'}


class OnboardTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('central')
        self.hosts = self.cloud.add_site('dcn2', hosts=2)
        # Its services run, and nobody has made it a site.
        self.cloud.aggregates.pop()
        for inside, _generation in self.cloud.mirrored.values():
            inside.difference_update(
                inside - {found['uuid'] for found in self.cloud.aggregates})
        for service in self.cloud.computes:
            if service['host'] in self.hosts:
                service['zone'] = 'nova'
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('version: 1\ncentral: [central]\n'
                       'default:\n  stores: [central]\n')
        self.settings.update(policy_file=path,
                             jobs_url=f'dcn-etcd3+http://{self.etcd}')
        for name in ('central', 'dcn2'):
            self.lock_settings(name)
        self.useFixture(fixtures.MockPatchObject(
            site_probe, 'LOOK_SECONDS', 0.01))
        self.useFixture(fixtures.MockPatchObject(
            site_onboard, 'LOOK_SECONDS', 0.01))

    def onboard(self, *words, seconds='0'):
        hosts = [word for host in self.hosts for word in ('--host', host)]
        return self.table(
            site_onboard.OnboardSite, 'dcn2', *hosts, '--wait-seconds',
            seconds, '--probe-seconds', '5', *words)

    def metadata(self):
        return next((found['metadata'] for found in self.cloud.aggregates
                     if found['name'] == 'dcn2'), None)

    def waits(self, rows):
        return [(row['Step'], row['Target']) for row in rows
                if row['State'] == 'waits']

    def test_from_services_to_an_open_site(self):
        rows = self.onboard()
        self.assertEqual({'done'}, {row['State'] for row in rows})
        self.assertEqual(OPEN, self.metadata())
        self.assertEqual([], self.table(site_check.CheckSite, 'dcn2'))
        # The second time it is looked at, and tried, once more.
        self.assertEqual([], self.onboard())

    def test_a_site_that_was_retired(self):
        """Its services have our cordon; what another one did stays."""
        own, other = [one for one in self.cloud.computes
                      if one['host'] in self.hosts]
        cluster = next(one for one in self.cloud.clusters
                       if one['name'] == 'dcn2@ceph')
        for one, reason in ((own, 'dcn site cordon dcn2: new racks'),
                            (cluster, 'dcn site cordon dcn2'),
                            (other, 'broken')):
            one.update(status='disabled', disabled_reason=reason)
        rows = self.onboard()
        self.assertEqual([], self.waits(rows))
        self.assertLess({('enable nova-compute', own['host']),
                         ('enable cluster of cinder-volume', 'dcn2@ceph')},
                        {(row['Step'], row['Target']) for row in rows})
        self.assertEqual(['enabled', 'enabled', 'disabled'],
                         [one['status'] for one in (own, cluster, other)])
        self.assertEqual(OPEN, self.metadata())

    def test_what_it_is_on_its_way(self):
        seen = []
        self.watch(seen)
        self.onboard('--project', 'x', '--group', 'north')
        grouped = {'dcn:group': 'north'}
        self.assertEqual([{**CLOSED, **grouped}, {**TRIED, **grouped}],
                         seen)
        self.assertEqual({**OPEN, **grouped, 'dcn:projects': 'x'},
                         self.metadata())

    def watch(self, seen):
        """Note the metadata when a host comes, and when a volume does."""
        def mirrored(change, step, found=site_change.SiteChange._mirror):
            if self.metadata() not in seen:
                seen.append(dict(self.metadata()))
            return found(change, step)

        def volume(probe, *args, found=site_probe.SiteProbe._volume):
            seen.append(dict(self.metadata()))
            return found(probe, *args)

        self.useFixture(fixtures.MockPatchObject(
            site_probe.SiteProbe, '_volume', volume))
        doers = site_change.SiteChange._DOERS
        verb = next(verb for verb in doers if verb.name == 'MIRROR')
        self.useFixture(fixtures.MockPatchObject(
            site_change.SiteChange, '_DOERS', {**doers, verb: mirrored}))

    def test_a_host_that_is_not_there_yet(self):
        away = self.cloud.hypervisors.pop()
        rows = self.onboard()
        self.assertEqual([('find host', self.hosts[1])], self.waits(rows))
        self.assertIn('discover_hosts', rows[-1]['Detail'])
        self.assertEqual(CLOSED, self.metadata())
        self.cloud.hypervisors.append(away)
        self.assertEqual([], self.waits(self.onboard()))
        self.assertEqual(OPEN, self.metadata())

    def test_it_waits_and_tells_for_what(self):
        away = self.cloud.hypervisors.pop()
        looks = []

        def mirrors(change, hosts, found=site_change.SiteChange.mirrors):
            looks.append(hosts)
            if len(looks) == 3:
                self.cloud.hypervisors.append(away)
            return found(change, hosts)

        self.useFixture(fixtures.MockPatchObject(
            site_change.SiteChange, 'mirrors', mirrors))
        log = self.useFixture(fixtures.FakeLogger())
        self.assertEqual([], self.waits(self.onboard(seconds='60')))
        self.assertEqual(OPEN, self.metadata())
        self.assertEqual(1, log.output.count('Waiting up to'), log.output)
        self.assertIn('Nova or placement does not know of it', log.output)

    def test_what_a_check_finds_keeps_it_closed(self):
        gone = [found for found in self.cloud.volume_services
                if found['zone'] == 'dcn2']
        for found in gone:
            self.cloud.volume_services.remove(found)
        rows = self.onboard()
        self.assertIn(('check', 'zone-missing-cinder'), self.waits(rows))
        self.assertNotIn(('check', 'site-closed'), self.waits(rows))
        self.assertEqual(CLOSED, self.metadata())
        self.cloud.volume_services += gone
        self.onboard()
        self.assertEqual(OPEN, self.metadata())

    def test_what_is_tried_in_vain_keeps_others_out(self):
        self.cloud.new_volume_status = 'error'
        self.assertEqual([('try', 'probe-volume-failed')],
                         self.waits(self.onboard()))
        self.assertEqual(TRIED, self.metadata())
        self.assertEqual([], self.waits(self.onboard(
            '--ignore', 'probe-volume-failed')))
        self.assertEqual(OPEN, self.metadata())

    def test_it_goes_on_from_wherever_it_was_interrupted(self):
        doers = site_change.SiteChange._DOERS
        ended = 0
        for number in range(20):
            left = [number]

            def doing(doer, left=left):
                def do(*args):
                    if not left[0]:
                        raise KeyboardInterrupt
                    left[0] -= 1
                    return doer(*args)
                return do

            self.cloud.aggregates[1:] = []
            for inside, _generation in self.cloud.mirrored.values():
                inside &= {self.cloud.aggregates[0]['uuid']}
            with fixtures.MockPatchObject(
                    site_change.SiteChange, '_DOERS', {
                        verb: doing(doer) for verb, doer in doers.items()}):
                try:
                    self.onboard()
                    ended += 1
                except KeyboardInterrupt:
                    # Nobody else was ever let in.
                    metadata = self.metadata() or CLOSED
                    self.assertTrue(
                        metadata.get('dcn:state') == 'disabled'
                        or metadata.get('dcn:projects') == 'p'
                        or not self.cloud.aggregates[1]['hosts'], number)
            self.assertEqual([], self.waits(self.onboard()), number)
            # The zone alone names it, too.
            self.assertEqual(OPEN, {'dcn:site': 'dcn2', **self.metadata()},
                             number)
            self.assertEqual(self.hosts, self.cloud.aggregates[1]['hosts'])
            if ended:
                break
        self.assertGreater(number, 6)

    def test_a_plan_changes_nothing(self):
        rows = self.onboard('--dry-run')
        self.assertEqual({'planned'}, {row['State'] for row in rows})
        self.assertIsNone(self.metadata())

    def test_a_site_that_is_open_keeps_its_projects(self):
        self.onboard('--project', 'x')
        self.assertEqual([], self.onboard())
        self.assertEqual({**OPEN, 'dcn:projects': 'x'}, self.metadata())
        self.onboard('--project', 'y')
        self.assertEqual({**OPEN, 'dcn:projects': 'y'}, self.metadata())

    def test_a_site_that_somebody_has_closed_stays_closed(self):
        self.onboard()
        for state, rule in (('disabled', 'site-closed'),
                            ('draining', 'site-draining')):
            self.metadata()['dcn:state'] = state
            self.assertEqual([('check', rule)], self.waits(self.onboard()))
            self.assertEqual(state, self.metadata()['dcn:state'])

    def test_a_host_of_another_site(self):
        self.hosts = ['central-compute-0']
        caught = self.assertRaises(exceptions.NotDone, self.onboard)
        self.assertIn('central-compute-0 is in site central', str(caught))
        self.assertIsNone(self.metadata())

    def test_credentials_of_no_project(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.osc.client.Client.project_id', None))
        caught = self.assertRaises(exceptions.NotDone, self.onboard)
        self.assertIn('the site stays closed', str(caught))
        self.assertEqual(CLOSED, self.metadata())

    def test_the_exit_status(self):
        self.cloud.hypervisors.pop()
        app = self.app()
        app.stdout = self.stdout
        made = site_onboard.OnboardSite(app, None)
        arguments = made.get_parser('dcn').parse_args(
            ['dcn2', '--host', self.hosts[1], '--wait-seconds', '0',
             '--service-seconds', '120'])
        made.formatter = types.SimpleNamespace(
            emit_list=lambda *_args: None)
        made.produce_output = lambda *_args: 0
        self.assertEqual(1, made.run(arguments))
