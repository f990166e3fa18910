# SPDX-License-Identifier: Apache-2.0
"""The fence on a real Ceph: who is cut off, who goes on, and no answer."""

import errno
import json
import pathlib
import subprocess
import sys
import time
import uuid

import fixtures

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import fence
from dcn_plugins import exceptions
from tests.contracts import fence_contract
from tests.functional.storage import rados_case

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 60

# Two clients of one process, so of one address, write as fast as they can.
WRITERS = """
import json
import sys
import threading
import time

import rados

conf, user, pool, name = sys.argv[1:]


class Writer:

    def __init__(self, number):
        self.client = rados.Rados(conffile=conf, rados_id=user)
        self.client.connect()
        self.ioctx = self.client.open_ioctx(pool)
        self.name = f'{name}-{number}'
        self.writes = []
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.is_ended = False

    def write(self):
        while not self.is_ended:
            try:
                self.ioctx.write_full(self.name, b'data')
            except rados.Error as exc:
                self.writes.append((time.monotonic(), exc.errno))
                return
            self.writes.append((time.monotonic(), 0))

    def end(self):
        self.is_ended = True
        self.thread.join()
        self.ioctx.close()
        self.client.shutdown()


zombie, guest = writers = [Writer(number) for number in range(2)]


def wait_for_writes(writer, since):
    # A busy machine has few of them in a second.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and sum(
            moment > since for moment, _code in writer.writes) <= 10:
        time.sleep(0.01)


for writer in writers:
    writer.thread.start()
for writer in writers:
    wait_for_writes(writer, 0.0)
print(json.dumps([writer.client.get_addrs() for writer in writers]),
      flush=True)
cut_off_at = float(sys.stdin.readline())
zombie.thread.join(10)
time.sleep(0.5)
wait_for_writes(guest, cut_off_at)
for writer in writers:
    writer.end()
guest_at = [moment for moment, _code in guest.writes]
print(json.dumps({
    'zombie': [(moment - cut_off_at, code) for moment, code in zombie.writes
               if code or moment > cut_off_at],
    'zombie_writes': len(zombie.writes),
    'guest_codes': sorted({code for _moment, code in guest.writes}),
    'guest_after': sum(moment > cut_off_at for moment in guest_at),
    'guest_pause': max(b - a for a, b in zip(guest_at, guest_at[1:]))}))
"""

# A service under eventlet with the client that Cinder's driver has there.
SERVICE = """
import eventlet
eventlet.monkey_patch()

import json
import sys
import time

from eventlet import patcher
from eventlet import tpool
import rados

from dcn_plugins.ceph import fence

conf, user = sys.argv[1:]
clients = []
for _number in range(2):
    client = tpool.Proxy(rados.Rados(conffile=conf, rados_id=user))
    client.connect()
    clients.append(client)
ticks = []


def tick():
    while True:
        ticks.append(None)
        eventlet.sleep(0.01)


def run(function, *arguments):
    # In a thread of its own: should the others stand still while Ceph is
    # asked, there would be no tick.
    def watched():
        goal = len(ticks) + 5
        end = time.monotonic() + 30
        while len(ticks) < goal:
            if time.monotonic() > end:
                raise SystemExit('Nobody else goes on')
            patcher.original('time').sleep(0.01)
        return function(*arguments)

    return tpool.execute(watched)


eventlet.spawn(tick)
eventlet.sleep(0)
own = fence.Fence(clients[0], run)
own.may_blocklist()
print(json.dumps({'address': clients[1].get_addrs()}))
own.blocklist([clients[1].get_addrs()], 60)
"""


