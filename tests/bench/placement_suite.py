# SPDX-License-Identifier: Apache-2.0
"""What a placement policy costs in a large cloud.

Each measurement has a process of its own, as the memory that a process has
had at most does not get less.
"""

import json
import platform
import resource
import subprocess
import sys
import time

from dcn_plugins.placement import image
from dcn_plugins.placement import job
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import plan
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import verdict
from tests.bench import placement_bars as bars

EVENTS = 2000


def policy_of(projects):
    """Return the text of a policy with a rule for each of many projects."""
    rules = ''.join(
        f'  - {{name: rule {number}, projects: [p{number}], stores: all, '
        f'may_ask: all, priority: {number % 100}}}\n'
        for number in range(projects))
    return ('version: 1\ncentral: central\nresidency:\n'
            '  - {name: stays, projects: [p0, p1], stores: [dcn0, dcn1]}\n'
            f'projects:\n{rules}kinds:\n'
            '  - {name: public, visibility: public, stores: all, '
            'leave_edge_after: 30d}\n'
            'default: {stores: central, may_ask: all}\n')


def images_of(count):
    """Return images of which most have a property, some of the longest."""
    asked = (None, 'all', 'dcn1,dcn10,dcn11', 'group:edge', 'none',
             'x,' * (image.MOST_CHARACTERS // 2), 'y' * (1 << 20))
    return [image.Image(
        f'image-{number}', f'p{number % 400}',
        'public' if number % 5 == 0 else 'private',
        asked=asked[number % len(asked)], created_at=float(number))
        for number in range(count)]


def compared(images, policy, stores):
    """Plan the jobs of images that are in every second store.

    Every fourth store has a job already. All plans are kept, as nobody would.
    """
    half, quarter = sorted(stores)[::2], sorted(stores)[1::4]
    found = []
    for one in images:
        entries = [jobs.Entry(
            job.Job(one.id, store, 0.0, 0.0),
            job_requests.Found(None, 1, None, False)) for store in quarter]
        found.append(plan.plan(
            verdict.decide(one, policy, stores, 1e6), half, entries, 1e6))
    return sum(len(one.register) for one in found)


def measure():
    """Return the figures of this process."""
    text = policy_of(bars.PROJECTS)
    begun = time.process_time()
    policy = policy_text.policy_of(text)
    read = time.process_time() - begun
    stores = frozenset(['central', *(
        f'dcn{number}' for number in range(bars.STORES - 1))])
    images = images_of(bars.IMAGES)
    begun = time.process_time()
    count = sum(len(verdict.decide(one, policy, stores, 1e6).verdicts())
                for one in images)
    full = time.process_time() - begun
    begun = time.process_time()
    planned = compared(images, policy, stores)
    plan_seconds = time.process_time() - begun
    seconds = []
    for one in images[:EVENTS]:
        begun = time.process_time()
        verdict.decide(one, policy, stores, 1e6)
        seconds.append(time.process_time() - begun)
    return {
        'verdicts': count, 'read_seconds': read, 'full_seconds': full,
        'planned_jobs': planned, 'plan_seconds': plan_seconds,
        'longest_event_milliseconds': 1000 * max(seconds),
        'peak_mib': resource.getrusage(
            resource.RUSAGE_SELF).ru_maxrss / 1024}


def run():
    """Measure and print everything; return ``(record, bars)``."""
    done = subprocess.run([sys.executable, '-m', __name__],
                          capture_output=True, text=True, check=True,
                          timeout=600)
    record = {'versions': {'python': platform.python_version()},
              **json.loads(done.stdout)}
    for name, figure in sorted(record.items()):
        print(f'{name}: {figure}')
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


if __name__ == '__main__':
    print(json.dumps(measure()))
