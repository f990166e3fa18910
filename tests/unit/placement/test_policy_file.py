# SPDX-License-Identifier: Apache-2.0

import logging
import os
import threading

import fixtures
import testtools

from dcn_plugins.placement import policy_file
from tests.unit.placement import policies

OTHER = policies.TEXT.replace('public everywhere', 'something else')
BROKEN = policies.TEXT.replace('stores: all', 'stores: group:nothing')


class PolicyFileTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'placement.yaml')
        self.log = self.useFixture(fixtures.FakeLogger(
            format='%(levelname)s %(message)s', level=logging.INFO))
        self.now = 0.0
        self.file = policy_file.PolicyFile(self.path, lambda: self.now)

    def write(self, text):
        with open(self.path, 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def later(self):
        """Return the name of a rule of the policy in force a second later."""
        self.now += policy_file.CHECK_SECONDS
        policy = self.file.current()
        return policy and policy.rules[1].name

    def test_it_is_read_again(self):
        self.write(policies.TEXT)
        self.assertEqual('public everywhere', self.later())
        before = self.file.current()
        self.write(OTHER)
        self.assertIs(before, self.file.current(), 'not a second later')
        self.assertEqual('something else', self.later())
        self.assertEqual(2, self.log.output.count('is in force now'))
        self.assertEqual('something else', self.later())
        self.assertEqual(2, self.log.output.count('is in force now'))

    def test_last_good_one_stays(self):
        self.write(policies.TEXT)
        self.later()
        for text in (BROKEN, b'version: 1\n# \xff\n', ''):
            self.write(text)
            self.assertEqual('public everywhere', self.later())
            self.assertEqual('public everywhere', self.later())
            self.assertIsNotNone(self.file.problem)
        os.unlink(self.path)
        self.assertEqual('public everywhere', self.later())
        self.assertEqual('public everywhere', self.later())
        errors = [line for line in self.log.output.split('\n')
                  if line.startswith('ERROR')]
        self.assertEqual(4, len(errors), errors)
        for error, text in zip(errors, (
                "line 18: there is no group 'nothing'", 'line 2: it is no '
                'text: save it as UTF-8', 'line 1: the file is empty',
                'it cannot be read: No such file')):
            self.assertIn(f'{self.path}: {text}', error)
            self.assertNotIn('no good one', error)
        self.write(policies.TEXT)
        self.assertEqual('public everywhere', self.later())
        self.assertIsNone(self.file.problem)

    def test_none_at_all(self):
        self.assertIsNone(self.later())
        self.assertIsNone(self.later())
        self.assertEqual(1, self.log.output.count('ERROR'))
        self.assertIn('no good one since this process began',
                      self.log.output)
        self.write(policies.TEXT)
        self.assertEqual('public everywhere', self.later())

    def test_it_is_not_waited_for(self):
        self.write(policies.TEXT)
        self.later()
        self.now += policy_file.CHECK_SECONDS
        with self.file._lock:
            found = []
            thread = threading.Thread(
                target=lambda: found.append(self.file.current()))
            thread.start()
            thread.join(10)
        self.assertEqual('public everywhere', found[0].rules[1].name)

    def test_too_long_for_the_memory(self):
        self.write(b'#' * (5 << 20))
        self.assertIsNone(self.later())
        self.assertIn('line 1: the file has', self.log.output)

    def test_one_for_each_path_and_process(self):
        first = policy_file.shared(self.path)
        self.assertIs(first, policy_file.shared(self.path))
        self.assertIsNot(first, policy_file.shared(self.path + '.other'))
        self.useFixture(fixtures.MonkeyPatch('os.getpid', lambda: 0))
        self.assertIsNot(first, policy_file.shared(self.path))
