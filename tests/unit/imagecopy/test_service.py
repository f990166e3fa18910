# SPDX-License-Identifier: Apache-2.0
"""The caller's side, with processes that only say something."""

import os
import sys
import threading
import time

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import service
from tests.unit.imagecopy import test_protocol

_BEGIN = '''
import sys, time
from dcn_plugins.imagecopy import protocol, request as r
from dcn_plugins import exceptions
def say(kind, **content):
    sys.stdout.buffer.write(protocol.line(kind, **content))
    sys.stdout.flush()
def hear(kind):
    while True:
        found = protocol.message(sys.stdin.buffer.readline())
        if found[0] == kind:
            return found[1]
hear('request')
def result(outcome, **more):
    say('result', result=protocol.packed(r.Result('dcn0', outcome, **more)))
'''


class ServiceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.scripts = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.EnvironmentVariable(
            'PYTHONPATH', os.pathsep.join([self.scripts, *sys.path])))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.imagecopy.service._MODULE', 'script'))
        self.noted = []

    def copy(self, script, on_result=None, **options):
        with open(os.path.join(self.scripts, 'script.py'), 'w') as found:
            found.write(_BEGIN + script)
        return service.copy(test_protocol.REQUEST,
                            on_result or self.noted.append, **options)

    def test_a_result(self):
        found = self.copy('''
say('progress', progress=protocol.packed(r.Progress('dcn0', 'pump', 1, 2, 3)))
result(r.Outcome.COPIED, location='rbd://x')
hear('keep')
''', on_progress=self.noted.append)
        self.assertEqual(requests.Outcome.COPIED, found['dcn0'].outcome)
        self.assertEqual('pump', self.noted[0].step)
        self.assertEqual(found['dcn0'], self.noted[1])

    def test_a_result_that_nobody_wants(self):
        def refuse(result):
            raise RuntimeError('no')

        found = self.copy('''
result(r.Outcome.COPIED, location='rbd://x')
hear('discard')
''', refuse)
        self.assertEqual(requests.Outcome.FAILED, found['dcn0'].outcome)
        self.assertIsNone(found['dcn0'].location)

    def test_a_process_that_dies(self):
        found = self.copy('import os\nsys.stderr.write("oh")\n'
                          'sys.stderr.flush()\nos._exit(7)')
        error = found['dcn0'].error
        self.assertIsInstance(error, exceptions.CopyInterrupted)
        self.assertIn('7', str(error))
        self.assertIn(found['dcn0'], self.noted)

    def test_whoever_asks_has_it_logged(self):
        def refuse(result):
            raise RuntimeError('no')

        told, is_heard = [], threading.Event()

        def log(_level, text, *args):
            told.append(text % args)
            if 'slow' in told[-1]:
                is_heard.set()

        self.copy('''
sys.stderr.write("slow\\n")
sys.stderr.flush()
result(r.Outcome.COPIED, location='rbd://x')
hear('discard')
''', refuse, log=log)
        # It is read beside.
        self.assertTrue(is_heard.wait(30))
        self.assertIn('removed from store dcn0 again: no', '\n'.join(told))

    def test_nobody_is_left_to_log(self):
        def gone(*_args):
            raise exceptions.CopyCancelled('image', 'nobody waits')

        found = self.copy('''
sys.stderr.write("slow\\n")
sys.stderr.flush()
result(r.Outcome.COPIED, location='rbd://x')
hear('keep')
''', log=gone)
        self.assertEqual(requests.Outcome.COPIED, found['dcn0'].outcome)

    def test_a_process_that_cannot_begin(self):
        self.assertRaises(exceptions.SourceMissing, self.copy, '''
say('failed', error=protocol.packed_error(exceptions.SourceMissing('a', 'b')))
''')

    def test_a_check_that_raises(self):
        def check():
            raise KeyError('enough')

        self.assertRaises(KeyError, self.copy, '''
hear('cancel')
result(r.Outcome.CANCELLED)
hear('keep')
''', check=check)
        self.assertEqual(requests.Outcome.CANCELLED, self.noted[0].outcome)

    def test_orders_arrive(self):
        service.CONTROLS.set_rates(total=5)
        self.addCleanup(service.CONTROLS.set_rates)
        found = self.copy('''
total = hear('rates')['total']
hear('resume')
result(r.Outcome.COPIED, size_bytes=int(total))
hear('keep')
''')
        self.assertEqual(5, found['dcn0'].size_bytes)

    def test_orders_wait_for_nobody(self):
        """A process has ended, and whoever logs waits for who gives orders.

        So it is under eventlet: messages of our threads are logged by the one
        thread of the service, which may want to give orders just then.
        """
        is_ordered = threading.Event()

        def log(_level, text, *args):
            self.assertTrue(is_ordered.wait(30), text)

        def refuse(_result):
            # The process is gone, and all that is said fails.
            for number in range(20):
                service.CONTROLS.set_rates(total=number + 1)
                time.sleep(0.01)
            is_ordered.set()

        self.addCleanup(service.CONTROLS.set_rates)
        self.copy('''
import os
result(r.Outcome.COPIED, location='rbd://x')
os._exit(0)
''', refuse, log=log)
        self.assertTrue(is_ordered.is_set())

    def test_orders_to_a_process_that_does_not_read(self):
        path = os.path.join(self.scripts, 'ordered')
        took = []

        def order(_result):
            # Far more than what fits into a pipe.
            begun_at = time.monotonic()
            for number in range(2000):
                service.CONTROLS.set_rates(total=number + 1)
            took.append(time.monotonic() - begun_at)
            with open(path, 'w'):
                pass

        self.addCleanup(service.CONTROLS.set_rates)
        found = self.copy(f'''
import os
result(r.Outcome.COPIED, location='rbd://x')
end = time.monotonic() + 30
while not os.path.exists({path!r}) and time.monotonic() < end:
    time.sleep(0.01)
hear('keep')
''', order)
        self.assertEqual(requests.Outcome.COPIED, found['dcn0'].outcome)
        self.assertLess(took[0], 25)
