# SPDX-License-Identifier: Apache-2.0
"""Tables of the lab: services, memory, phases."""

import prettytable

from tests.lab import process
from tests.lab.services import ceph


def table(headings, rows, left=()):
    """Return a table as text, ready to be pasted into a document."""
    made = prettytable.PrettyTable(headings)
    made.set_style(prettytable.TableStyle.MARKDOWN)
    made.align = 'r'
    for heading in left:
        made.align[heading] = 'l'
    made.add_rows(rows)
    return made.get_string()


def memory(pids):
    """Return the memory of processes in MiB: (PSS, RSS).

    PSS shares out the pages that several processes have in common, so that
    it may be added up.
    """
    kib = {'Pss:': 0, 'Rss:': 0}
    for pid in pids:
        try:
            text = (process.PROC / str(pid) / 'smaps_rollup').read_text()
        except OSError:
            continue
        for line in text.splitlines():
            fields = line.split()
            if fields[0] in kib:
                kib[fields[0]] += int(fields[1])
    return kib['Pss:'] / 1024, kib['Rss:'] / 1024


def port_of(service):
    """Return what to show of a service's ports."""
    if isinstance(service, ceph.Cluster):
        return service.lab.port('ceph-mon', service.site, 2)
    return service.listening_port or ''


def services(cloud):
    """Return the table of services, and whether all of them run."""
    rows = []
    total = [0, 0]
    is_whole = True
    for name, service in cloud.services.items():
        pids = service.pids()
        pss, rss = memory(pids)
        total[0] += pss
        total[1] += rss
        is_whole &= service.is_running
        rows.append([name, service.site,
                     'up' if service.is_running else 'DOWN',
                     cloud.lab.address(service.site), port_of(service),
                     len(pids), f'{pss:.0f}', f'{rss:.0f}'])
    guests = [pid for pid in process.owned(cloud.lab.directory)
              if is_guest(pid)]
    if guests:
        pss, rss = memory(guests)
        total[0] += pss
        total[1] += rss
        rows.append(['guests', '', 'up', '', '', len(guests), f'{pss:.0f}',
                     f'{rss:.0f}'])
    rows.append(['total', '', '', '', '', '', f'{total[0]:.0f}',
                 f'{total[1]:.0f}'])
    return table(['service', 'site', 'state', 'address', 'port', 'processes',
                  'PSS MiB', 'RSS MiB'], rows,
                 ('service', 'site', 'state', 'address')), is_whole


def is_guest(pid):
    """Say whether a process is a guest."""
    try:
        command = (process.PROC / str(pid) / 'cmdline').read_bytes()
    except OSError:
        return False
    return command.split(b'\0')[0].rsplit(b'/', 1)[-1].startswith(b'qemu')


def total_memory(directory):
    """Return the memory of all processes of a lab in MiB: (PSS, RSS)."""
    return memory(process.owned(directory))
