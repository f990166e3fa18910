# SPDX-License-Identifier: Apache-2.0
"""Flavors with extra specs in ``dcn:`` as nova-api takes them."""

import fixtures
from nova.api.validation.extra_specs import validators
from nova.tests.functional.api import client

from tests.functional.nova import cloud

GOOD = {'site': 'dcn0001,group:west', 'image_locality': 'prefer',
        'volume_locality': 'require'}
BAD = {'typo': 'dcn1', 'site': 'dcn 1;', 'image_locality': 'maybe',
       'volume_locality': ''}


class ExtraSpecsTestCase(cloud.SiteFilterTestCase):

    def answers(self, specs):
        """Return how the API answers to each extra spec alone."""
        found = {}
        for key, value in specs.items():
            try:
                self.api.post_extra_spec('1', {'extra_specs': {
                    f'dcn:{key}': value}})
                found[key] = 'taken'
            except client.OpenStackApiException as exc:
                found[key] = exc.response.status_code
        return found


class StockTest(ExtraSpecsTestCase):

    def test_everything_is_taken(self):
        # As without the entry point of the package.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.api.validation.extra_specs.validators.VALIDATORS',
            {name: validator for name, validator
             in validators.VALIDATORS.items() if name[:4] != 'dcn:'}))
        self.useFixture(fixtures.MonkeyPatch(
            'nova.api.validation.extra_specs.validators.NAMESPACES',
            validators.NAMESPACES - {'dcn'}))
        self.assertEqual(dict.fromkeys(BAD, 'taken'), self.answers(BAD))


class ExtraSpecsTest(ExtraSpecsTestCase):

    def test_typos_are_refused(self):
        self.assertEqual(dict.fromkeys(BAD, 400), self.answers(BAD))
        self.assertEqual(dict.fromkeys(GOOD, 'taken'), self.answers(GOOD))
        self.assertEqual({f'dcn:{key}': value for key, value in GOOD.items()},
                         self.api.get_extra_specs('1'))
