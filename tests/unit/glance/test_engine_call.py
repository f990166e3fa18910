# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
import threading
import time
import unittest

from dcn_plugins import exceptions
from dcn_plugins.glance import engine_call

# A program that eventlet has patched: a native call that blocks, and a green
# thread that has to go on meanwhile.
_GREEN = '''
import eventlet
eventlet.monkey_patch()
import threading, time
from eventlet import patcher
from dcn_plugins.glance import engine_call

native_time = patcher.original('time')
native_threading = patcher.original('threading')
ticks, calls = [], []

def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)

eventlet.spawn(tick)
green = native_threading.get_ident()
call = engine_call.EngineCall('image-1')
lock = threading.Lock()

def on_result(result):
    with lock:
        time.sleep(0.05)
    calls.append((result, native_threading.get_ident() == green))
    return 'noted'

ask = call.served(on_result)

def engine():
    assert native_threading.get_ident() != green
    native_time.sleep(1.0)
    return ask('dcn0')

print(call.run(engine, lambda: None, 5.0), calls, len(ticks) > 50)
'''


class EngineCallTest(unittest.TestCase):

    def setUp(self):
        self.here = threading.get_ident()
        self.call = engine_call.EngineCall('image-1', stop_seconds=0.2)
        self.is_beaten = threading.Event()

    def beat(self):
        self.is_beaten.set()

    def run_engine(self, function, beat=None, beat_seconds=0.01):
        return self.call.run(function, beat or self.beat, beat_seconds)

    def test_the_engine_has_a_thread_of_its_own(self):
        self.assertNotEqual(self.here, self.run_engine(threading.get_ident))

    def test_what_it_asks_for_is_done_here(self):
        ask = self.call.served(
            lambda *args: (args, threading.get_ident()))
        self.assertEqual((('dcn0', 1), self.here),
                         self.run_engine(lambda: ask('dcn0', 1)))

    def test_several_threads_ask(self):
        ask = self.call.served(lambda number: 2 * number)
        found = []

        def engine():
            threads = [threading.Thread(
                target=lambda number=number: found.append(ask(number)))
                for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        self.run_engine(engine)
        self.assertEqual([2 * number for number in range(8)], sorted(found))

    def test_an_error_of_ours_is_the_engine_s_to_see(self):
        def fail():
            raise ZeroDivisionError('test')

        ask = self.call.served(fail)

        def engine():
            try:
                ask()
            except ZeroDivisionError as exc:
                return f'seen: {exc}'

        self.assertEqual('seen: test', self.run_engine(engine))

    def test_an_error_of_the_engine_comes_out(self):
        with self.assertRaises(exceptions.CopyError):
            self.run_engine(lambda: (_ for _ in ()).throw(
                exceptions.CopyError('test', 'image-1')))

    def test_beats_go_on_while_the_engine_blocks(self):
        beats = []
        self.run_engine(lambda: time.sleep(0.3), lambda: beats.append(1))
        self.assertGreater(len(beats), 3)

    def test_a_beat_that_raises_stops_the_engine(self):
        stopped = []

        def beat():
            raise TimeoutError('the task was ended')

        def engine():
            while True:
                time.sleep(0.01)
                try:
                    self.call.check()
                except TimeoutError as exc:
                    stopped.append(exc)
                    raise exceptions.CopyError('stopped', 'image-1') from exc

        with self.assertRaisesRegex(TimeoutError, 'the task was ended'):
            self.run_engine(engine, beat)
        self.assertEqual(1, len(stopped))

    def test_an_engine_that_does_not_stop_can_register_nothing(self):
        go_on, ended = threading.Event(), threading.Event()
        noted, refused = [], []
        ask = self.call.served(noted.append)

        def beat():
            raise TimeoutError('the task was ended')

        def engine():
            go_on.wait(60)
            try:
                ask('dcn0')
            except exceptions.CopyCancelled as exc:
                refused.append(exc)
            ended.set()

        with self.assertLogs('dcn_plugins.glance.engine_call', 'ERROR'), \
                self.assertRaises(TimeoutError):
            self.run_engine(engine, beat)
        go_on.set()
        self.assertTrue(ended.wait(60))
        self.assertEqual(([], 1), (noted, len(refused)))

    def test_an_image_that_is_as_quick_as_the_first_look(self):
        self.assertEqual(7, self.run_engine(lambda: 7))
        self.assertFalse(self.is_beaten.is_set())

    def test_under_eventlet_all_else_goes_on(self):
        ran = subprocess.run([sys.executable, '-W', 'ignore', '-c', _GREEN],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertEqual("noted [('dcn0', True)] True", ran.stdout.strip())
