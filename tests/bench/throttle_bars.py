# SPDX-License-Identifier: Apache-2.0
"""What is demanded of a rate that somebody has set."""

from tests.bench import verdict

DEVIATION = 0.05


def rate(samples, since, seconds):
    """Return bytes a second in a part of the time. Pure.

    :param samples: ``(at, bytes)``, rising; what is between two of them is
        taken for even.
    :raises ValueError: if they do not cover it.
    """
    until = since + seconds
    return (_at(samples, until) - _at(samples, since)) / seconds


def _at(samples, moment):
    for (before, low), (after, high) in zip(samples, samples[1:]):
        if before <= moment <= after:
            return low + (high - low) * (moment - before) / (after - before)
    raise ValueError(f'nothing was counted at {moment:.1f}')


def bars(record):
    """Return the bars of a record.

    :param record: ``rates``: what was set and what was measured, by what was
        done; ``paused_share``: of the rate before.
    """
    return [*(verdict.Bar(f'{name}: off {found["set"] / 1e6:g} MB/s, as a '
                          f'share', abs(found['measured'] / found['set'] - 1),
                          DEVIATION)
              for name, found in record['rates'].items()),
            verdict.Bar('paused: sent, as a share of before',
                        record['paused_share'], DEVIATION)]
