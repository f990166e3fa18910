# SPDX-License-Identifier: Apache-2.0
"""A check that tries what users do at a site."""

import time

import fixtures

from dcn_plugins.osc import site_probe
from tests.fakes import cloud as clouds
from tests.unit.osc import test_site_check


class ProbeTest(test_site_check.CheckCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            site_probe, 'LOOK_SECONDS', 0.01))

    def deep(self, *words):
        return self.ids('--deep', '--probe-seconds', '5', *words)

    def probes(self):
        """Return what has the name of a probe."""
        return [one['name'] for one in [*self.cloud.volumes.values(),
                                        *self.cloud.images]
                if one['name'].startswith(site_probe.PREFIX)]

    def asked(self, method, part):
        return [body for asked, path, body in self.cloud.requests
                if asked == method and part in path]

    def test_a_site_that_is_well(self):
        self.assertEqual([], self.deep())
        self.assertEqual([], self.probes())
        # It did what it says.
        volume, = self.asked('POST', '/volumes')
        self.assertEqual('dcn0', volume['volume']['availability_zone'])
        self.assertNotIn('volume_type', volume['volume'])
        self.assertEqual([1 << 20], [
            len(body) for body in self.asked('PUT', '/file')])
        self.assertEqual('none', self.asked('POST', '/images')[0][
            'dcn_sites'])
        self.assertTrue(self.asked('POST', '/v3/kv/txn'))
        self.assertEqual(set(), self.cloud.etcds['all'].store.leases)

    def test_a_volume_type(self):
        self.deep('--volume-type', 'fast')
        self.assertEqual('fast', self.asked('POST', '/volumes')[0]['volume'][
            'volume_type'])

    def sizes(self):
        return sorted(len(body) for body in self.asked('PUT', '/file'))

    def test_copies_that_are_fast_enough(self):
        self.assertEqual([], self.deep('--least-mbits', '8'))
        self.assertEqual([1 << 20] * 3 + [(1 << 20) + 8_000_000],
                         self.sizes())
        self.assertEqual([['dcn0']] * 3, [
            copy['stores'] for copy in self.asked('POST', '/import')])
        self.assertEqual([], self.probes())

    def test_copies_that_are_slow(self):
        self.useFixture(fixtures.MockPatchObject(
            site_probe, '_MOST_COPY_BYTES', 3 << 20))
        row, = self.table(test_site_check.site_check.CheckSite, 'dcn0',
                          '--deep', '--least-mbits', '1e6')
        self.assertEqual('probe-copy-slow', row['ID'])
        self.assertIn('3 MiB of an image were copied to dcn0 in ',
                      row['What'])
        self.assertEqual([1 << 20] * 3 + [4 << 20], self.sizes())
        self.assertEqual([], self.probes())

    def test_copies_that_are_refused(self):
        self.cloud.failures = {'/import': 403}
        self.assertEqual(['probe-copy-failed'],
                         self.deep('--least-mbits', '8'))
        self.assertEqual([], self.probes())

    def copies_end(self, *answers):
        """Have copies end, one after the other, or not."""
        answers = iter(answers)
        ends = {}

        def look(copy, _view):
            if copy not in ends:
                ends[copy] = next(answers)
            return ends[copy]

        self.useFixture(fixtures.MockPatchObject(
            site_probe.image_copy.ImageCopy, 'look', look))

    def test_a_copy_that_does_not_end(self):
        self.copies_end(False)
        self.assertEqual(['probe-copy-failed'], self.deep(
            '--least-mbits', '8', '--probe-seconds', '1'))

    def test_a_large_copy_that_does_not_end(self):
        self.copies_end(True, False)
        row, = self.table(
            test_site_check.site_check.CheckSite, 'dcn0', '--deep',
            '--least-mbits', '8', '--probe-seconds', '1')
        self.assertEqual('probe-copy-slow', row['ID'])
        self.assertIn('were not copied to dcn0 within 1 s, at less than 64 '
                      'Mbit/s', row['What'])
        self.assertEqual([], self.probes())

    def test_an_image_that_is_not_uploaded(self):
        put = self.cloud.image_data

        class Slow(type(put)):
            def __setitem__(self, key, value):
                if len(value) > 1 << 20:
                    time.sleep(1.5)
                super().__setitem__(key, value)

        self.cloud.image_data = Slow()
        row, = self.table(
            test_site_check.site_check.CheckSite, 'dcn0', '--deep',
            '--least-mbits', '8', '--probe-seconds', '1')
        self.assertEqual('probe-copy-failed', row['ID'])
        self.assertIn('8 MiB were not uploaded to central', row['What'])
        self.assertIn('longer --probe-seconds', row['What'])

    def test_rates_that_are_none(self):
        for rate in ('nan', 'inf', '-1', '0', 'fast'):
            self.assertRaises(SystemExit, self.deep, '--least-mbits', rate)
        error = self.assertRaises(
            test_site_check.site_check.exceptions.ConfigError, self.ids,
            '--least-mbits', '8')
        self.assertIn('Add --deep', str(error))

    def test_no_other_store_to_copy_from(self):
        del self.cloud.stores[1:]
        self.cloud.stores[0]['id'] = 'dcn0'
        row, = [row for row in self.table(
            test_site_check.site_check.CheckSite, 'dcn0', '--deep',
            '--least-mbits', '8') if row['ID'] == 'probe-copy-failed']
        self.assertIn('no store elsewhere', row['What'])

    def test_without_the_word_nothing_is_made(self):
        self.ids()
        self.assertEqual([], self.asked('POST', '/volumes')
                         + self.asked('POST', '/images'))

    def test_a_volume_that_fails_is_removed(self):
        self.cloud.new_volume_status = 'error'
        self.assertEqual(['probe-volume-failed'], self.deep())
        self.assertEqual([], self.probes())

    def test_a_volume_that_stays_on_its_way(self):
        self.cloud.new_volume_status = 'creating'
        self.assertEqual(['probe-volume-failed'],
                         self.deep('--probe-seconds', '0.1'))
        self.assertEqual([], self.probes())

    def test_a_volume_that_is_refused(self):
        self.cloud.failures = {'POST /volume/v3/volumes': 413}
        self.assertEqual(['probe-volume-failed'], self.deep())

    def test_an_image_that_is_refused(self):
        self.cloud.failures = {'PUT /image': 503}
        self.assertEqual(['probe-image-failed'], self.deep())
        self.assertEqual([], self.probes())

    def test_an_image_that_is_not_what_was_sent(self):
        self.cloud.image_data = Flipped()
        self.assertEqual(['probe-image-failed'], self.deep())
        self.assertEqual([], self.probes())

    def test_what_is_not_removed_is_named(self):
        self.cloud.failures = {'DELETE /volume': 500, 'DELETE /image': 500}
        rows = [row for row in self.table(
            test_site_check.site_check.CheckSite, 'dcn0', '--deep')
            if row['ID'] == 'probe-left-behind']
        left = {one['id'] for one in [*self.cloud.volumes.values(),
                                      *self.cloud.images]
                if one['name'] in self.probes()}
        self.assertEqual(2, len(left))
        self.assertEqual(left, {row['Remedy'].split()[-1] for row in rows})

    def test_what_a_check_that_was_killed_has_left(self):
        old = {'created_at': clouds.moment(3700)}
        young = {'created_at': clouds.moment(3500)}
        for site, made in (('dcn0', old), ('dcn0', young), ('dcn01', old)):
            self.cloud.add_volume('v', site, name='left', metadata={
                'dcn_probe': site}, **made)
            self.cloud.add_image('left', ['central', 'dcn0'], dcn_probe=site,
                                 **made)
        self.cloud.add_volume('v', 'dcn0', name='another', **old)
        rows = self.table(test_site_check.site_check.CheckSite, 'dcn0',
                          '--deep')
        self.assertEqual(['probe-left-behind'] * 2,
                         [row['ID'] for row in rows])
        self.assertEqual(
            {next(iter(self.cloud.volumes)), self.cloud.images[1]['id']},
            {row['Remedy'].split()[-1] for row in rows})
        self.assertIn('was interrupted', rows[0]['What'])
        # And nobody looks for them unless something is tried.
        self.assertEqual([], self.ids())

    def test_what_is_left_is_not_known(self):
        self.cloud.failures = {'GET /volume/v3/volumes/detail': 500,
                               'GET /image/v2/images?dcn_probe': 500}
        self.assertEqual([], self.deep())

    def test_an_etcd_that_refuses(self):
        self.cloud.failures = {'/v3/lease/grant': 503}
        self.assertEqual(['probe-lock-failed'],
                         self.deep('--probe-seconds', '1'))


class Flipped(dict):
    """Data that come back with another first byte."""

    def __getitem__(self, key):
        found = super().__getitem__(key)
        return bytes([found[0] ^ 1]) + found[1:]
