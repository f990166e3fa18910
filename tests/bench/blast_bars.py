# SPDX-License-Identifier: Apache-2.0
"""What a fence may do to others, and how long it may take. Pure."""

import statistics

from tests.bench import verdict

PAUSE_SECONDS, TAKEOVER_SECONDS = 1.0, 3.0


def guest_figures(seconds, since, until):
    """Return what a guest has met in a time.

    :param seconds: what it has said, one dictionary a second.
    """
    found = [second for second in seconds if since <= second['at'] < until]
    return {
        'seconds': len(found),
        'writes': sum(second['writes'] for second in found),
        'errors': sum(len(second['errors']) for second in found),
        'longest_seconds': max(
            (second['longest'] for second in found), default=float('nan')),
        'late_seconds': max(
            (second['late'] for second in found), default=float('nan')),
        'is_owner': all(second['is_owner'] for second in found)}


def takeover_figures(takeovers):
    """Return how long it took from the end of the lease to the next grant.

    :param takeovers: with ``stopped_at``, ``lease_ends_at``, ``held_at``,
        ``outcome``.
    """
    after_lease = sorted(found['held_at'] - found['lease_ends_at']
                         for found in takeovers if found['held_at'])
    after_death = [found['held_at'] - found['stopped_at']
                   for found in takeovers if found['held_at']]
    return {
        'count': len(takeovers),
        'without_grant': len(takeovers) - len(after_lease),
        'median_seconds': statistics.median(after_lease),
        'p95_seconds': after_lease[int(len(after_lease) * 0.95)],
        'longest_seconds': after_lease[-1],
        'longest_seconds_since_death': max(after_death)}


def bars(record):
    """Return what is demanded of the figures.

    :raises KeyError: if a figure is missing.
    """
    guest, others = record['guest'], record['others']
    taken, fenced = record['takeover'], record['blocklist']
    return [
        verdict.Bar('fencings that were asked for, share of those that were',
                    record['fences'] / max(fenced['fenced'], 1), 1),
        verdict.Bar('errors of the guest', guest['errors'], 0),
        verdict.Bar('longest write of the guest', guest['longest_seconds'],
                    PAUSE_SECONDS, 's'),
        verdict.Bar('times the guest has lost its image',
                    int(not guest['is_owner']), 0),
        verdict.Bar('errors of other processes', others['errors'], 0),
        verdict.Bar('processes that have died besides',
                    others['deaths'], 0),
        verdict.Bar('takeovers that did not come',
                    taken['without_grant'] + record['failed_takeovers'], 0),
        verdict.Bar('longest takeover, since the end of the lease',
                    taken['longest_seconds'], TAKEOVER_SECONDS, 's'),
        verdict.Bar('holders that say they went on to the end',
                    record['zombies_done'], 0),
        verdict.Bar('holders that were not fenced', fenced['missing'], 0),
        verdict.Bar('others that were fenced', fenced['others'], 0)]
