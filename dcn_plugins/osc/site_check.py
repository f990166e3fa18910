# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site check``: what is wrong with one site."""

from dcn_plugins import exceptions
from dcn_plugins.osc import finding
from dcn_plugins.osc import site
from dcn_plugins.osc import site_findings
from dcn_plugins.osc import site_probe
from dcn_plugins.osc import site_survey
from dcn_plugins.osc import verdict_lister

HEADINGS = ('ID', 'Severity', 'What', 'Why', 'Remedy')


class CheckSite(verdict_lister.VerdictLister):
    """Find what is wrong with a site, in all services and its etcd.

    It changes nothing, except with --deep. The exit status is 1 if there is
    an error. What did not answer in time is an error, too: nobody knows
    whether it is well.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        parser.add_argument(
            '--deep', action='store_true',
            help='Also take a lock in its etcd, make a volume of 1 GiB and an '
                 'image of 1 MiB there, and remove them, with the quota of '
                 'your project')
        parser.add_argument(
            '--least-mbits', type=_mbits, metavar='<Mbit/s>', default=0.0,
            help='With --deep: also copy an image of another store to those '
                 'of the site, as large as takes eight seconds at this rate '
                 '(512 MiB at most), and find stores to which it comes more '
                 'slowly (default: no copy)')
        add_arguments(parser)
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        if parsed_args.least_mbits and not parsed_args.deep:
            raise exceptions.ConfigError(
                '--least-mbits', 'a copy is made with --deep only',
                'Add --deep, or leave it out')
        survey = site_survey.SiteSurvey(
            self.app.client_manager.dcn, parsed_args.site,
            parsed_args.site_seconds, parsed_args.service_seconds)
        answers = survey.answers()
        found = site_findings.findings(parsed_args.site, answers)
        if parsed_args.deep:
            probe = site_probe.SiteProbe(
                self.app.client_manager.dcn, answers.entries[parsed_args.site],
                parsed_args.service_seconds, parsed_args.probe_seconds,
                parsed_args.least_mbits)
            found = finding.in_order(
                [*found, *probe.findings(parsed_args.volume_type)])
            for store, rate in probe.rates.items():
                self.log.warning('An image came to %s at %.0f Mbit/s.', store,
                                 rate)
        found = [one for one in found if one.id not in parsed_args.ignore]
        self.has_failed = any(one.severity is finding.Severity.ERROR
                              for one in found)
        if not found:
            self.log.warning('Nothing was found%s.', ' but what is ignored'
                             if parsed_args.ignore else '')
        return HEADINGS, [(one.id, one.severity.value, one.what, one.why,
                           one.remedy) for one in found]


def _mbits(text):
    return site.number(text, 0.1, 1e6, 'Mbit/s')


def add_arguments(parser):
    """Add what findings do not count, and how something is tried."""
    parser.add_argument(
        '--ignore', action='append', metavar='<id>', default=[],
        choices=sorted(finding.RULES),
        help='Leave out findings of this id (may be repeated)')
    parser.add_argument(
        '--volume-type', metavar='<type>',
        help='Of the volume that is tried (default: that of the project)')
    parser.add_argument(
        '--probe-seconds', type=float, metavar='<seconds>', default=60.0,
        help='How long each trial may take (default: %(default)s)')