class FenceTest(fence_contract.FenceContract, rados_case.RadosTestCase):

    def setUp(self):
        self.rados = bindings.rados()
        self.object = f'fence-{uuid.uuid4()}'
        super().setUp()
        self.addCleanup(self.forget)

    def forget(self):
        ioctx = self.client().open_ioctx(self.rig.pool)
        for name in list(ioctx.list_objects()):
            if name.key.startswith(self.object):
                name.remove()
        ioctx.close()

    def client_without_caps(self):
        user = f'fence-{uuid.uuid4()}'
        admin = self.admin()
        answer = self.command(
            admin, prefix='auth get-or-create', entity=f'client.{user}',
            caps=['mon', 'allow r', 'osd', 'profile rbd'], format='json')
        self.addCleanup(self.command, admin, prefix='auth del',
                        entity=f'client.{user}')
        return self.client(user, key=json.loads(answer)[0]['key'], keyring='')

    def command(self, client, **command):
        code, out, text = client.mon_command(json.dumps(command), b'')
        self.assertEqual(0, code, text)
        return out

    def write(self, client):
        ioctx = client.open_ioctx(self.rig.pool)
        try:
            ioctx.write_full(self.object, b'data')
        finally:
            ioctx.close()

    def start(self, script, *arguments):
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', script, self.rig.conf,
             self.rig.user, *arguments],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_zombie_ends_at_once_and_a_guest_beside_it_goes_on(self):
        process = self.start(WRITERS, self.rig.pool, self.object)
        zombie, guest = json.loads(process.stdout.readline())
        self.assertEqual(zombie.partition('/')[0], guest.partition('/')[0])
        self.fence.blocklist([zombie])
        # What the next holder does first.
        self.write(self.own)
        cut_off_at = time.monotonic()
        out, _err = process.communicate(f'{cut_off_at}\n', WAIT_SECONDS)
        seen = json.loads(out)
        self.assertGreater(seen['zombie_writes'], 10)
        # An answer may have been on its way.
        *_before, (late_seconds, code) = seen['zombie']
        self.assertEqual(errno.ESHUTDOWN, code)
        self.assertLess(late_seconds, 5.0)
        self.assertEqual([0], seen['guest_codes'])
        self.assertGreater(seen['guest_after'], 10)
        # Of the machine, not of the fence; tests/bench measures that.
        self.assertLess(seen['guest_pause'], 15.0)

    def test_who_was_cut_off_lives_again_when_the_entry_ends(self):
        # Why an entry stays for so long.
        zombie = self.client()
        # Not so short that it may have ended before it is seen.
        self.fence.blocklist([zombie.get_addrs()], 10)
        self.assertCutOff(zombie)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                self.write(zombie)
                break
            except self.rados.ConnectionShutdown:
                time.sleep(0.2)
        else:
            self.fail('It does not; then that may be told.')

    def test_asking_whether_we_may_makes_no_entry(self):
        self.assertTrue(self.fence.may_blocklist())
        self.assertNotIn(b'256.256', self.command(
            self.own, prefix='osd blocklist ls'))

    def test_under_eventlet_nobody_else_waits(self):
        process = self.start(SERVICE)
        out, _err = process.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(0, process.returncode)
        seen = json.loads(out)
        self.assertIn(
            seen['address'].encode(),
            self.command(self.own, prefix='osd blocklist ls'))


class AwayTest(rados_case.RadosTestCase):
    """Monitors that stand still, of a cluster of our own."""

    @classmethod
    def setUpClass(cls):
        shared = fixtures.EnvironmentVariable('DCN_RIG')
        shared.setUp()
        try:
            super().setUpClass()
        finally:
            shared.cleanUp()

    def fence_of(self, client, wait_seconds=WAIT_SECONDS):
        return fence.Fence(client, lambda function, *args: function(*args),
                           wait_seconds)

    def test_there_is_an_end_to_waiting(self):
        own = self.fence_of(self.client(), 2.0)
        zombie = self.client()
        monitor = self.rig.ceph.mon
        monitor.pause()
        self.addCleanup(monitor.resume)
        for call in (lambda: own.blocklist([zombie.get_addrs()]),
                     own.may_blocklist):
            started = time.monotonic()
            error = self.assertRaises(exceptions.FenceError, call)
            self.assertLess(time.monotonic() - started, 10.0)
            self.assertIs(exceptions.Outcome.UNKNOWN, error.outcome)
        monitor.resume()
        client = self.client()
        self.fence_of(client).blocklist([zombie.get_addrs()])
        self.write(client)
        error = self.assertRaises(bindings.rados().ConnectionShutdown,
                                  self.write, zombie)
        self.assertEqual(errno.ESHUTDOWN, error.errno)

    def write(self, client):
        with client.open_ioctx(self.rig.pool) as ioctx:
            ioctx.write_full('away', b'data')
