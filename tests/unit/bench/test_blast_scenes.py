# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import blast_scenes
from tests.bench import driver_names as names


class ScenesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.scenes = [blast_scenes.scene(number) for number in range(52)]

    def test_all_that_is_made_is_deleted_by_whoever_is_left(self):
        for scene in self.scenes:
            there = set()
            for request in (*scene.before, scene.after, *scene.rest):
                volume = request['volume']['name_id']
                key = volume, request.get('snapshot')
                if request['operation'] in (names.CREATE, names.SNAPSHOT):
                    there.add(key)
                else:
                    there.discard(key)
            self.assertEqual(set(), there, scene)

    def test_the_next_one_needs_what_the_holder_has(self):
        for scene in self.scenes:
            names_of = [{request['volume']['name_id'],
                         request.get('source', {}).get('name_id')}
                        for request in (scene.lost, scene.after)]
            self.assertTrue(names_of[0] & names_of[1] - {None}, scene)

    def test_no_two_scenes_share_anything(self):
        volumes = [scene.after['volume']['name_id'] for scene in self.scenes]
        self.assertEqual(len(volumes), len(set(volumes)))

    def test_some_are_killed_and_some_are_paused(self):
        for scene in self.scenes:
            self.assertEqual(
                blast_scenes.PAUSE if scene.is_paused else blast_scenes.KILL,
                scene.lost['stop_at']['number'])
        self.assertEqual({True, False},
                         {scene.is_paused for scene in self.scenes})
