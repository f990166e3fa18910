# SPDX-License-Identifier: Apache-2.0
"""Copiers die, meet one another, and lose what they copy from or to."""

import concurrent.futures
import hashlib
import os
import random
import threading
import time

import fixtures

from dcn_plugins.ceph import bindings
from dcn_plugins.imagecopy import engine
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import service
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

MIB = copy_case.MIB
#: Each leaves something else; "clone" and "distrust" have tests of their own.
STEPS = ('create', 'lock', 'record', 'snapshot', 'protect', 'rename')


class KillTest(copy_case.CopyTestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(service.CONTROLS.set_rates)

    def die_at(self, step):
        """Have copies that begin now die after a step."""
        for patch in (
                fixtures.MonkeyPatch(
                    'dcn_plugins.imagecopy.service._MODULE',
                    'tests.functional.imagecopy.dying_worker'),
                fixtures.EnvironmentVariable('DCN_COPY_STEP', step),
                fixtures.EnvironmentVariable('DCN_COPY_SIGNAL', 'SIGKILL')):
            self.useFixture(patch)

    def live_on(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.imagecopy.service._MODULE',
            'dcn_plugins.imagecopy.worker'))

    def complete(self, name, content):
        """Copy until the dead copier is not in the way any more."""
        end = time.monotonic() + 60
        while True:
            result = self.copy(name, hash_value=hashlib.sha512(
                content).hexdigest())
            if type(result.error).__name__ != 'TargetBusy' or (
                    time.monotonic() > end):
                return result
            time.sleep(2)

    def test_death_after_any_step(self):
        images = {step: self.image(step, 24 * MIB, [
            (MIB, os.urandom(7 * MIB))]) for step in STEPS}
        for step, (name, _content) in images.items():
            self.die_at(step)
            result = self.copy(name)
            self.assertEqual('CopyInterrupted', type(result.error).__name__)
            self.assertIn('-9', str(result.error))
        self.live_on()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            found = dict(zip(images, pool.map(
                lambda image: self.complete(*image), images.values())))
        for step, (name, content) in images.items():
            self.assertIsNone(found[step].error, step)
            self.assertEqual(
                requests.Outcome.PRESENT if step == 'rename'
                else requests.Outcome.COPIED, found[step].outcome, step)
            if step in ('snapshot', 'protect', 'rename'):
                self.assertEqual(0, found[step].sent_bytes, step)
            self.assertEqual(hashlib.sha512(content).hexdigest(),
                             self.exported(name), step)
        self.assertEqual(sorted(name for name, _ in images.values()),
                         sorted(self.names(rig.TARGET)))

    def test_death_at_any_moment(self):
        seed = random.randrange(1 << 32)
        self.addDetail('seed', copy_case.testtools.content.text_content(
            str(seed)))
        chance = random.Random(seed)
        images = [self.image(f'moment-{number}', 64 * MIB, [
            (0, os.urandom(48 * MIB))]) for number in range(3)]
        service.CONTROLS.set_rates(total=48 * MIB)
        sent = []

        def kill(image):
            with service._Copy(self.request(image[0]), lambda _: None,
                               None, None) as running:
                running.order(service.controls.Order(False, 16 * MIB, {}))
                time.sleep(chance.uniform(0.2, 4))
                running._process.kill()
                running.run()

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(kill, images))
            there = [self.used(name) for name, _content in images]
            service.CONTROLS.set_rates()
            sent = list(pool.map(lambda image: self.complete(*image), images))
        for result, before, (name, content) in zip(sent, there, images):
            self.assertIsNone(result.error)
            self.assertEqual(hashlib.sha512(content).hexdigest(),
                             self.exported(name))
            self.assertTrue(
                result.sent_bytes + before <= 48 * MIB + engine.MEMORY_BYTES,
                (result, before))

    def used(self, name):
        """Return how many bytes of objects a partial copy has."""
        found = copy_case.json.loads(self.command(
            rig.TARGET, 'ls', '--format', 'json', rig.POOL))
        partial = f'{name}.dcn-partial'
        if partial not in found:
            return 0
        return sum(part['length'] for part in copy_case.json.loads(
            self.command(rig.TARGET, 'diff', '--format', 'json',
                         f'{rig.POOL}/{partial}')))

    def test_death_within_a_renaming(self):
        """librbd has made the new name and removed nothing yet."""
        for number, is_listed in enumerate((False, True)):
            name, content = self.image(f'renamed-{number}', 8 * MIB,
                                       [(0, os.urandom(MIB))])
            self.die_at('protect')
            self.copy(name)
            self.live_on()
            partial = f'rbd_id.{name}.dcn-partial'
            found = self.rados(rig.TARGET, 'get', partial, None, '-')
            if is_listed:
                self.command(rig.TARGET, 'rename',
                             f'{rig.POOL}/{name}.dcn-partial',
                             f'{rig.POOL}/{name}')
                self.rados(rig.TARGET, 'put', partial, found)
            else:
                self.rados(rig.TARGET, 'put', f'rbd_id.{name}', found)
            result = self.complete(name, content)
            self.assertIsNone(result.error)
            self.assertEqual(hashlib.sha512(content).hexdigest(),
                             self.exported(name))
            self.assertEqual([name], [
                found for found in self.names(rig.TARGET)
                if found.startswith(name)])

    def empty_partial(self, name):
        """Make a partial image; return its name and that of its header."""
        partial = f'{name}.dcn-partial'
        self.command(rig.TARGET, 'create', '--size', '8M',
                     f'{rig.POOL}/{partial}')
        info = self.command(rig.TARGET, 'info', '--format', 'json',
                            f'{rig.POOL}/{partial}').decode()
        header = f'rbd_header.{copy_case.json_field(info, "id")}'
        return partial, header

    def test_death_within_a_creation(self):
        """librbd has made the name and no header."""
        name, content = self.image('made', 8 * MIB, [(0, os.urandom(MIB))])
        partial, header = self.empty_partial(name)
        self.rados(rig.TARGET, 'rm', header)
        self.assert_copied(name, content)

    def test_death_within_a_removal(self):
        """librbd has removed the header and the name, and lists it still."""
        name, content = self.image('gone', 8 * MIB, [(0, os.urandom(MIB))])
        partial, header = self.empty_partial(name)
        for thing in (header, f'rbd_id.{partial}'):
            self.rados(rig.TARGET, 'rm', thing)
        self.assertIn(partial, self.names(rig.TARGET))
        self.assert_copied(name, content)

    def test_death_within_a_removal_that_is_in_the_trash(self):
        """librbd moves an image to the trash before it removes the data."""
        name, content = self.image('trash', 8 * MIB, [(0, os.urandom(MIB))])
        partial, _header = self.empty_partial(name)
        with bindings.rados().Rados(conffile=self.rig.conf(rig.TARGET),
                                    rados_id='admin') as client, (
                client.open_ioctx(rig.POOL)) as ioctx:
            bindings.rbd().RBD().trash_move(ioctx, partial, 0)
            entry, = [found for found in bindings.rbd().RBD().trash_list(ioctx)
                      if found['name'] == partial]
            # As one whose removal has begun: the first byte of what is kept
            # of it, after a header of six, says where it comes from.
            key = f'id_{entry["id"]}'
            with bindings.rados().ReadOpCtx() as op:
                values, _code = ioctx.get_omap_vals_by_keys(op, (key,))
                ioctx.operate_read_op(op, 'rbd_trash')
                (_key, data), = values
            data = data[:6] + b'\3' + data[7:]
            with bindings.rados().WriteOpCtx() as op:
                ioctx.set_omap(op, (key,), (data,))
                ioctx.operate_write_op(op, 'rbd_trash')
            self.assert_copied(name, content)
            self.assertEqual([], [
                found for found in bindings.rbd().RBD().trash_list(ioctx)
                if found['name'] == partial])


