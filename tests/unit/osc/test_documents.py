# SPDX-License-Identifier: Apache-2.0
"""The documents show commands that exist, with options that they take.

``tests.scenes.test_documents`` has them run on a real cloud.
"""

import contextlib
import importlib
import io
import shlex
import types

import testtools

from tests import documented
from tests.unit.osc import entry_points

OURS = 'openstack dcn '


def classes():
    """Return the class of each of our commands by its words."""
    return {tuple(name.split('_')): target for name, target in
            entry_points.of_setup()['openstack.dcn.v1'].items()}


def command_of(words):
    """Return the class, and the words that are its arguments."""
    known = classes()
    for count in range(len(words), 0, -1):
        target = known.get(tuple(words[:count]))
        if target is not None:
            module, _colon, name = target.partition(':')
            return (getattr(importlib.import_module(module), name),
                    words[count:])
    return None, words


class DocumentsTest(testtools.TestCase):

    def parse(self, words):
        """Return why the arguments are refused, or None."""
        command, arguments = command_of(words)
        if command is None:
            return 'there is no such command'
        made = command(types.SimpleNamespace(
            client_manager=None, stdout=None, NAME='openstack',
            command_manager=None), None)
        errors = io.StringIO()
        try:
            with contextlib.redirect_stderr(errors):
                made.get_parser('openstack').parse_args(arguments)
        except SystemExit:
            return errors.getvalue().strip().splitlines()[-1]
        return None

    def test_each_command_that_is_shown(self):
        shown = [one for one in documented.commands()
                 if one.text.startswith(OURS)]
        self.assertGreater(len(shown), 30)
        for one in shown:
            # "dcn" is in the name of each entry point.
            words = shlex.split(one.text.partition(' > ')[0])[1:]
            self.assertIsNone(self.parse(words), str(one))

    def test_each_command_has_an_example(self):
        shown = {command_of(shlex.split(one.text)[1:])[0].__name__
                 for one in documented.commands()
                 if one.text.startswith(OURS)}
        lacking = {target.partition(':')[2]
                   for target in classes().values()} - shown
        self.assertEqual(set(), lacking)

    def test_mistakes_are_found(self):
        self.assertIn('no such command', self.parse(['dcn', 'site', 'burn']))
        self.assertIn('--colour', self.parse(
            ['dcn', 'site', 'list', '--colour', 'red']))
