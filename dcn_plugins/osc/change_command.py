# SPDX-License-Identifier: Apache-2.0
"""What all commands that change a site have: a plan, and --dry-run."""

from osc_lib.command import command

from dcn_plugins.osc import site
from dcn_plugins.osc import site_change

HEADINGS = ('Step', 'Target', 'Detail', 'State')


def add_arguments(parser):
    """Add what names a site, asks for its plan only, and says how long."""
    parser.add_argument('site', metavar='<site>', help='Name of a site')
    parser.add_argument(
        '--dry-run', action='store_true',
        help='Show what would be done, and do nothing')
    site.add_deadlines(parser)


def rows(steps, is_planned):
    """Return a line for each step, below ``HEADINGS``."""
    return [(step.verb.value, step.target, step.detail,
             'planned' if is_planned else 'done') for step in steps]


class ChangeCommand(command.Lister):
    """Plan, and do what was planned; what is done already is no step.

    Subclasses have ``plan(reader, change, arguments)``, which returns steps.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_arguments(parser)
        return parser

    def take_action(self, parsed_args):
        change = site_change.SiteChange(
            self.app.client_manager.dcn.cloud, parsed_args.service_seconds,
            getattr(parsed_args, 'wait_seconds', 0.0))
        steps = self.plan(site.pane_of(self.app, parsed_args), change,
                          parsed_args)
        if not steps:
            self.log.warning('There is nothing to do.')
        if not parsed_args.dry_run:
            change.run(steps)
        return HEADINGS, rows(steps, parsed_args.dry_run)
