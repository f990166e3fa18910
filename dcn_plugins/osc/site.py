# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site list|show``: what is known of sites, and how old."""

import argparse
import time

from osc_lib.command import command

from dcn_plugins.osc import columns
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import fact_texts
from dcn_plugins.osc import pane
from dcn_plugins.osc import site_facts

HEADINGS = ('Site', 'State', 'Health', 'AZs', 'Hosts', 'Free',
            'cinder-volume', 'etcd', 'Stores', 'Images', 'Backlog', 'Age')
#: With --long, behind these.
LONG_HEADINGS = ('Groups', 'Priority', 'FSID')
_FACTS = ('hosts', 'room', 'volumes', 'locks', 'store', 'images', 'backlog')


def add_deadlines(parser):
    """Add how long an answer may take."""
    parser.add_argument(
        '--site-seconds', type=_seconds, default=pane.SITE_SECONDS,
        metavar='<seconds>',
        help='How long the etcd of one site may take to answer; a site that '
             'takes longer is shown as unknown (default: %(default)s)')
    parser.add_argument(
        '--service-seconds', type=_seconds, default=pane.SERVICE_SECONDS,
        metavar='<seconds>',
        help='How long Nova, placement, Cinder and Glance may each take '
             '(default: %(default)s)')


def _seconds(text):
    return number(text, 0.05, 3600, 'seconds')


def number(text, least, most, unit):
    """Return the number that somebody gives.

    :raises ArgumentTypeError: if it is none, or not within the bounds.
    """
    try:
        found = float(text)
    except ValueError:
        found = float('nan')
    # "nan" is within no bounds.
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(
            f'{text}: give {least:.10g} to {most:.10g} {unit}')
    return found


def pane_of(app, arguments):
    """Return the :class:`~dcn_plugins.osc.pane.Pane` of a command."""
    return pane.Pane(app.client_manager.dcn, arguments.site_seconds,
                     arguments.service_seconds)


class ListSites(command.Lister):
    """List all sites with their state, health, room and images.

    What is not known is shown as unknown, with the time of the last sign of
    life. "Age" is that of the oldest fact of a line.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'site', nargs='*', metavar='<site>',
            help='Name of a site (default: all)')
        parser.add_argument(
            '--long', action='store_true',
            help='Also list groups, the priority, and the FSID of the Ceph '
                 'that has the volumes')
        add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        reader = pane_of(self.app, parsed_args)
        found = reader.sites(parsed_args.site)
        for host, names in reader.astray.items():
            self.log.warning(
                '%s is in the sites %s at once and counts in none: take it '
                'out of an aggregate', host, ' and '.join(names))
        now = time.time()
        if not parsed_args.long:
            return HEADINGS, [row_of(site, now) for site in found]
        return HEADINGS + LONG_HEADINGS, [
            row_of(site, now) + more_of(site, now) for site in found]


class ShowSite(command.ShowOne):
    """Show all that is known of one site, each fact with its age."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        site, = pane_of(self.app, parsed_args).sites([parsed_args.site])
        found = list(fields_of(site, time.time()))
        return tuple(zip(*found))


def row_of(site, now):
    """Return the line of a site."""
    entry = site.entry
    oldest = facts.oldest(site.facts.values())
    return (
        entry.name, str(entry.state), columns.FactColumn(site.health, now),
        columns.ListColumn(list(entry.zones)),
        *(columns.FactColumn(site.facts[name], now, fact_texts.TEXTS[name])
          for name in _FACTS),
        columns.AgeColumn(None if oldest is None
                          else round(max(0.0, now - oldest), 1)))


def more_of(site, now):
    """Return what --long adds to the line of a site."""
    return (columns.ListColumn(list(site.entry.groups)), site.entry.priority,
            columns.FactColumn(site_facts.fsids_of(site.volumes), now,
                               fact_texts.names))


def fields_of(site, now):
    """Yield ``(name, value)`` of all that is known of a site."""
    entry = site.entry
    yield 'name', entry.name
    yield 'state', str(entry.state)
    yield 'health', columns.DatedColumn(site.health, now)
    for name in ('zones', 'groups', 'projects', 'stores', 'faults'):
        yield name, columns.ListColumn(list(getattr(entry, name)))
    yield 'priority', entry.priority
    yield 'aggregates', columns.ListColumn(
        [found['name'] for found in entry.aggregates])
    for name in _FACTS:
        yield ({'room': 'free', 'volumes': 'cinder_volume', 'locks': 'etcd',
                'store': 'stores_known'}.get(name, name),
               columns.DatedColumn(site.facts[name], now,
                                   fact_texts.TEXTS[name]))
    for name, key in (('hosts_down', 'down'), ('hosts_disabled', 'disabled'),
                      ('disabled_reasons', 'disabled_reasons')):
        yield name, columns.ListColumn((site.hosts.value or {}).get(key, []))
    volumes = site.volumes.value or {}
    yield 'clusters', columns.ListColumn([
        f'{found["name"]}: {found["state"]}'
        + (', disabled' if found['status'] == 'disabled' else '')
        + f', {found["hosts_down"]} of '
        f'{found["hosts"]} down' for found in volumes.get('clusters', ())])
    yield 'pools', columns.ListColumn([
        f'{pool["name"]}: {pool["free_gb"]}/{pool["total_gb"]} GB free, '
        f'FSID {pool["fsid"]}' for pool in volumes.get('pools', ())])
