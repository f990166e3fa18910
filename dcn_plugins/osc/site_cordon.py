# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site cordon|uncordon``: let nothing new come to a site."""

from dcn_plugins import exceptions
from dcn_plugins.osc import change_command
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_services
from dcn_plugins.osc import step


class CordonSite(change_command.ChangeCommand):
    """Disable nova-compute and cinder-volume of a site.

    What runs there goes on. The reason says that it was this command; what
    somebody else has disabled is left alone, also by uncordon.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('--reason', default='', metavar='<text>',
                            help='Why, for others who look')
        return parser

    def plan(self, reader, change, arguments):
        """Return the steps."""
        _entry, *services = services_of(self.app, arguments)
        return step.cordoned(arguments.site, *services, arguments.reason)


class UncordonSite(change_command.ChangeCommand):
    """Enable what cordon has disabled, and nothing else."""

    def plan(self, reader, change, arguments):
        """Return the steps; says what is left disabled."""
        _entry, *services = services_of(self.app, arguments)
        steps, left = step.uncordoned(arguments.site, *services)
        if left:
            self.log.warning(
                'Left as they are, as somebody else has disabled them: %s',
                ', '.join(left))
        return steps


def services_of(app, arguments):
    """Return the entry of a site, its computes, backends, and all clusters.

    :raises NotDone: if a service does not tell: half a cordon is none.
    """
    client = app.client_manager.dcn
    cloud, seconds = client.cloud, arguments.service_seconds
    told = reading.read_all({
        'aggregates': cloud.aggregates, 'computes': cloud.computes,
        'volume_services': cloud.volume_services,
        'clusters': cloud.clusters, 'pools': cloud.pools}, seconds)
    for fact in told.values():
        if not fact.is_known:
            raise exceptions.NotDone(f'{fact.problem}; nothing was changed',
                                     'Call the command again')
    entries = site_entry.entries_of(told['aggregates'].value)
    entry = pane.chosen(entries, [arguments.site])[arguments.site]
    services = site_services.Services(
        told['computes'], told['volume_services'], told['pools'])
    return (entry, services.computes_of(entry), services.backends_of(entry),
            {found['name']: found for found in told['clusters'].value})
