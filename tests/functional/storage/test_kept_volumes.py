# SPDX-License-Identifier: Apache-2.0
"""Deleted volumes that are kept for others, until these are gone, too."""

import pathlib
import tempfile

from tests.functional.storage import rados_case
from tests.functional.storage import volume_service


class KeptTest(rados_case.RadosTestCase):
    """Clones are of the second kind: a snapshot may go before its clones."""

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        conf = pathlib.Path(directory.name) / 'ceph.conf'
        conf.write_text(pathlib.Path(self.rig.conf).read_text()
                        + 'rbd_default_clone_format = 2\n')
        self.service = volume_service.VolumeService(
            self.rig, rbd_ceph_conf=str(conf))
        self.addCleanup(self.service.close)
        self.made = []

    def volume(self, **more):
        made = volume_service.volume(**more)
        self.made.append(made.name)
        return made

    def assertNothingLeft(self):
        self.assertEqual([], [
            name for names in self.service.names() for name in names
            if name.removesuffix('.deleted') in self.made])

    def arrange(self):
        """Return the volumes of a family: one of a snapshot, and a clone.

        The volume that both are of is deleted, and so is the snapshot.
        """
        source, of_snapshot = self.volume(), self.volume()
        clone = self.volume(source_volid=source.id)
        taken = volume_service.snapshot(source)
        self.service.create(source)
        self.service.snapshot(taken)
        self.service.create_from_snapshot(of_snapshot, taken)
        self.service.clone(clone, source)
        self.service.delete_snapshot(taken)
        self.service.delete(source)
        self.assertIn(f'{source.name}.deleted', self.service.names()[0])
        return of_snapshot, clone

    def test_until_the_last_one_is_gone_that_is_of_a_snapshot(self):
        of_snapshot, clone = self.arrange()
        self.service.delete(clone)
        self.service.delete(of_snapshot)
        self.assertNothingLeft()

    def test_until_the_last_clone_is_gone(self):
        of_snapshot, clone = self.arrange()
        self.service.delete(of_snapshot)
        self.service.delete(clone)
        self.assertNothingLeft()

    def test_also_behind_another_one_that_is_kept(self):
        of_snapshot, clone = self.arrange()
        last = self.volume(source_volid=of_snapshot.id)
        self.service.clone(last, of_snapshot)
        self.service.delete(of_snapshot)
        self.service.delete(clone)
        self.service.delete(last)
        self.assertNothingLeft()