class RaceTest(copy_case.CopyTestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(service.CONTROLS.set_rates)
        self.name, self.content = self.image(
            'race', 64 * MIB, [(0, os.urandom(32 * MIB))])

    def test_two_copiers_of_one_image(self):
        service.CONTROLS.set_rates(total=24 * MIB)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _number: self.copy(self.name),
                                  range(2)))
        outcomes = sorted(result.outcome.value for result in found)
        self.assertIn('copied', outcomes)
        for result in found:
            if result.error:
                self.assertEqual('TargetBusy', type(result.error).__name__)
        self.assertEqual(hashlib.sha512(self.content).hexdigest(),
                         self.exported(self.name))
        self.assertEqual([self.name], self.names(rig.TARGET))

    def test_a_source_that_is_deleted_meanwhile(self):
        service.CONTROLS.set_rates(total=10 * MIB)
        is_begun = threading.Event()

        def delete():
            is_begun.wait(60)
            place = f'{rig.POOL}/{self.name}'
            self.command(rig.SOURCE, 'snap', 'unprotect', f'{place}@snap')
            self.command(rig.SOURCE, 'snap', 'rm', '--no-progress',
                         f'{place}@snap')
            service.CONTROLS.resume(self.name)

        deleter = threading.Thread(target=delete)
        deleter.start()

        def told(progress):
            if progress.done_bytes and not is_begun.is_set():
                # It must not be faster than the deletion.
                service.CONTROLS.pause(self.name)
                is_begun.set()

        found = service.copy(self.request(self.name), lambda _: None, told)
        is_begun.set()
        deleter.join()
        result = found[rig.TARGET]
        self.assertEqual(requests.Outcome.FAILED, result.outcome)
        self.assertEqual([], self.whole())

    def whole(self):
        """Return what a store would find under the name of the image."""
        return [name for name in self.names(rig.TARGET)
                if name == self.name]

    def test_a_bit_that_flips_before_it_is_verified(self):
        flipped = []

        def told(progress):
            if progress.done_bytes > 4 * MIB and not flipped:
                service.CONTROLS.pause(self.name)
                partial = f'{self.name}.dcn-partial'
                info = self.command(rig.TARGET, 'info', '--format', 'json',
                                    f'{rig.POOL}/{partial}').decode()
                prefix = copy_case.json_field(info, 'block_name_prefix')
                # The rest of this object has not been sent yet.
                self.overwrite(rig.TARGET, f'{prefix}.{0:016x}', 5, b'!')
                flipped.append(progress.done_bytes)
                service.CONTROLS.resume(self.name)

        service.CONTROLS.set_rates(total=4 * MIB)
        found = service.copy(
            self.request(self.name, object_bytes=32 * MIB), lambda _: None,
            told)[rig.TARGET]
        self.assertTrue(flipped and flipped[0] < 30 * MIB, flipped)
        self.assertEqual('VerifyFailed', type(found.error).__name__)
        self.assertEqual(0, found.error.offset)
        self.assertEqual([], self.whole())
        service.CONTROLS.set_rates()
        again = self.copy(self.name)
        self.assertIsNone(again.error)
        self.assertEqual(4096, again.sent_bytes)
        self.assertEqual(hashlib.sha512(self.content).hexdigest(),
                         self.exported(self.name))

    def test_a_copy_that_is_cancelled(self):
        service.CONTROLS.set_rates(total=8 * MIB)
        is_paused = threading.Event()

        def told(progress):
            # Nor may it come to its end meanwhile.
            if progress.done_bytes >= 8 * MIB and not is_paused.is_set():
                service.CONTROLS.pause(self.name)
                is_paused.set()

        def check():
            # How soon it gets there is up to the machine.
            if is_paused.is_set():
                raise KeyError('enough')

        self.assertRaises(KeyError, service.copy, self.request(self.name),
                          lambda _: None, told, check)
        self.assertEqual([f'{self.name}.dcn-partial'],
                         self.names(rig.TARGET))
        service.CONTROLS.resume(self.name)
        service.CONTROLS.set_rates()
        result = self.assert_copied(self.name, self.content)
        self.assertTrue(result.saved_bytes > 0, result)

    def test_a_rate(self):
        service.CONTROLS.set_rates(total=4 * MIB)
        points = []
        found = service.copy(
            self.request(self.name), lambda _: None, lambda progress: (
                points.append((time.monotonic(), progress.done_bytes))))
        self.assertIsNone(found[rig.TARGET].error)
        (begin, before), *_more, (end, after) = [
            point for point in points if 0 < point[1] < 32 * MIB]
        rate = (after - before) / (end - begin)
        # What a machine with much else to do misses is not made good;
        # tests/bench measures how exact it is.
        self.assertTrue(0.4 < rate / (4 * MIB) < 1.15, rate)
