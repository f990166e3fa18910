# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site onboard``: from running services to an open site.

The site is closed until all is well, then open to the project that tries it,
then to all. How far it is stands in its aggregate, so that whoever is
interrupted calls the same command again.
"""

import time

from dcn_plugins import exceptions
from dcn_plugins.osc import change_command
from dcn_plugins.osc import finding
from dcn_plugins.osc import site
from dcn_plugins.osc import site_change
from dcn_plugins.osc import site_check
from dcn_plugins.osc import site_edit
from dcn_plugins.osc import site_findings
from dcn_plugins.osc import site_probe
from dcn_plugins.osc import site_survey
from dcn_plugins.osc import step
from dcn_plugins.osc import verdict_lister
from dcn_plugins import sites

#: Of the aggregate of a site that has never been open to all. Schedulers pass
#: over it.
MARK = 'dcn:onboarding'
_MARKED = 'true'

#: Between two looks at what is missing.
LOOK_SECONDS = 5.0

# No error, but nothing can be tried there.
_CLOSED = frozenset(['site-closed', 'site-draining'])


class OnboardSite(verdict_lister.VerdictLister):
    """Make a site of services that run, and open it when it has proved well.

    It makes the aggregate, closed; puts the hosts into it as Nova discovers
    them; runs "site check"; opens the site to your project only, and tries a
    lock, a volume and an image there, as "site check --deep"; then opens it.
    What is missing is listed with its remedy as "waits", and the exit status
    is 1. Call it again to go on.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        change_command.add_arguments(parser)
        site_edit.add_place(parser)
        site_edit.add_labels(parser)
        site_check.add_arguments(parser)
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=300.0,
            help='How long to wait for what is missing (default: '
                 '%(default)s)')
        return parser

    def take_action(self, parsed_args):
        ends_at = time.monotonic() + parsed_args.wait_seconds
        walk = Walk(self.app, parsed_args)
        rows, told = [], None
        while True:
            done, waits = walk.advance()
            rows += done
            left = ends_at - time.monotonic()
            if not waits or parsed_args.dry_run or left <= 0:
                break
            if waits != told:
                self.log.warning('Waiting up to %d s for: %s', left,
                                 '; '.join(row[2] for row in waits))
                told = waits
            time.sleep(min(LOOK_SECONDS, left))
        self.has_failed = bool(waits) and not parsed_args.dry_run
        if not rows + waits:
            self.log.warning('There is nothing to do: site %s is open and '
                             'well.', parsed_args.site)
        return change_command.HEADINGS, rows + waits


class Walk:
    """The way of one site, from wherever it is.

    :param app: of osc-lib.
    :param arguments: of :class:`OnboardSite`.
    """

    def __init__(self, app, arguments):
        self._client = app.client_manager.dcn
        self._arguments = arguments
        self._name = arguments.site
        self._reader = site.pane_of(app, arguments)
        self._change = site_change.SiteChange(self._client.cloud,
                                              arguments.service_seconds)

    def advance(self):
        """Do what can be done; return rows of that, and of what is missing.

        :raises NotDone: if a step has failed, or can never be done.
        """
        steps, waits = self._made()
        rows = self._done(steps)
        if self._arguments.dry_run:
            return rows, waits
        answers = self._answers()
        steps = self._uncordoned(answers)
        if steps:
            rows += self._done(steps)
            answers = self._answers()
        entry = answers.entries[self._name]
        is_new = _is_marked(entry)
        waits += self._missing(answers, is_new)
        if waits:
            return rows, waits
        if is_new:
            rows += self._done(step.labelled(entry.aggregates, {
                sites.STATE_KEY: str(sites.State.ENABLED),
                **self._projects(entry, [self._project()])}))
        waits = self._tried(entry)
        if waits:
            return rows, waits
        # In one request: with the mark goes what it stands for.
        entry = self._reader.entries()[self._name]
        wanted = self._arguments.project
        rows += self._done(step.labelled(entry.aggregates, {
            **({MARK: None} if is_new else {}),
            **(self._projects(entry, wanted or ())
               if is_new or wanted else {})}))
        return rows, []

    def _answers(self):
        return site_survey.SiteSurvey(
            self._client, self._name, self._arguments.site_seconds,
            self._arguments.service_seconds).answers()

    def _uncordoned(self, answers):
        """Return what undoes our cordon of a site that was retired.

        Of what does not answer there is nothing; that is a finding.
        """
        entry = answers.entries[self._name]
        if not _is_marked(entry):
            return []
        steps, _left = step.uncordoned(
            self._name, answers.services.computes_of(entry),
            answers.services.backends_of(entry),
            {one['name']: one for one in answers.clusters.value or ()})
        return steps

    def _made(self):
        """Return the steps that make the site, and rows of missing hosts."""
        hosts = tuple(dict.fromkeys(self._arguments.host))
        site_edit.refuse_taken(self._reader.entries(), self._name, hosts)
        entry, target, steps = site_edit.made(
            self._reader, self._name, self._arguments.zone, self._labels)
        mirrors = self._change.mirrors(hosts)
        steps += step.added(target, entry, [host for host in hosts
                                            if host in mirrors], mirrors)
        return steps, [
            ('find host', host, 'Nova or placement does not know of it: '
             + site_change.DISCOVER, 'waits')
            for host in hosts if host not in mirrors]

    def _labels(self, aggregates):
        found = site_edit.labels_of(self._arguments, aggregates)
        # Who may use it is said last, unless it is open already.
        for key in list(found):
            if key.startswith(sites.PROJECTS_KEY):
                del found[key]
        if self._is_unborn(aggregates):
            found[sites.STATE_KEY] = str(sites.State.DISABLED)
            found[MARK] = _MARKED
        return found

    def _is_unborn(self, aggregates):
        """Tell whether nothing of a site was ever in use."""
        has = [one['metadata'] for one in aggregates]
        return not any(one['hosts'] for one in aggregates) and not any(
            MARK in metadata for metadata in has) and (
            # One for volumes only is made without a host.
            bool(self._arguments.host) or not any(
                sites.SITE_KEY in metadata for metadata in has))

    def _missing(self, answers, is_new):
        """Return rows of what is wrong; a new site is closed by us."""
        return [
            ('check', one.id, f'{one.what}: {one.remedy}', 'waits')
            for one in site_findings.findings(self._name, answers)
            if one.id not in self._arguments.ignore and (
                not is_new if one.id in _CLOSED
                else one.severity is finding.Severity.ERROR)]

    def _tried(self, entry):
        probe = site_probe.SiteProbe(
            self._client, entry, self._arguments.service_seconds,
            self._arguments.probe_seconds)
        return [('try', one.id, f'{one.what}: {one.remedy}', 'waits')
                for one in probe.findings(self._arguments.volume_type)
                if one.id not in self._arguments.ignore]

    @staticmethod
    def _projects(entry, projects):
        return step.metadata(sites.PROJECTS_KEY, projects, [
            aggregate['metadata'] for aggregate in entry.aggregates])

    def _project(self):
        found = self._client.project_id
        if found is None:
            raise exceptions.NotDone(
                f'nothing can be tried at {self._name}: your credentials are '
                'of no project; the site stays closed',
                'Use those of an administrator of a project, with a quota for '
                'a volume')
        return found

    def _done(self, steps):
        if not self._arguments.dry_run:
            self._change.run(steps)
        return change_command.rows(steps, self._arguments.dry_run)


def _is_marked(entry):
    return any(MARK in aggregate['metadata']
               for aggregate in entry.aggregates)
