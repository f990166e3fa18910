# SPDX-License-Identifier: Apache-2.0
"""What upstream says to the program ``rbd``, and what becomes of it."""

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.cinder import rbd_program

CONNECTION = ['--id', 'cinder', '--cluster', 'ceph', '--conf', '/c.conf']
# As upstream says it, in all releases.
IMPORT = ['rbd', 'import', '--pool', 'gold', '--order', 22, '/tmp/x',
          'volume-1', '--new-format', *CONNECTION]
ENCRYPTED = ['rbd', 'import', '--dest-pool', 'gold', '--order', 22, '/tmp/x',
             'volume-1', *CONNECTION]
EXPORT = ['rbd', 'export', '--pool', 'gold', 'volume-1', '/tmp/x',
          *CONNECTION]
STATUS = ['rbd', 'status', '--pool', 'gold', '--format=json', 'volume-1',
          *CONNECTION]


class CommandTest(testtools.TestCase):

    def test_what_upstream_imports(self):
        for words in (IMPORT, ENCRYPTED):
            self.assertEqual(rbd_program.Command(
                'import', '/tmp/x', 'volume-1', 'gold', 22),
                rbd_program.Command.parsed(words))

    def test_what_upstream_exports(self):
        self.assertEqual(rbd_program.Command(
            'export', 'volume-1', '/tmp/x', 'gold'),
            rbd_program.Command.parsed(EXPORT))

    def test_other_commands_are_not_ours(self):
        for words in (STATUS, ['qemu-img', 'import', 'x'], ['rbd'], [],
                      ['rbd', 'import-diff', 'a', 'b']):
            self.assertIsNone(rbd_program.Command.parsed(words))

    def test_a_form_that_is_not_known_is_none_of_ours(self):
        for more in (['--sparse-size', '4K'], ['third'], ['-p', 'iron'],
                     ['--image-feature=layering']):
            self.assertRaises(ValueError, rbd_program.Command.parsed,
                              [*IMPORT, *more])
        for words in (['rbd', 'import', '--pool', 'gold', '/tmp/x'],
                      ['rbd', 'import', '/tmp/x', 'volume-1'],
                      ['rbd', 'import', '/tmp/x', 'volume-1', '--pool'],
                      ['rbd', 'import', '--order', 'x', '--pool', 'gold',
                       '/tmp/x', 'volume-1']):
            self.assertRaises(ValueError, rbd_program.Command.parsed, words)

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(strategies.permutations(
        [['--pool', 'gold'], ['--order', '22'], ['--new-format'],
         ['--id', 'cinder'], ['--conf', '/c.conf']]),
        strategies.integers(0, 5), strategies.integers(0, 5))
    def test_the_order_of_the_words_does_not_matter(self, options, first,
                                                    second):
        words = [word for option in options[:min(first, second)]
                 for word in option]
        words += ['/tmp/x']
        words += [word for option in options[min(first, second):max(
            first, second)] for word in option]
        words += ['volume-1']
        words += [word for option in options[max(first, second):]
                  for word in option]
        self.assertEqual(
            rbd_program.Command('import', '/tmp/x', 'volume-1', 'gold', 22),
            rbd_program.Command.parsed(['rbd', 'import', *words]))


class InProcessTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.executed, self.done = [], []
        self.run_ = rbd_program.in_process(self.execute, {
            'import': self.done.append, 'export': self.done.append})

    def execute(self, *words, **options):
        self.executed.append((words, options))
        return 'out', 'err'

    def test_ours_are_done_in_here(self):
        for words in (IMPORT, EXPORT):
            self.assertEqual(('', ''), self.run_(*words, run_as_root=True))
        self.assertEqual(['import', 'export'],
                         [command.action for command in self.done])
        self.assertEqual([], self.executed)

    def test_others_are_run_as_they_are(self):
        self.assertEqual(('out', 'err'), self.run_(*STATUS, attempts=3))
        self.assertEqual([(tuple(STATUS), {'attempts': 3})], self.executed)
        self.assertEqual('', self.log.output)

    def test_so_is_a_form_that_is_not_known_and_that_is_told(self):
        self.assertEqual(('out', 'err'), self.run_(*IMPORT, '--odd'))
        self.assertIn('--odd', self.log.output)
        self.assertEqual([], self.done)

    def test_what_goes_wrong_is_told(self):
        def fail(_command):
            raise ValueError('odd')

        run = rbd_program.in_process(self.execute, {'import': fail})
        # Nothing is tried in the other way then.
        self.assertRaises(ValueError, run, *IMPORT)
        self.assertEqual([], self.executed)
