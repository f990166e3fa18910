# SPDX-License-Identifier: Apache-2.0
"""Markers in a real pool, by clients of the user that Cinder has."""

import uuid

import testtools

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import markers
from dcn_plugins import exceptions
from tests.contracts import marker_contract
from tests.functional.storage import rados_case


class MarkersTest(marker_contract.MarkerContract, rados_case.RadosTestCase):

    def setUp(self):
        self.rados = bindings.rados()
        self.object = f'markers-{uuid.uuid4()}'
        super().setUp()
        self.addCleanup(self.forget, self.object)

    def ioctx(self):
        return self.client().open_ioctx(self.rig.pool)

    def forget(self, name):
        ioctx = self.ioctx()
        # A test that has only looked has not made it.
        with ioctx, testtools.ExpectedException(
                self.rados.ObjectNotFound):
            ioctx.remove_object(name)
            ioctx.stat(name)

    def test_a_client_that_was_cut_off(self):
        zombie = self.client()
        ioctx = zombie.open_ioctx(self.rig.pool)
        own = markers.Markers(ioctx, name=self.object)
        own.begin('c1', {'a': 'x'}, 'record c1')
        self.admin().blocklist_add(zombie.get_addrs(), 60)
        # Who comes next.
        self.assertEqual({'a': 'record c1'}, self.begin('c2', {'a': 's'}))
        self.assertRaises(exceptions.Fenced, own.end, 'c1', {'a': 'x'},
                          'record c1')
        self.assertMarked(a='c1')
