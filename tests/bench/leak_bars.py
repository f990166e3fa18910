# SPDX-License-Identifier: Apache-2.0
"""What may be left when all volumes are deleted: nothing. Pure."""

from tests.bench import driver_names as names
from tests.bench import leak_family as family
from tests.bench import verdict

#: Of what is counted at the end of each seed.
LEFT = ('images', 'snapshots', 'trash', 'objects', 'markers', 'keys',
        'leases')
_FAILURES = {family.FAILED: 'operations that have failed',
             family.BUSY: 'deletions that were refused'}


def sums(results):
    """Return all figures of some seeds, added up."""
    return {
        **{kind: sum(result['left'][kind] for result in results)
           for kind in LEFT},
        **{outcome: sum(result['outcomes'].get(outcome, 0)
                        for result in results)
           for outcome in (family.DONE, family.GONE, family.BUSY,
                           family.FAILED, family.DIED)},
        'deaths': sum(code != 0 for result in results
                      for code in result['codes']),
        'stranded': sum(result['stranded'] for result in results),
        'seconds': sum(result['seconds'] for result in results),
        'seeds': len(results)}


def bars(record):
    """Return what is demanded of our driver.

    :raises KeyError: if a figure is missing.
    :raises ValueError: without any seed.
    """
    results = record['flavours'][names.OURS]
    found = sums(results)
    least = min(sum(result['outcomes'].values()) for result in results)
    return [
        verdict.Bar('operations that were asked for, share of the least of '
                    'a seed', record['operations'] / max(least, 1), 1),
        *(verdict.Bar(f'{kind} left', found[kind], 0) for kind in LEFT),
        verdict.Bar('processes that did not end by themselves',
                    found['deaths'], 0),
        verdict.Bar('objects that could not be deleted', found['stranded'],
                    0),
        *(verdict.Bar(text, found[outcome], 0)
          for outcome, text in _FAILURES.items())]
