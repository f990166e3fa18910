# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.chaos import history
from tests.unit.chaos import stories


class HistoryTest(testtools.TestCase):

    def test_there_and_back_again(self):
        story = stories.Story()
        story.create('v')
        story.clone('c', 'v', stories.UNKNOWN, size=2).ended = None
        story.increment(0)
        story.faults.append(history.Fault('pause', 'a', 1.0))
        story.deaths.append(history.Death('a', 3.0, 'signal 11'))
        story.healed_at = 7.0
        read = history.History.parsed(story.to_json())
        self.assertEqual(story.operations, read.operations)
        self.assertEqual(story.faults, read.faults)
        self.assertEqual(story.deaths, read.deaths)
        self.assertEqual(7.0, read.healed_at)

    def test_counts(self):
        story = stories.Story()
        story.create('v')
        story.create('w', stories.FAILED)
        self.assertEqual(1, story.count(stories.FAILED))
        self.assertEqual(['v', 'w'],
                         [o.target for o in story.of(history.CREATE)])
