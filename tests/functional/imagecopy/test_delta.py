# SPDX-License-Identifier: Apache-2.0
"""Images whose base is at the target already."""

import os

from dcn_plugins.ceph import bindings
from dcn_plugins.imagecopy import partials
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

MIB = copy_case.MIB


class DeltaTest(copy_case.CopyTestCase):

    def setUp(self):
        super().setUp()
        data = os.urandom(24 * MIB)
        self.base, self.content = self.image('base', 64 * MIB, [(0, data)])
        self.assert_copied(self.base, self.content)

    def changed(self, size=64 * MIB):
        """Return an image that was flattened, and what is in it."""
        parts = [(5 * MIB, os.urandom(MIB)), (40 * MIB, os.urandom(4096)),
                 (12 * MIB, bytes(2 * MIB))]
        content = bytearray(self.content[:size].ljust(size, b'\0'))
        for offset, part in parts:
            content[offset:offset + len(part)] = part
        return self.image('changed', size, [(0, bytes(content[:24 * MIB])),
                                            (40 * MIB, parts[1][1])])

    def test_only_what_differs_is_sent(self):
        name, content = self.changed()
        result = self.assert_copied(name, content, base=self.base)
        self.assertEqual(MIB + 4096, result.sent_bytes, result)
        self.assertTrue(result.saved_bytes >= 20 * MIB, result)
        self.assertNotIn('parent', self.command(
            rig.TARGET, 'info', f'{rig.POOL}/{name}').decode())

    def test_a_base_of_another_size(self):
        for size in (48 * MIB, 80 * MIB + 12345):
            name, content = self.changed(size)
            self.assert_copied(name, content, base=self.base)
            for site in (rig.SOURCE, rig.TARGET):
                self.remove(site, name)

    def remove(self, site, name):
        place = f'{rig.POOL}/{name}'
        self.command(site, 'snap', 'unprotect', f'{place}@snap')
        self.command(site, 'snap', 'purge', '--no-progress', place)
        self.command(site, 'rm', '--no-progress', place)

    def test_a_base_that_is_not_there(self):
        name, content = self.changed()
        result = self.assert_copied(name, content, base=f'{self.prefix}-no')
        self.assertEqual(0, result.saved_bytes)


class PartialTest(copy_case.CopyTestCase):

    def setUp(self):
        super().setUp()
        client = bindings.rados().Rados(
            conffile=self.rig.conf(rig.TARGET), rados_id='admin')
        client.connect()
        self.addCleanup(client.shutdown)
        self.ioctx = client.open_ioctx(rig.POOL)
        self.addCleanup(self.ioctx.close)

    def test_what_is_left_of_a_copy(self):
        name, _content = self.image('image', 40 * MIB,
                                    [(0, os.urandom(32 * MIB))])
        seen = []

        def check():
            seen.extend(self.found())
            if seen:
                raise KeyError('enough')

        copy_case.service.CONTROLS.set_rates(total=4 * MIB)
        self.addCleanup(copy_case.service.CONTROLS.set_rates)
        self.assertRaises(KeyError, copy_case.service.copy,
                          self.request(name), lambda _: None, None, check)
        [partial] = self.found()
        self.assertEqual((name, False), (partial.image_id, partial.is_in_use))
        self.assertTrue(0 <= partial.age_seconds < 60, partial)
        self.assertTrue(partials.remove(self.ioctx, partial))
        self.assertEqual([], self.names(rig.TARGET))

    def test_one_that_is_in_use_stays(self):
        rbd = bindings.rbd()
        name = f'{self.prefix}.dcn-partial'
        rbd.RBD().create(self.ioctx, name, MIB)
        with rbd.Image(self.ioctx, name):
            [partial] = self.found()
            self.assertEqual((None, True),
                             (partial.image_id, partial.is_in_use))
            self.assertFalse(partials.remove(self.ioctx, partial))
        self.assertEqual([name], self.names(rig.TARGET))

    def test_one_that_has_no_lock(self):
        rbd = bindings.rbd()
        name = f'{self.prefix}.dcn-partial'
        rbd.RBD().create(self.ioctx, name, MIB,
                         features=rbd.RBD_FEATURE_LAYERING)
        [partial] = self.found()
        self.assertTrue(partials.remove(self.ioctx, partial))
        self.assertEqual([], self.names(rig.TARGET))

    def found(self):
        return [partial for partial in partials.found(self.ioctx)
                if partial.name.startswith(self.prefix)]
