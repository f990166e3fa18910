# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a site: facts in, findings out. Pure.

What is not known is a finding, too: a check that could not look has not found
that all is well.
"""

import dataclasses
import functools

from dcn_plugins.osc import compute_findings
from dcn_plugins.osc import etcd_findings
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import finding
from dcn_plugins.osc import likely_name
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_services
from dcn_plugins.osc import store_findings
from dcn_plugins.osc import volume_findings
from dcn_plugins import sites

#: What is asked of the centre, the id if nobody knows, and its text.
QUESTIONS = {
    'computes': ('unknown-nova', 'The services nova-compute'),
    'hypervisors': ('unknown-nova', 'The hypervisors'),
    'flavors': ('unknown-nova', 'The flavors'),
    'volume_services': ('unknown-cinder', 'The services cinder-volume'),
    'clusters': ('unknown-cinder', 'The clusters of cinder-volume'),
    'pools': ('unknown-cinder', 'The pools of the backends'),
    'volume_types': ('unknown-cinder', 'The volume types'),
    'stores': ('unknown-glance', 'The stores'),
    'store_details': ('unknown-glance', 'Where the stores are'),
    'images': ('unknown-glance', 'The images'),
    'policy': ('unknown-policy', 'The placement policy'),
    'jobs': ('unknown-jobs', 'The copies that are still to be made')}


@dataclasses.dataclass(frozen=True)
class Answers:
    """The :class:`~dcn_plugins.osc.fact.Fact` of each question.

    :param aggregates: as Nova lists them; without them there are no sites.
    :param mirrors: UUIDs of the providers in an aggregate of placement, by
        its UUID.
    :param policy: the placement policy.
    :param writable: names of the stores that images can be copied to.
    :param etcd: :class:`~dcn_plugins.osc.etcd_findings.EtcdAnswers`.
    :param clocks: of the APIs, by their names.
    :param seconds: how long each service of the centre had time.
    :param now: seconds since 1970.
    """

    aggregates: list
    computes: facts.Fact
    hypervisors: facts.Fact
    flavors: facts.Fact
    volume_services: facts.Fact
    clusters: facts.Fact
    pools: facts.Fact
    volume_types: facts.Fact
    stores: facts.Fact
    store_details: facts.Fact
    images: facts.Fact
    policy: facts.Fact
    jobs: facts.Fact
    writable: frozenset
    mirrors: dict
    etcd: etcd_findings.EtcdAnswers
    clocks: dict
    seconds: float
    now: float

    @functools.cached_property
    def services(self):
        """The services, by their sites."""
        return site_services.Services(self.computes, self.volume_services,
                                      self.pools)

    @functools.cached_property
    def entries(self):
        """All sites, by their names."""
        return site_entry.entries_of(self.aggregates)


def findings(name, answers):
    """Return each :class:`~dcn_plugins.osc.finding.Finding`, errors first.

    :param name: of a site that is in ``entries``.
    :param answers: :class:`Answers`.
    """
    entry = answers.entries[name]
    return finding.in_order([
        *_site(entry, answers.entries),
        *compute_findings.findings(entry, answers.entries, answers),
        *volume_findings.findings(entry, answers),
        *store_findings.findings(entry, answers.entries, answers),
        *etcd_findings.findings(answers.etcd, answers.clocks),
        *_unknown(entry, answers)])


def _site(entry, entries):
    if entry.state is sites.State.DRAINING:
        yield finding.finding('site-draining', f'{entry.name} is draining',
                              site=entry.name)
    elif entry.state is not sites.State.ENABLED:
        yield finding.finding('site-closed', f'{entry.name} is {entry.state}',
                              site=entry.name)
    for fault in entry.faults:
        yield finding.finding('site-metadata', f'{entry.name}: {fault}',
                              site=entry.name)
    for other in likely_name.alike(entry.name, entries):
        yield finding.finding(
            'site-names-alike', f'The sites {entry.name!r} and {other!r} '
            'differ by case or blanks only')


def _unknown(entry, answers):
    for name, (rule_id, text) in QUESTIONS.items():
        fact = getattr(answers, name)
        # What nobody may see is not missed if images tell it, too.
        if name == 'store_details' and not fact.is_asked and set(
                entry.stores) <= set(store_findings.places_of(
                    fact, answers.images)):
            continue
        yield from _silence(rule_id, text, fact, answers.seconds)
    for aggregate in entry.aggregates:
        fact = answers.mirrors.get(aggregate['uuid'])
        if fact is not None:
            yield from _silence(
                'unknown-placement', 'The providers in the aggregate '
                f'{aggregate["name"]}', fact, answers.seconds)


def _silence(rule_id, text, fact, seconds):
    if fact.is_known:
        return
    if fact.is_asked:
        yield finding.finding(
            rule_id, f'{text}: {fact.problem} (asked for {seconds:g} s)')
    else:
        yield finding.finding(rule_id, f'{text}: {fact.problem}',
                              finding.Severity.WARNING)
