# SPDX-License-Identifier: Apache-2.0
"""How long the list of all sites takes when one of them never answers.

The simulated cloud is a process of its own, so that only the command counts.
What python-openstackclient takes to start is not in it.
"""

import datetime
import json
import platform
import subprocess
import sys
import time
import types
import uuid

from keystoneauth1.identity import v3
from keystoneauth1 import session

from dcn_plugins.osc import plugin
from dcn_plugins.osc import site
from tests.bench import pane_bars as bars
from tests.fakes import cloud as clouds

SILENT = 'edge7'
SILENT_SECONDS = 754.0
_LATE = ('Health', 'Hosts', 'Free', 'cinder-volume')


def serve():
    """Serve a cloud until standard input ends; print where it is."""
    cloud, hole = clouds.Cloud(), clouds.BlackHole()
    cloud.setUp()
    hole.setUp()
    for number in range(bars.SITES):
        cloud.add_site(f'edge{number}', hosts=bars.HOSTS)
    cloud.silence(SILENT, SILENT_SECONDS)
    for number in range(bars.IMAGES):
        cloud.add_image(f'image{number}', ['edge1', SILENT])
    print(json.dumps({'url': cloud.url, 'hole': hole.address,
                      'silent_at': time.time() - SILENT_SECONDS}), flush=True)
    sys.stdin.read()
    hole.cleanUp()
    cloud.cleanUp()


def client_of(told):
    """Return the client of a cloud that another process serves."""
    url = told['url']
    sites = {f'edge{number}': {'locks_url': (
        f'dcn-etcd3+http://{url.removeprefix("http://")}'
        f'?namespace=/edge{number}')} for number in range(bars.SITES)}
    sites[SILENT] = {'locks_url': f'dcn-etcd3+http://{told["hole"]}'}
    return plugin.make_client(types.SimpleNamespace(
        session=session.Session(v3.Password(
            f'{url}/identity/v3', username='admin', password='x',
            project_name='admin', user_domain_id='default',
            project_domain_id='default')),
        interface='public', region_name='one',
        _cli_options=types.SimpleNamespace(config={
            # No other cloud has this file of what was heard.
            'auth': {'auth_url': f'{url}/{uuid.uuid4()}'},
            'dcn': {'sites': sites}})))


def measured(told):
    """Return the figures of one list."""
    client = client_of(told)
    command = site.ListSites(types.SimpleNamespace(
        client_manager=types.SimpleNamespace(dcn=client), stdout=None,
        NAME='openstack', command_manager=None), None)
    arguments = command.get_parser('dcn site list').parse_args([])
    begun, cpu = time.monotonic(), time.process_time()
    headings, rows = command.take_action(arguments)
    lines = [dict(zip(headings, row)) for row in rows]
    # As a table they are texts.
    texts = {line['Site']: [str(value) for value in line.values()]
             for line in lines}
    seconds = time.monotonic() - begun
    cpu = time.process_time() - cpu
    silent, = (line for line in lines if line['Site'] == SILENT)
    known = [silent[name].machine_readable() for name in (*_LATE, 'etcd')]
    heard = datetime.datetime.fromisoformat(
        silent['Health'].machine_readable()['at'].removesuffix('Z')).replace(
            tzinfo=datetime.timezone.utc).timestamp()
    return {
        'seconds': seconds, 'cpu_seconds': cpu, 'lines': len(lines),
        'silent_known': sum(fact['is_known'] for fact in known),
        'age_error_seconds': abs(heard - told['silent_at']),
        'others_unknown': sum(
            text.startswith('unknown') for name, found in texts.items()
            if name != SILENT for text in found)}


def run():
    """Measure and print everything; return ``(record, bars)``."""
    server = subprocess.Popen(
        [sys.executable, '-m', __name__], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    try:
        told = json.loads(server.stdout.readline())
        record = {'versions': {'python': platform.python_version()},
                  **measured(told)}
    finally:
        server.communicate(timeout=60)
    for name, figure in sorted(record.items()):
        print(f'{name}: {figure}')
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


if __name__ == '__main__':
    serve()
