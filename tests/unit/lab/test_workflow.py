# SPDX-License-Identifier: Apache-2.0

import types
import unittest

from tests.lab import deadline
from tests.lab import workflow


class WaitGoneTest(unittest.TestCase):

    def test_what_does_not_go_is_told_as_it_is(self):
        found = types.SimpleNamespace(status='ERROR', fault='no reply')
        with self.assertRaises(deadline.LabTimeout) as caught:
            workflow.Workflow._wait_gone('server 1', lambda: found, 0)
        self.assertIn('server 1 being gone', str(caught.exception))
        self.assertIn("'fault': 'no reply'", str(caught.exception))
