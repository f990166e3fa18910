# SPDX-License-Identifier: Apache-2.0
"""Write the result of a scrub for people and for programs. Pure."""

import json

from dcn_plugins.glance import drift


def as_json(stores, report, outcomes=()):
    """Return the result as a JSON document.

    :param stores: names of those that were looked at.
    :param outcomes: what has become of the findings, in their order; none if
        nothing was to be repaired.
    """
    findings = []
    for number, finding in enumerate(report.findings):
        kind = finding.kind
        found = {
            'kind': kind.id, 'store': finding.store, 'pool': finding.pool,
            'rbd_image': finding.name, 'image_id': finding.image_id,
            'what': kind.what, 'why': kind.why, 'remedy': kind.remedy,
            'evidence': finding.evidence,
            'repairable': kind.has_repair and not finding.reason,
            'consent': kind.consent, 'reason': finding.reason or None}
        if outcomes:
            found['repaired'] = outcomes[number].is_repaired
            found['reason'] = outcomes[number].reason or None
        findings.append(found)
    return json.dumps({
        'stores': list(stores), 'counted': report.counted,
        'unknown': report.unknown, 'findings': findings},
        indent=2, sort_keys=True)


def as_text(stores, report, outcomes=()):
    """Return the result as lines for people; see :func:`as_json`."""
    counted = report.counted
    lines = [f'Stores {", ".join(stores)}: {counted["images"]} images, '
             f'{counted["copies"]} copies looked at, {counted["compared"]} '
             'contents compared']
    by_finding = {id(outcome.finding): outcome for outcome in outcomes}
    for kind in drift.KINDS:
        found = [finding for finding in report.findings
                 if finding.kind is kind]
        if found:
            lines += ['', f'{kind.id}: {kind.what}.',
                      f'  Why it hurts: {kind.why}.',
                      f'  Remedy: {kind.remedy}.']
        for finding in found:
            lines += _lines(finding, by_finding.get(id(finding)))
    lines += ['', _total(report, outcomes)]
    lines += [f'Not known: {what}: {why}'
              for what, why in sorted(report.unknown.items())]
    lines.append(
        f'Not looked at: {counted["unsettled"]} that may still change, '
        f'{counted["elsewhere"]} locations in other stores, '
        f'{counted["foreign"]} images of pools that are not named so')
    return '\n'.join(lines)


def _lines(finding, outcome):
    if outcome is None:
        reason = finding.reason
        verdict = 'repairable' if (
            finding.kind.has_repair and not reason) else 'stays'
    else:
        reason = outcome.reason
        verdict = 'REPAIRED' if outcome.is_repaired else (
            'FAILED' if outcome.is_failure else 'stays')
    yield f'  {verdict:<10}  {finding.subject}'
    yield f'              {finding.evidence}.'
    if reason:
        yield f'              {verdict.capitalize()}: {reason}.'


def _total(report, outcomes):
    if not report.findings:
        return 'No drift was found.'
    total = f'{len(report.findings)} found'
    if not outcomes:
        return total
    done = sum(outcome.is_repaired for outcome in outcomes)
    return f'{total}, {done} repaired'
