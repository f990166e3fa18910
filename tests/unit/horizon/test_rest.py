# SPDX-License-Identifier: Apache-2.0
"""Sites for Launch Instance."""

from django.contrib.auth import models
from django import test as django_test
from django import urls

from tests.unit.horizon import panel_case

_PATH = '/api/dcn/sites/'


class RestTest(panel_case.PanelCase):

    roles = ('member',)

    def setUp(self):
        super().setUp()
        self.cloud.add_site('dcn0', **{'dcn:group': 'north'})
        self.cloud.add_site('dcn1', **{'dcn:group': 'south'})

    def answer(self, status=200, user=None):
        # Not by the client of Django: it sets what Horizon's answers have.
        request = django_test.RequestFactory().get(
            _PATH, headers={'X-Requested-With': 'XMLHttpRequest'})
        request.user = user or self.user()
        answer = urls.resolve(_PATH).func(request)
        self.assertEqual(status, answer.status_code, answer.content)
        return answer.json

    def names(self, **wanted):
        found = self.answer()
        self.assertEqual('', found['problem'])
        return [item['name'] for item in found['items']
                if all(item[key] == value for key, value in wanted.items())]

    def test_sites_with_their_groups(self):
        self.assertEqual(['dcn0'], self.names(groups=['north'], zone='dcn0',
                                              why='', hint=''))

    def test_sites_that_take_nothing(self):
        self.cloud.computes[0]['status'] = 'disabled'
        self.cloud.aggregates[1]['metadata']['dcn:state'] = 'draining'
        self.assertEqual(['dcn0'], self.names(
            why='no host there takes servers'))
        self.assertEqual(['dcn1'], self.names(why='draining'))

    def test_sites_of_other_projects(self):
        metadata = self.cloud.aggregates[0]['metadata']
        metadata['dcn:projects'] = 'q'
        self.assertEqual(['dcn0'], self.names(why='of other projects'))
        metadata['dcn:projects'] = 'p,q'
        self.assertEqual(['dcn0', 'dcn1'], self.names(why=''))

    def test_two_sites_in_one_zone(self):
        for found in self.cloud.aggregates:
            found['metadata'].update({'dcn:site': found['name'],
                                      'availability_zone': 'edge'})
        self.assertEqual(['dcn1'], self.names(zone='edge', hint='dcn1'))

    def test_who_may_not_list_aggregates_gets_zones(self):
        self.cloud.failures['os-aggregates'] = 403
        self.assertEqual(['dcn0', 'dcn1'], self.names(groups=[], why=''))
        self.set(DCN_SITE_GROUPS={'north': ['dcn0'], 'all': ['dcn0', 'dcn1']})
        self.assertEqual(['dcn0'], self.names(groups=['all', 'north']))

    def test_what_is_not_known_is_told(self):
        self.cloud.failures['os-aggregates'] = 503
        found = self.answer()
        self.assertIn('Nova: ', found['problem'])
        self.assertEqual(['dcn0', 'dcn1'],
                         [item['name'] for item in found['items']])
        self.cloud.failures['os-availability-zone'] = 503
        self.assertEqual([], self.answer()['items'])

    def test_nobody_who_is_not_logged_in(self):
        self.answer(401, models.AnonymousUser())
