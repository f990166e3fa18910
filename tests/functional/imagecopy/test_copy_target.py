# SPDX-License-Identifier: Apache-2.0
"""A target on a real Ceph is what the pump expects."""

import dataclasses
import errno
import types
from unittest import mock

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster
from dcn_plugins.ceph import copy_target
from dcn_plugins.ceph import image_handle
from dcn_plugins.ceph import image_names
from dcn_plugins.imagecopy import partials
from dcn_plugins.imagecopy import places
from tests.contracts import copy_contract
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig
from tests.lab import deadline


class CephTargetTest(copy_contract.TargetContract, copy_case.CopyTestCase):

    sum_of = staticmethod(checksums.of_bytes)

    def target(self):
        target = new_target(self, self.size)
        self.assertIs(copy_target.Found.NOTHING, target.open())
        return target


def new_target(case, size):
    """Return a target with a client of its own; both end with the test."""
    client = cluster.Cluster(case.place(rig.TARGET))
    case.addCleanup(client.close)
    target = copy_target.CopyTarget(
        client, rig.POOL, case.prefix, f'{case.prefix}.dcn-partial',
        'snap', size, copy_contract.MIB, 'dcn.copy',
        lambda text: text == 'ours', 'ours')
    case.addCleanup(target.close)
    return target


class PublishedMeanwhileTest(copy_case.CopyTestCase):
    """Another copier of the same image comes while one gives it its name."""

    def setUp(self):
        super().setUp()
        self.first = new_target(self, copy_contract.MIB)
        self.second = new_target(self, copy_contract.MIB)
        self.first.open()
        self.first.freeze()

    def publish(self):
        self.first.publish()
        self.first.close()

    def assert_one_is_whole(self, found):
        self.assertIs(copy_target.Found.WHOLE, found)
        self.assertEqual([self.prefix], [
            name for name in self.names(rig.TARGET)
            if name.startswith(self.prefix)])
        self.command(rig.TARGET, 'info', f'{rig.POOL}/{self.prefix}@snap')

    def test_what_else_has_got_the_name_is_left_alone(self):
        self.command(rig.TARGET, 'create', '--size', '1M',
                     f'{rig.POOL}/{self.prefix}')
        self.first.discard()
        self.assertEqual([self.prefix], self.names(rig.TARGET))

    def test_what_has_its_name_can_be_discarded(self):
        self.publish()
        self.first.discard()
        self.assertEqual([], self.names(rig.TARGET))

    def test_it_had_no_name_when_the_other_looked(self):
        finish = copy_target.flatten.finish

        def late(*arguments):
            if self.first._image:
                self.publish()
            finish(*arguments)

        with mock.patch.object(copy_target.flatten, 'finish', late):
            found = self.second.open()
        self.assert_one_is_whole(found)

    def test_the_other_waits_for_its_lock(self):
        call = image_handle.ImageHandle.call

        def late(handle, name, *arguments):
            if name == 'rbd_lock_acquire' and self.first._image:
                self.publish()
            return call(handle, name, *arguments)

        with mock.patch.object(image_handle.ImageHandle, 'call', late):
            found = self.second.open()
        self.assert_one_is_whole(found)

    def test_it_dies_within_the_renaming_when_the_other_has_looked(self):
        finish = copy_target.flatten.finish

        def late(*arguments):
            if self.first._image:
                self.rados(rig.TARGET, 'put', f'rbd_id.{self.prefix}',
                           self.rados(rig.TARGET, 'get',
                                      f'rbd_id.{self.prefix}.dcn-partial',
                                      None, '-'))
                self.first.close()
            finish(*arguments)

        with mock.patch.object(copy_target.flatten, 'finish', late):
            found = self.second.open()
        self.assert_one_is_whole(found)

    def test_who_clears_up_has_opened_it_before(self):
        rados, rbd = bindings.rados(), bindings.rbd()
        publish = self.publish

        class Late(rbd.Image):

            def watchers_list(self):
                publish()
                return super().watchers_list()

        late = types.SimpleNamespace(**{**vars(rbd), 'Image': Late})
        place = self.place(rig.TARGET)
        with rados.Rados(conffile=place.conf, rados_id=place.user) as client:
            with client.open_ioctx(rig.POOL) as ioctx:
                partial, = [one for one in partials.found(ioctx)
                            if one.name.startswith(self.prefix)]
                with mock.patch.object(bindings, 'rbd', lambda: late):
                    self.assertTrue(partials.remove(ioctx, partial))
        self.assert_one_is_whole(self.second.open())

    def test_the_other_finds_half_a_renaming(self):
        """The new name is made, then it is listed, then the old one goes."""
        found = []
        lists = image_names.ImageNames._list_anew

        def late(*arguments):
            with mock.patch.object(
                    image_names.ImageNames, '_list_anew', lists):
                found.append(self.second.open())
            lists(*arguments)

        with mock.patch.object(image_names.ImageNames, '_list_anew', late):
            self.publish()
        self.assert_one_is_whole(*found)


class FullTest(copy_case.CopyTestCase):

    def test_a_pool_that_is_full_is_named(self):
        order = self.rig.cluster(rig.TARGET).ceph
        order('osd', 'pool', 'create', self.prefix, '1')
        self.addCleanup(order, 'osd', 'pool', 'rm', self.prefix, self.prefix,
                        '--yes-i-really-really-mean-it')
        other, client = (cluster.Cluster(place) for place in (
            self.place(rig.TARGET), dataclasses.replace(
                self.place(rig.TARGET), pool=self.prefix)))
        self.addCleanup(other.close)
        self.addCleanup(client.close)
        self.assertIsNone(client.full_reason())
        order('osd', 'pool', 'set-quota', self.prefix, 'max_objects', '1')
        context = client.context(self.prefix)
        cluster.set_attribute(context, 'one', 'key', 'value')
        reason = deadline.wait('the pool being full', client.full_reason, 60)
        self.assertIn(f"pool '{self.prefix}' is full", reason)
        self.assertIsNone(other.full_reason())
        self.assertIs(self, places.Places.explained(
            types.SimpleNamespace(full_reason=lambda: None), self))
        error = places.Places.explained(client, self)
        self.assertEqual((reason, errno.ENOSPC), (error.reason, error.errno))
