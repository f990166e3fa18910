# SPDX-License-Identifier: Apache-2.0
"""The scrub on two real clusters, beside a real glance-api.

All images are uploaded and copied by Glance. Then drift is planted.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
import uuid

import fixtures
import testtools

from dcn_plugins.ceph import bindings
from dcn_plugins.glance import deleted_copies
from dcn_plugins.glance import scrub
from dcn_plugins.imagecopy import request
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from tests.fakes import etcd
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import glance_server
from tests.functional.imagecopy import rig

RADOS, RBD = bindings.rados(), bindings.rbd()
MIB = 1 << 20
# More than an object, and no whole grain at its end.
SIZE = 9 * MIB + 4097
SNAPSHOT = 'snap'

# The command, which is killed instead of its first removal.
KILLED = '''
import os, signal, sys
from dcn_plugins.glance import scrub, store_facts

def die(self, pool, found):
    os.kill(os.getpid(), signal.SIGKILL)

store_facts.StoreFacts.remove = die
sys.exit(scrub.main(sys.argv[1:]))
'''
ALL = ('--repair', '--remove-partials', '--remove-orphans',
       '--remove-locations')


def order(cluster, prefix, **words):
    """Have the monitors of a cluster do something."""
    code, _answer, text = cluster.mon_command(
        json.dumps({'prefix': prefix, **words}), b'')
    if code:
        raise AssertionError(f'{prefix} {words}: {text}')


class ScrubTest(copy_case.RigTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Other tests leave partial copies in theirs.
        cls.pool = f'scrub-{os.getpid()}'
        cls.clusters = {site: cls.connected(site)
                        for site in (rig.SOURCE, rig.TARGET)}
        # One for all tests: the database of a process is opened once.
        cls.glance = glance_server.GlanceServer(cls.rig, cls.pool)
        cls.glance.setUp()
        cls.addClassCleanup(cls.glance.cleanUp)

    @classmethod
    def connected(cls, site):
        """Return a client of a cluster, with a pool that goes at the end."""
        cluster = bindings.rados().Rados(
            conffile=cls.rig.conf(site), rados_id='admin')
        cluster.connect()
        cls.addClassCleanup(cluster.shutdown)
        order(cluster, 'osd pool create', pool=cls.pool, pg_num=8)
        cls.addClassCleanup(
            order, cluster, 'osd pool delete', pool=cls.pool, pool2=cls.pool,
            yes_i_really_really_mean_it=True)
        order(cluster, 'osd pool application enable', pool=cls.pool,
              app='rbd')
        return cluster

    def setUp(self):
        super().setUp()
        self.prefix = uuid.uuid4().hex[:8]
        self.ids = iter([f'{self.prefix}-0000-4000-8000-{number:012}'
                         for number in range(100)])
        self.fsids = {site: cluster.get_fsid()
                      for site, cluster in self.clusters.items()}
        self.pools = {site: cluster.open_ioctx(self.pool)
                      for site, cluster in self.clusters.items()}
        for pool in self.pools.values():
            self.addCleanup(pool.close)
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for site in self.pools:
            for name in self.names(site):
                self.remove(name, site)
        self.glance.change('DELETE FROM image_locations')
        self.glance.change("UPDATE images SET deleted = 1, "
                           "status = 'deleted' WHERE id LIKE ?",
                           f'{self.prefix}%')

    def names(self, site):
        """Return the names of the images of the test."""
        return {name for name in RBD.RBD().list(self.pools[site])
                if name.startswith(self.prefix)}

    def make(self, count):
        """Return ids of new images that are in both stores."""
        found = [next(self.ids) for _number in range(count)]
        for image_id in found:
            self.glance.upload(image_id, os.urandom(MIB) + bytes(MIB)
                               + os.urandom(SIZE - 2 * MIB))
        self.glance.copy(found)
        return found

    def arguments(self, *arguments):
        return ['--config-file', self.glance.conf, '--grace-seconds', '0',
                '--wait-seconds', '1', *arguments]

    def found(self, *arguments, status=1):
        """Return ``{(kind, store, image): whether it was repaired}``."""
        shown = self.scrubbed(*arguments, status=status)
        self.assertEqual({}, shown['unknown'])
        return {(one['kind'], one['store'], one['rbd_image']):
                one.get('repaired') for one in shown['findings']}

    def scrubbed(self, *arguments, status):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), (
                contextlib.redirect_stderr(errors)):
            code = scrub.main(self.arguments('--json', *arguments))
        self.addDetail(f'report {arguments}', testtools.content.text_content(
            errors.getvalue() + output.getvalue()))
        self.assertEqual(status, code)
        return json.loads(output.getvalue())

    def opened(self, name, site=rig.TARGET):
        return RBD.Image(self.pools[site], name)

    # What is planted.

    def remove(self, name, site=rig.TARGET):
        self.unfreeze(name, site)
        RBD.RBD().remove(self.pools[site], name)

    def unfreeze(self, name, site=rig.TARGET):
        with self.opened(name, site) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot['name']):
                    image.unprotect_snap(snapshot['name'])
                image.remove_snap(snapshot['name'])

    def forget(self, image_id, site=rig.TARGET):
        """Have Glance forget that an image is in a store."""
        self.assertEqual(1, self.glance.change(
            "UPDATE image_locations SET deleted = 1, status = 'deleted' "
            'WHERE image_id = ? AND value LIKE ?', image_id,
            f'rbd://{self.fsids[site]}/%'))

    def missing_image(self, image_id):
        self.remove(image_id)

    def partial_copy(self, image_id):
        self.forget(image_id)
        RBD.RBD().rename(self.pools[rig.TARGET], image_id,
                         f'{image_id}.dcn-partial')

    def orphan_image(self, image_id):
        self.forget(image_id)

    def deleted_image(self, image_id):
        self.remove(image_id, rig.SOURCE)
        self.glance.change(
            "UPDATE image_locations SET deleted = 1, status = 'deleted' "
            'WHERE image_id = ?', image_id)
        self.glance.change(
            "UPDATE images SET deleted = 1, status = 'deleted' WHERE id = ?",
            image_id)

    def wrong_size(self, image_id):
        self.unfreeze(image_id)
        with self.opened(image_id) as image:
            image.resize(2 * SIZE)
            image.create_snap(SNAPSHOT)
            image.protect_snap(SNAPSHOT)

    def wrong_content(self, image_id, site=rig.TARGET):
        """Change an object behind the back of RBD, also for snapshots."""
        with self.opened(image_id, site) as image:
            prefix = image.block_name_prefix()
        self.pools[site].write(f'{prefix}.{0:016x}', b'!!!!', 12345)

    def snapshot_missing(self, image_id):
        self.unfreeze(image_id)

    def snapshot_unprotected(self, image_id):
        with self.opened(image_id) as image:
            image.unprotect_snap(SNAPSHOT)

    def wrong_cluster(self, image_id):
        fsid = self.fsids[rig.TARGET]
        self.assertEqual(1, self.glance.change(
            'UPDATE image_locations SET value = replace(value, ?, ?) '
            'WHERE image_id = ? AND value LIKE ?', fsid, str(uuid.uuid4()),
            image_id, f'rbd://{fsid}/%'))

    def headless_image(self, image_id):
        """Have it as a copy that died while librbd made its image."""
        self.forget(image_id)
        self.remove(image_id)
        partial = f'{image_id}.dcn-partial'
        pool = self.pools[rig.TARGET]
        RBD.RBD().create(pool, partial, SIZE)
        with self.opened(partial) as image:
            header = f'rbd_header.{image.id()}'
        pool.remove_object(header)

    def half_named(self, image_id):
        """Have it as a copy that died while it gave the image its name."""
        self.partial_copy(image_id)
        pool = self.pools[rig.TARGET]
        pool.write_full(f'rbd_id.{image_id}',
                        pool.read(f'rbd_id.{image_id}.dcn-partial'))

    KINDS = ('missing-image', 'partial-copy', 'orphan-image',
             'deleted-image', 'wrong-size', 'wrong-content',
             'snapshot-missing', 'snapshot-unprotected', 'wrong-cluster',
             'headless-image')
    NAMED_PARTIAL = ('partial-copy', 'headless-image')

    def plant(self):
        """Plant each kind once; return ``{kind: id of the image}``."""
        images = dict(zip(self.KINDS, self.make(len(self.KINDS))))
        for kind, image_id in images.items():
            getattr(self, kind.replace('-', '_'))(image_id)
        return images

    def test_all_kinds(self):
        healthy = self.make(2)
        self.assertEqual({}, self.found('--deep', status=0))

        images = self.plant()
        wanted = {
            (kind, rig.TARGET, image_id + (
                '.dcn-partial' if kind in self.NAMED_PARTIAL else ''))
            for kind, image_id in images.items()}
        # A location in a wrong cluster leaves its image without one.
        moved = images['wrong-cluster']
        wanted.add(('orphan-image', rig.TARGET, moved))
        seen = self.found('--deep')
        self.assertEqual(wanted, set(seen))
        # Without reading there is no content to be wrong.
        wrong = ('wrong-content', rig.TARGET, images['wrong-content'])
        self.assertEqual(wanted - {wrong}, set(self.found()))

        # Nothing is removed that nobody has allowed.
        able = {'snapshot-missing', 'snapshot-unprotected'}
        seen = self.found('--deep', '--repair')
        self.assertEqual(able, {key[0] for key, is_done in seen.items()
                                if is_done})
        killed = subprocess.run(
            [sys.executable, '-c', KILLED, *self.arguments(
                '--repair', '--remove-orphans')],
            capture_output=True, text=True, timeout=300)
        self.assertEqual(-9, killed.returncode, killed.stderr)
        seen = self.found('--deep', *ALL)
        left = {('wrong-size', rig.TARGET, images['wrong-size']), wrong,
                ('wrong-cluster', rig.TARGET, moved)}
        self.assertEqual(left, {key for key, is_done in seen.items()
                                if not is_done}, seen)

        # To repair twice is to repair once.
        before = self.state()
        self.assertEqual(left, set(self.found('--deep', *ALL)))
        self.assertEqual(before, self.state())
        self.assert_repaired(images, healthy)

    def assert_repaired(self, images, healthy):
        # The policy has it copied again.
        missing = images['missing-image']
        self.assertEqual([rig.SOURCE], self.glance.stores(missing))
        self.glance.copy([missing])
        whole = [missing, images['snapshot-missing'],
                 images['snapshot-unprotected'], *healthy]
        self.assertEqual(set(), {key for key in self.found(
            '--deep', '--read-all') if key[2] in whole})
        self.assertEqual(
            {*whole, images['wrong-size'], images['wrong-content']},
            set(self.names(rig.TARGET)))
        # At the source nothing was touched.
        self.assertEqual(
            {*images.values(), *healthy} - {images['deleted-image']},
            set(self.names(rig.SOURCE)))

    def state(self):
        """Return what a repair could change."""
        found = {}
        for site in self.pools:
            for name in self.names(site):
                with self.opened(name, site) as image:
                    found[site, name] = image.id(), image.size(), [
                        (snapshot['id'],
                         image.is_protected_snap(snapshot['name']))
                        for snapshot in image.list_snaps()]
        return found, [image['stores'] for image in self.glance.ask(
            'GET', '/v2/images?limit=100')['images']]

    def test_all_copies_are_bad(self):
        image_id, lonely = self.make(2)
        self.missing_image(image_id)
        self.wrong_content(image_id, rig.SOURCE)
        self.remove(lonely, rig.SOURCE)
        self.forget(lonely)
        wanted = {('missing-image', rig.TARGET, image_id): False,
                  ('missing-image', rig.SOURCE, lonely): False,
                  ('orphan-image', rig.TARGET, lonely): False}
        self.assertEqual(wanted, self.found(*ALL))
        self.assertEqual({rig.SOURCE, rig.TARGET},
                         set(self.glance.stores(image_id)))
        self.assertIn(lonely, self.names(rig.TARGET))

    def test_a_site_that_is_away(self):
        [image_id] = self.make(1)
        self.missing_image(image_id)
        self.glance.configure({rig.SOURCE: '/nowhere'})
        self.addCleanup(self.glance.configure)
        shown = self.scrubbed(status=2)
        self.assertEqual([f'store {rig.SOURCE}'], list(shown['unknown']))
        self.assertEqual(['missing-image'],
                         [one['kind'] for one in shown['findings']])

    def test_a_copy_that_has_its_name_by_half(self):
        [image_id] = self.make(1)
        self.half_named(image_id)
        name = f'{image_id}.dcn-partial'
        wanted = {('partial-copy', rig.TARGET, name): True}
        self.assertEqual(wanted, self.found('--repair', '--remove-partials',
                                            status=0))
        self.assertEqual(set(), self.names(rig.TARGET))
        for left in (name, image_id):
            self.assertRaises(RADOS.ObjectNotFound, self.pools[
                rig.TARGET].stat, f'rbd_id.{left}')
        self.glance.copy([image_id])
        self.assertEqual({}, self.found('--deep', status=0))

    def test_what_is_left_of_deleted_images(self):
        copied, partial, named, headless, living = self.make(5)
        self.partial_copy(partial)
        self.half_named(named)
        self.headless_image(headless)
        for image_id in (copied, partial, named, headless):
            self.deleted_image(image_id)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.deleted_copies.GRACE_SECONDS', 0.0))
        client = etcd.Client()
        own = session.Session(client, lambda: etcd.Client(client.store), 60)
        self.addCleanup(own.close)
        told = {}
        removal = deleted_copies.DeletedCopies(
            locks.Locks(client, own, '/t/l'),
            lambda: {rig.TARGET: request.Place(
                rig.TARGET, self.rig.conf(rig.TARGET), 'admin', self.pool)},
            [self.glance.conf], lambda _moment: told)
        removal.work()
        self.assertEqual({copied, f'{partial}.dcn-partial',
                          f'{named}.dcn-partial',
                          f'{headless}.dcn-partial', living},
                         self.names(rig.TARGET))
        # One of them lives, whatever was read of it.
        told.update(dict.fromkeys(
            (copied, partial, named, headless, living), time.time()))
        removal.work()
        self.assertEqual({living}, self.names(rig.TARGET))
        self.assertEqual({rig.SOURCE, rig.TARGET},
                         set(self.glance.stores(living)))
