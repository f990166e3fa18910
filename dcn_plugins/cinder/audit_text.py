# SPDX-License-Identifier: Apache-2.0
"""Write the result of an audit for people and for programs. Pure."""

import json

_UNITS = ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')


def as_json(backend, pool, report, outcomes=()):
    """Return the result as a JSON document.

    :param outcomes: what has become of the findings, in their order; none if
        nothing was to be reclaimed.
    """
    findings = []
    for number, finding in enumerate(report.findings):
        found = {
            'kind': finding.kind, 'image': finding.image,
            'snapshot': finding.snapshot, 'trash_id': finding.trash_id,
            'evidence': finding.evidence, 'bytes': finding.bytes,
            'reclaimable': finding.is_reclaimable,
            'reason': finding.reason or None}
        if outcomes:
            found['reclaimed'] = outcomes[number].is_reclaimed
            found['reason'] = outcomes[number].reason or None
        findings.append(found)
    return json.dumps({
        'backend': backend, 'pool': pool, 'counted': report.counted,
        'reclaimable_bytes': report.reclaimable_bytes,
        'findings': findings}, indent=2, sort_keys=True)


def as_text(backend, pool, report, outcomes=()):
    """Return the result as lines for people; see :func:`as_json`."""
    counted = report.counted
    lines = [f'Pool {pool} of backend {backend}: {counted["images"]} images '
             f'and {counted["trash"]} entries of the trash that are named as '
             f'volumes, {counted["snapshots"]} snapshots']
    for number, finding in enumerate(report.findings):
        outcome = outcomes[number] if outcomes else None
        lines += _lines(finding, outcome)
    lines += ['', _total(report, outcomes), _rest(counted)]
    return '\n'.join(lines)


def human(size):
    """Return a number of bytes with a unit, or ``?`` for ``None``."""
    if size is None:
        return '?'
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f'{size:.1f} {_UNITS[unit]}' if unit else f'{size} B'


def _lines(finding, outcome):
    if outcome is None:
        verdict = 'stays' if finding.reason else 'reclaimable'
        reason = finding.reason
    else:
        verdict = 'RECLAIMED' if outcome.is_reclaimed else (
            'FAILED' if outcome.is_failure else 'stays')
        reason = outcome.reason
    yield ''
    yield (f'{verdict:<11}  {finding.kind:<16}  {human(finding.bytes):>10}  '
           f'{finding.subject}')
    yield f'             {finding.evidence}.'
    if reason:
        yield f'             {verdict.capitalize()}: {reason}.'


def _total(report, outcomes):
    if not report.findings:
        return 'Nothing is left over.'
    total = f'{len(report.findings)} left over'
    if outcomes:
        done = [outcome.finding for outcome in outcomes
                if outcome.is_reclaimed]
        return (f'{total}, {len(done)} reclaimed: about '
                + human(sum(finding.bytes or 0 for finding in done)))
    able = sum(finding.is_reclaimable for finding in report.findings)
    return (f'{total}, {able} can be reclaimed: about '
            + human(report.reclaimable_bytes))


def _rest(counted):
    return (f'Not looked at: {counted["foreign_images"]} images, '
            f'{counted["foreign_snapshots"]} snapshots and '
            f'{counted["foreign_trash"]} entries of the trash that Cinder '
            f'does not name so; {counted["young"]} that may still change')
