# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site cordon|uncordon``: let nothing new come to a site."""

from dcn_plugins.osc import change_command
from dcn_plugins.osc import cordon


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
        return cordon.cordoned(
            self.app.client_manager.dcn, arguments.site,
            arguments.service_seconds, arguments.reason)


class UncordonSite(change_command.ChangeCommand):
    """Enable what cordon has disabled, and nothing else."""

    def plan(self, reader, change, arguments):
        """Return the steps; says what is left disabled."""
        steps, left = cordon.uncordoned(
            self.app.client_manager.dcn, arguments.site,
            arguments.service_seconds)
        if left:
            self.log.warning(
                'Left as they are, as somebody else has disabled them: %s',
                ', '.join(left))
        return steps
