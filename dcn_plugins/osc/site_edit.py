# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site create|set|add host|remove host|delete``.

A site is one or more aggregates of Nova; nothing else is written.
"""

from dcn_plugins import exceptions
from dcn_plugins.osc import change_command
from dcn_plugins.osc import pane
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import step
from dcn_plugins import sites

_STATES = [str(state) for state in sites.State]
_LISTS = (('store', sites.STORE_KEY), ('project', sites.PROJECTS_KEY),
          ('group', sites.GROUP_KEY))


class CreateSite(change_command.ChangeCommand):
    """Make a site: an aggregate with its availability zone and metadata.

    Hosts that are named come into it when Nova has discovered them. What is
    there already is kept, so an interrupted command may be called again.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_place(parser)
        _add_metadata(parser)
        _add_wait(parser)
        return parser

    def plan(self, reader, change, arguments):
        """Return the steps; raises NotDone if the name is taken."""
        entry, target, steps = made(
            reader, arguments.site, arguments.zone,
            lambda aggregates: _wanted(arguments, aggregates))
        return steps + _hosts(change, arguments, target, entry)


class SetSite(change_command.ChangeCommand):
    """Change the metadata of a site, and mirror its hosts in placement."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        _add_metadata(parser)
        parser.add_argument(
            '--no-store', action='store_true',
            help='The store of the site is that of its own name')
        parser.add_argument('--no-project', action='store_true',
                            help='All projects may use the site')
        parser.add_argument('--no-group', action='store_true',
                            help='The site is in no group')
        return parser

    def plan(self, reader, change, arguments):
        """Return the steps."""
        entry = _entry(reader, arguments.site)
        return (step.labelled(entry.aggregates,
                              _wanted(arguments, entry.aggregates))
                + step.mirrored(entry, change.mirrors(entry.hosts)))


class AddHost(change_command.ChangeCommand):
    """Put hosts into a site when Nova has discovered them."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('host', nargs='+', metavar='<host>',
                            help='A host of nova-compute')
        _add_wait(parser)
        return parser

    def plan(self, reader, change, arguments):
        """Return the steps; raises NotDone if a host is not known."""
        entry = _entry(reader, arguments.site)
        refuse_taken(reader.entries(), entry.name, arguments.host)
        return _hosts(change, arguments, entry.aggregates[0]['name'], entry)


class RemoveHost(change_command.ChangeCommand):
    """Take hosts out of a site.

    Nova refuses it while there are servers on a host.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('host', nargs='+', metavar='<host>',
                            help='A host of nova-compute')
        return parser

    def plan(self, reader, change, arguments):
        """Return the steps."""
        return step.removed(_entry(reader, arguments.site), arguments.host)


class DeleteSite(change_command.ChangeCommand):
    """Delete a site that has no hosts: the aggregates that name it.

    Its store, its cluster of cinder-volume and its etcd stay.
    """

    def plan(self, reader, change, arguments):
        """Return the steps; raises NotDone if the site has hosts."""
        entry = reader.entries().get(arguments.site)
        if entry is None:
            return []
        if entry.hosts:
            raise exceptions.NotDone(
                f'site {entry.name} has {len(entry.hosts)} hosts: '
                f'{", ".join(entry.hosts)}; nothing was changed',
                'Take them out with "openstack dcn site remove host"')
        return step.deleted(entry)


def made(reader, name, zone, labels):
    """Return what makes a site, or what of it is missing.

    :param zone: its availability zone, ``None`` for one of its own name.
    :param labels: function of its aggregates; returns values by key.
    :returns: its entry, ``None`` if there is none yet; the name of the
        aggregate that hosts come into; and steps.
    :raises NotDone: if the name is taken, or the site is in another zone.
    """
    aggregates = reader.aggregates()
    entry = site_entry.entries_of(aggregates).get(name)
    steps, problem = step.created(name, zone or name, aggregates, entry)
    if problem:
        raise exceptions.NotDone(
            f'{problem}; nothing was changed', 'Rename it, or give its '
            f'site another name than {name}')
    inside = entry.aggregates if entry else ()
    if zone and entry and zone not in entry.zones:
        raise exceptions.NotDone(
            f'site {name} is in availability zone '
            f'{", ".join(entry.zones)}; nothing was changed',
            'Take its hosts out and delete it first')
    # Of a site that is made its aggregate is called like it.
    wanted = labels(inside)
    if inside:
        steps += step.labelled(inside, wanted)
    elif wanted:
        steps.append(step.Step(step.Verb.LABEL, name, values={
            key: value for key, value in wanted.items()
            if value is not None}))
    return entry, inside[0]['name'] if inside else name, steps


def refuse_taken(entries, name, hosts):
    """Refuse hosts of other sites, as a host of several is in none.

    :raises NotDone: that names the first of them.
    """
    for host in hosts:
        for other in entries.values():
            if other.name != name and host in other.hosts:
                raise exceptions.NotDone(
                    f'{host} is in site {other.name}; nothing was '
                    'changed', 'Take it out with "openstack dcn site '
                    f'remove host {other.name} {host}"')


def add_place(parser):
    """Add what a site that is made has: a zone and hosts."""
    parser.add_argument(
        '--zone', metavar='<zone>',
        help='Availability zone of its hosts (default: the name of the site)')
    parser.add_argument('--host', action='append', metavar='<host>',
                        default=[],
                        help='A host of nova-compute (may be repeated)')


def _add_metadata(parser):
    parser.add_argument('--state', choices=_STATES,
                        help='What it takes (dcn:state)')
    add_labels(parser)


def add_labels(parser):
    """Add what all commands can say of a site, besides its state."""
    parser.add_argument(
        '--priority', type=int, metavar='<number>',
        help='The site of the greatest number is filled first '
             '(dcn:priority)')
    for name, text in (
            ('store', 'A Glance store at the site'),
            ('project', 'Id of a project; only those named may use the site'),
            ('group', 'A group of sites that it belongs to')):
        parser.add_argument(f'--{name}', action='append',
                            metavar=f'<{name}>',
                            help=f'{text} (may be repeated)')


def _add_wait(parser):
    parser.add_argument(
        '--wait-seconds', type=float, default=0.0, metavar='<seconds>',
        help='How long to wait for Nova to discover the hosts '
             '(default: %(default)s)')


def _wanted(arguments, aggregates):
    wanted = labels_of(arguments, aggregates)
    if arguments.state is not None:
        wanted[sites.STATE_KEY] = arguments.state
    return wanted


def labels_of(arguments, aggregates):
    """Return the values by key that :func:`add_labels` was told."""
    wanted = {}
    if arguments.priority is not None:
        wanted[sites.PRIORITY_KEY] = str(arguments.priority)
    has = [aggregate['metadata'] for aggregate in aggregates]
    for name, key in _LISTS:
        names = getattr(arguments, name)
        if names or getattr(arguments, f'no_{name}', False):
            wanted.update(step.metadata(key, names or (), has))
    return wanted


def _entry(reader, name):
    return pane.chosen(reader.entries(), [name])[name]


def _hosts(change, arguments, target, entry):
    hosts = tuple(dict.fromkeys(arguments.host))
    if not hosts:
        return []
    change.check_hosts(hosts)
    return step.added(target, entry, hosts, change.mirrors(hosts))
