# SPDX-License-Identifier: Apache-2.0

import json
import logging
import os

import fixtures
from oslo_config import cfg
import testtools
import webob

from dcn_plugins.conf import placement
from dcn_plugins.glance import placement_filter
from dcn_plugins.placement import policy_file
from tests.unit.placement import policies

IMAGE = {'id': 'i', 'owner': 'project-x', 'visibility': 'private',
         'stores': 'dcn0', 'created_at': '2026-01-01T00:00:00Z'}


class PlacementFilterTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            name='dcn_plugins', format='%(levelname)s %(message)s',
            level=logging.INFO))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.policy_file._shared', {}))
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'placement.yaml')
        self.conf = cfg.ConfigOpts()
        self.conf([], default_config_files=[], default_config_dirs=[])
        placement.register_opts(self.conf)
        self.conf.register_opts([cfg.DictOpt('enabled_backends')])
        self.conf.register_opts([cfg.StrOpt('default_backend')],
                                group='glance_store')
        self.conf.set_override('placement_policy_file', self.path, 'dcn')
        self.conf.set_override('enabled_backends', {
            **dict.fromkeys(sorted(policies.STORES), 'rbd'), 'web': 'http'})
        self.conf.set_override('default_backend', 'central', 'glance_store')
        self.write(policies.TEXT)
        self.seen = []
        self.status, self.image = 200, IMAGE
        self.filter = placement_filter.PlacementFilter(
            self.application, self.conf)

    def write(self, text):
        with open(self.path, 'w') as file:
            file.write(text)

    def application(self, environ, start_response):
        request = webob.Request(environ)
        self.seen.append((request.method, environ['PATH_INFO'],
                          request.body, dict(request.headers)))
        answer = (webob.Response(json_body=self.image, status=self.status)
                  if request.method == 'GET' else webob.Response(status=202))
        return answer(environ, start_response)

    def ask(self, method='POST', path='/v2/images/i/import', body=None,
            **headers):
        request = webob.Request.blank(path, method=method, headers={
            'X-User-Id': 'u', 'X-Project-Id': 'p', **headers})
        request.body = body if isinstance(body, bytes) else (
            json.dumps(body).encode())
        return request.get_response(self.filter)

    def copy(self, *stores):
        return self.ask(body={'method': {'name': 'copy-image'},
                              'stores': list(stores)})

    def check_goes_on(self, answer):
        """Check that the application has got the request as it was."""
        self.assertEqual(202, answer.status_int, answer.text)
        self.assertIn(self.seen[-1][0], ('POST', 'PUT'))
        self.assertTrue(self.seen[-1][2])

    def check_refused(self, answer, *texts):
        self.assertEqual(403, answer.status_int, answer.text)
        self.assertNotIn('POST', [seen[0] for seen in self.seen])
        for text in texts:
            self.assertIn(text, answer.text)

    def test_copy_to_what_is_allowed(self):
        self.check_goes_on(self.copy('dcn1'))

    def test_copy_to_what_is_forbidden(self):
        answer = self.copy('dcn1', 'dcn2', 'central')
        self.check_refused(
            answer, 'x stays in A and B', 'in dcn2, central',
            'It may be in: dcn0, dcn1.')
        self.assertIn(
            'WARNING User u of project p was refused the copy-image of image '
            'i to dcn2,central by the placement policy: dcn2: forbidden by '
            "'x stays in A and B' (line 6)", self.log.output)

    def test_image_of_another_project(self):
        self.image = {**IMAGE, 'owner': 'project-y'}
        self.check_goes_on(self.copy('dcn2'))

    def test_copy_to_all(self):
        answer = self.ask(body={'method': {'name': 'copy-image'},
                                'all_stores': True})
        self.check_refused(answer, 'in central, dcn10, dcn2.')
        self.assertNotIn('web', answer.text)

    def test_default_store(self):
        for answer in (
                self.ask(body={'method': {'name': 'glance-direct'}}),
                self.ask('PUT', '/v2/images/i/file', b'data')):
            self.check_refused(answer, 'No store was named')

    def test_upload_to_a_store(self):
        self.check_goes_on(self.ask('PUT', '/v2/images/i/file', b'data',
                                    **{'X-Image-Meta-Store': 'dcn1'}))
        self.assertEqual(b'data', self.seen[-1][2])

    def test_image_is_asked_for_as_the_same_user(self):
        self.ask(body={'method': {'name': 'copy-image'}, 'stores': ['dcn1']},
                 **{'X-Auth-Token': 't', 'Accept-Encoding': 'gzip',
                    'If-None-Match': 'x', 'Accept': 'text/plain'})
        method, path, _body, headers = self.seen[0]
        self.assertEqual(('GET', '/v2/images/i'), (method, path))
        self.assertEqual('t', headers['X-Auth-Token'])
        self.assertEqual('application/json', headers['Accept'])
        self.assertNotIn('Accept-Encoding', headers)
        self.assertNotIn('If-None-Match', headers)

    def test_image_that_is_not_there(self):
        self.status = 404
        self.check_goes_on(self.copy('dcn2'))

    def test_image_that_cannot_be_looked_at(self):
        for status in (403, 500):
            self.status = status
            self.assertEqual(status, self.copy('dcn1').status_int)
            self.assertEqual('GET', self.seen[-1][0])

    def test_path_that_is_no_text(self):
        self.status = 404
        environ = webob.Request.blank('/', method='POST').environ
        environ['PATH_INFO'] = '/v2/images/\xff/import'
        request = webob.Request(environ)
        request.body = b'{"method": {"name": "copy-image"}}'
        self.check_goes_on(request.get_response(self.filter))
        self.assertEqual('/v2/images/\xff', self.seen[0][1])

    def test_other_requests_are_not_looked_at(self):
        self.ask('GET', '/v2/images/i')
        self.assertEqual(1, len(self.seen))

    def test_no_policy_at_all(self):
        for prepare in (lambda: self.write('version: 3'),
                        lambda: os.unlink(self.path)):
            prepare()
            policy_file._shared.clear()
            for answer in (
                    self.copy('dcn1'),
                    self.ask('PUT', '/v2/images/i/file', b'data',
                             **{'X-Image-Meta-Store': 'dcn1'})):
                self.assertEqual(503, answer.status_int)
                self.assertEqual('60', answer.headers['Retry-After'])
                self.assertIn('Tell its operator', answer.text)
            # Nobody has chosen, so it is as without us.
            self.check_goes_on(self.ask('PUT', '/v2/images/i/file', b'data'))
            self.check_goes_on(self.ask(
                body={'method': {'name': 'glance-direct'}}))
        self.assertEqual(2, self.log.output.count('ERROR'))

    def test_last_good_policy(self):
        self.copy('dcn1')
        os.unlink(self.path)
        policy_file.shared(self.path)._checked_at -= 2
        self.check_goes_on(self.copy('dcn1'))
        self.seen.clear()
        self.check_refused(self.copy('dcn2'))
        self.assertEqual(1, self.log.output.count('ERROR'))

    def test_mistake_of_ours(self):
        self.image = ['no image']
        self.assertEqual(503, self.copy('dcn1').status_int)
        self.check_goes_on(self.ask('PUT', '/v2/images/i/file', b'data'))
        self.assertIn('Nobody knows whether', self.log.output)

    def test_without_a_policy_file(self):
        self.conf.clear_override('placement_policy_file', 'dcn')
        self.check_goes_on(self.copy('dcn2'))
        self.assertEqual(1, len(self.seen))

    def test_without_stores(self):
        self.conf.clear_override('enabled_backends')
        self.check_goes_on(self.copy('dcn2'))
        self.assertEqual(1, len(self.seen))

    def test_name_of_a_rule_is_no_markup(self):
        self.write(policies.TEXT.replace('x stays in A and B', '<b>stay</b>'))
        request = webob.Request.blank(
            '/v2/images/i/import', method='POST',
            headers={'Accept': 'text/html'})
        request.body = b'{"method": {"name": "copy-image"}}'
        self.check_refused(request.get_response(self.filter),
                           '&lt;b&gt;stay')
