# SPDX-License-Identifier: Apache-2.0
"""What the lab makes of Glance's own paste file."""

import testtools

from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import verdict
from tests.lab import deadline
from tests.lab.services import glance

STOCK = """\
[composite:api]
default = cors unauthenticated-context rootapp
keystone = cors authtoken context rootapp
keystone+caching = cors authtoken context cache rootapp

[app:healthcheck]
backends = disable_by_file
"""


class PasteTest(testtools.TestCase):

    def test_the_filter_stands_behind_the_context(self):
        found = glance.paste(STOCK)
        self.assertIn('keystone = cors authtoken context dcn_placement '
                      'rootapp\n', found)
        self.assertIn('keystone+caching = cors authtoken context cache '
                      'rootapp\n', found)
        self.assertIn('[filter:dcn_placement]', found)

    def test_another_paste_file_is_not_taken(self):
        self.assertRaises(deadline.LabError, glance.paste,
                          STOCK.replace('context', 'other'))
        self.assertRaises(deadline.LabError, glance.paste,
                          STOCK.replace('by_file', 'by_others'))

    def test_the_health_checks_are_asked(self):
        self.assertIn('\nbackends = disable_by_file,dcn_dlm,dcn_stores\n',
                      glance.paste(STOCK))


class PolicyTest(testtools.TestCase):

    def test_only_what_images_ask_for_is_wanted(self):
        policy = policy_text.policy_of(glance.POLICY, 'lab')
        stores = frozenset(['central', 'archive', 'dcn0'])

        def decide(asked):
            return verdict.decide(images.Image('i', asked=asked), policy,
                                  stores, 0)

        self.assertEqual(frozenset(), decide(None).wanted)
        self.assertEqual(frozenset(['dcn0']), decide('dcn0').wanted)
        self.assertEqual(frozenset(), decide('all').forbidden)
