# SPDX-License-Identifier: Apache-2.0
"""Many commands to a Ceph cluster by one process.

Each start of the program ``ceph`` costs half a second of CPU, and a cluster
takes twenty of them until it is there.

``python -m tests.lab.services.ceph_commands CONF SECONDS`` reads a list from
stdin: each a dictionary of the monitor's, as ``{"prefix": "osd new", ...}``,
with ``to`` as the name of a file for the answer if it is wanted; or
``{"prefix": WAIT}``, which lasts until all placement groups are there.
"""

import json
import pathlib
import sys
import time

WAIT = 'wait'
_PASSING = ('creating', 'peering', 'unknown', 'stale', 'activating')
_PAUSE_SECONDS = 0.25


class Refused(Exception):
    """The cluster has refused a command, or was not ready in time."""


def is_clean(state):
    """Say whether all placement groups are there, by ``pg stat``."""
    return 'active+clean' in state and not any(
        word in state for word in _PASSING)


def _wait(cluster, seconds):
    ends_at = time.monotonic() + seconds
    while True:
        # Of the manager, which may not be there yet.
        code, state, _said = cluster.mgr_command(
            json.dumps({'prefix': 'pg stat', 'format': 'plain'}), b'',
            timeout=20)
        text = state.decode(errors='replace').strip()
        if code == 0 and is_clean(text):
            return
        if time.monotonic() >= ends_at:
            raise Refused(f'its placement groups: {text or code}')
        time.sleep(_PAUSE_SECONDS)


def carry_out(cluster, commands, seconds):
    """Send commands, one after the other.

    :raises Refused: by the first one that fails, with Ceph's words.
    """
    for command in commands:
        target = command.pop('to', None)
        if command['prefix'] == WAIT:
            _wait(cluster, seconds)
            continue
        code, output, said = cluster.mon_command(
            json.dumps(command), b'', timeout=int(seconds))
        if code:
            raise Refused(f'{command["prefix"]}: {code} {said}')
        if target:
            pathlib.Path(target).write_bytes(output)


def main(conf, seconds):
    """Carry out what stands in stdin; return the exit status."""
    # Debian's, for which the environment of the services has a link.
    import rados

    cluster = rados.Rados(conffile=conf)
    cluster.connect(timeout=float(seconds))
    try:
        carry_out(cluster, json.load(sys.stdin), float(seconds))
    except (Refused, rados.Error) as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        cluster.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
