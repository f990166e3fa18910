# SPDX-License-Identifier: Apache-2.0
"""A server and its volume meet in one site: Nova's weigher beside Cinder's.

Each is asked through the handler of its own service.
"""

import json
import pathlib
import subprocess
import sys

from cinder.scheduler import weights

from dcn_plugins.cinder import site_weigher
from tests.unit.cinder import volume_cloud
from tests.unit.cinder.volume_cloud import aggregate
from tests.unit.cinder.volume_cloud import pool

ROOT = pathlib.Path(__file__).resolve().parents[3]
NOVA = pathlib.Path(__file__).with_name('nova_order.py')
PROJECTS = [f'project{number}' for number in range(200)]


class MeetingTest(volume_cloud.VolumeCloudTestCase):

    # Named by themselves, by a zone, in one zone, by priority, and no site.
    aggregates = [
        *(aggregate(f'edge{number}') for number in range(6)),
        ('west', {'availability_zone': 'west'}, ['west-compute']),
        ('zone', {'availability_zone': 'south'},
         ['south1-compute', 'south2-compute']),
        aggregate('south1'), aggregate('south2', priority='-1'),
        aggregate('first', priority='5'), aggregate('second', priority='5'),
        ('fast', {'ssd': 'true'}, ['central-compute'])]

    def setUp(self):
        super().setUp()
        self.pools = [
            *(pool(f'edge{number}', 'z', f'edge{number}')
              for number in range(6)),
            pool('west', 'west'), pool('south1', 'south', 'south1'),
            pool('south2', 'south', 'south2'), pool('first', 'first'),
            pool('second', 'z', 'second'), pool('central', 'nova')]

    def cinders_order(self, project):
        handler = weights.OrderedHostWeightHandler('cinder.scheduler.weights')
        return volume_cloud.hosts(each.obj for each in (
            handler.get_weighed_objects(
                [site_weigher.DCNSiteWeigher], self.pools,
                self.properties(volume={'project_id': project}))))

    def novas_orders(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m',
             '.'.join(NOVA.relative_to(ROOT).with_suffix('').parts)],
            input=json.dumps({'aggregates': self.aggregates,
                              'projects': PROJECTS}),
            cwd=ROOT, capture_output=True, text=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stderr)
        return {project: [host.removesuffix('-compute') for host in found]
                for project, found in json.loads(done.stdout).items()}

    def test_both_have_one_order_of_sites_for_each_project(self):
        orders = self.novas_orders()
        self.assertEqual(set(PROJECTS), set(orders))
        for project, expected in orders.items():
            self.assertEqual(expected, self.cinders_order(project), project)
        # Else one order for all would do.
        self.assertEqual({'first', 'second'},
                         {found[0] for found in orders.values()})
        self.assertEqual(9, len({found[2] for found in orders.values()}))
        self.assertEqual({'south2'}, {found[-1] for found in orders.values()})
