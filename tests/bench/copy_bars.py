# SPDX-License-Identifier: Apache-2.0
"""What a copy of an image is compared with, and what is demanded. Pure."""

import statistics

from tests.bench import verdict

FIRST, LATER, BOTH = 'ours, hashed', 'ours', 'ours, two targets'
QEMU, QEMU_WHOLE = 'qemu-img', 'qemu-img, snapshot'
DELTA, WHOLE = 'ours, with the base', 'ours, without it'
EXPORT, DIFF = 'export | import', 'export-diff | import-diff'
SPARSE, DENSE = 'sparse', 'dense'

#: Beside qemu-img, which does not verify; beside one target; of the link.
QEMU_RATIO, TWO_RATIO, LINK_SHARE = 1.05, 1.15, {20: 0.92, 80: 0.88}
RSS_MIB = 160
#: Of what was changed.
DELTA_RATIO = 1.05


def medians(rounds):
    """Return the median of each figure, by layout and case.

    :param rounds: ``(layout, case, {figure: number})``.
    """
    by_case = {}
    for layout, case, figures in rounds:
        by_case.setdefault(layout, {}).setdefault(case, []).append(figures)
    return {layout: {case: {
        name: statistics.median(found[name] for found in several)
        for name in several[0]} for case, several in cases.items()}
        for layout, cases in by_case.items()}


def bars(record):
    """Return what is demanded of the figures.

    :param record: ``medians``, ``rtt_ms`` and ``link_bytes_per_second`` (both
        ``None`` without a WAN) and ``data_bytes``.
    """
    found = []
    for layout, cases in record['medians'].items():
        seconds = {case: figures['seconds']
                   for case, figures in cases.items()}
        found.append(verdict.Bar(
            f'{layout}: beside qemu-img with snapshot', verdict.ratio(
                seconds, LATER, [QEMU_WHOLE]), QEMU_RATIO))
        found.append(verdict.Bar(
            f'{layout}: beside qemu-img, whose image nobody can use yet',
            verdict.ratio(seconds, LATER, [QEMU]), QEMU_RATIO))
        found.append(verdict.Bar(
            f'{layout}: two targets beside one',
            verdict.ratio(seconds, BOTH, [LATER]), TWO_RATIO))
        for case in (FIRST, LATER, BOTH):
            found.append(verdict.Bar(
                f'{layout}: peak RSS of {case}', cases[case]['rss_mib'],
                RSS_MIB, 'MiB'))
        if record['link_bytes_per_second']:
            limit = record['data_bytes'] / record['link_bytes_per_second']
            found.append(verdict.Bar(
                f'{layout}: beside the limit of the link',
                seconds[LATER] / limit,
                1 / LINK_SHARE.get(record['rtt_ms'], 0.88)))
    return found


def delta_bars(record):
    """Return what is demanded of a copy with a base.

    :param record: ``cases``: seconds and bytes by name; ``changed_bytes``;
        ``link``. Without a link it is about bytes alone: a copy within a
        machine is faster than to compare.
    """
    cases = record['cases']
    found = [verdict.Bar('delta: sent beside what was changed',
                         cases[DELTA]['sent_bytes'] / record['changed_bytes'],
                         DELTA_RATIO)]
    if record['link']:
        found.append(verdict.Bar(
            'delta: seconds beside export | import',
            cases[DELTA]['seconds'] / cases[EXPORT]['seconds'], 1.0))
    return found
