# SPDX-License-Identifier: Apache-2.0
"""The matrix of images and sites."""

import re

from tests.unit.horizon import panel_case

_POLICY = '''
version: 1
central: [dcn0]
default:
  stores: [dcn0, dcn1]
'''


class ImagesTest(panel_case.PanelCase):

    def setUp(self):
        super().setUp()
        for name in ('dcn0', 'dcn1'):
            self.cloud.add_site(name)
        # At no site.
        self.cloud.stores.append({'id': 'archive'})

    def page(self, path='images/', **query):
        return super().page(path, **query)

    def states(self, text):
        """Return the states that are shown, by image and store."""
        found = {}
        for line in re.findall(r'<tr data-image="(.*?)</tr>', text,
                               re.DOTALL):
            found[line.partition('"')[0]] = dict(re.findall(
                r'data-store="(\S+)" data-state="(\S+)"', line))
        return found

    def test_where_images_are(self):
        made = self.cloud.add_image('one', ['dcn0'])
        text = self.page()
        self.assertEqual({made['id']: {
            'dcn0': 'present', 'dcn1': 'absent', 'archive': 'absent'}},
            self.states(text))
        self.assertIn('What is wanted is not known', text)
        self.assertIn('What is on its way is not known', text)

    def config(self, **files):
        directory = self.useFixture(panel_case.fixtures.TempDir()).path
        for name, text in files.items():
            with open(f'{directory}/{name}', 'w') as file:
                file.write(text.format(directory=directory,
                                       etcd=self.cloud.url.removeprefix(
                                           'http://')))
        self.set(DCN_CONFIG_FILE=f'{directory}/config')

    def test_what_a_policy_wants_is_lacking(self):
        made = self.cloud.add_image('one', ['dcn0'])
        self.config(policy=_POLICY, config=(
            'policy_file: {directory}/policy\n'
            'jobs_url: dcn-etcd3+http://{etcd}\n'))
        text = self.page()
        self.assertEqual('lacking', self.states(text)[made['id']]['dcn1'])
        self.assertNotIn('is not known', text)
        self.cloud.add_image('two', ['dcn0', 'dcn1'])
        self.assertEqual({made['id']},
                         set(self.states(self.page(unsettled=1))))

    def test_a_policy_with_a_mistake_is_told(self):
        made = self.cloud.add_image('one', ['dcn0'])
        self.config(policy='version: 7', config=(
            'policy_file: {directory}/policy\n'))
        text = self.page()
        self.assertIn('What is wanted is not known', text)
        self.assertEqual('present', self.states(text)[made['id']]['dcn0'])

    def test_without_glance_there_is_a_reason(self):
        self.cloud.failures['/image/'] = 503
        text = self.page()
        self.assertIn('Glance: ', text)
        self.assertNotIn('dcn_images', text)

    def test_without_nova_stores_are_shown(self):
        made = self.cloud.add_image('one', ['dcn0'])
        self.cloud.failures['os-aggregates'] = 503
        text = self.page()
        self.assertEqual('present', self.states(text)[made['id']]['dcn0'])
        self.assertIn('Which sites there are is not known', text)

    def test_pages_and_search(self):
        self.set(API_RESULT_PAGE_SIZE=2)
        made = [self.cloud.add_image(f'image {number}', ['dcn0'])['id']
                for number in range(5)]
        text = self.page()
        self.assertEqual(made[:2], list(self.states(text)))
        self.assertIn('id="dcn_next"', text)
        self.assertNotIn('id="dcn_previous"', text)
        text = self.page(page=99)
        self.assertEqual(made[4:], list(self.states(text)))
        self.assertEqual(made[3:4], list(self.states(
            self.page(search='GE 3'))))

    def test_hostile_names_are_text(self):
        name = '<script>alert(1)</script>{$ 7*7 $}'
        self.cloud.add_image(name, ['dcn0'])
        text = self.page(search='<script>')
        self.assertNotIn('<script>alert', text)
        self.assertNotIn('{$ 7', text)
        self.assertIn('&lt;script&gt;alert(1)', text)
