# SPDX-License-Identifier: Apache-2.0
"""What is full in a cluster, as its monitors tell it."""

# Checks of ``health``. An OSD that is full stops all pools.
_OSD, _POOL = 'OSD_FULL', 'POOL_FULL'


def reason(checks, pool):
    """Return what keeps a pool from being written to, or ``None``.

    Another pool may have reached its quota: that is no matter here.

    :param checks: ``checks`` of ``ceph health detail``. Its ``detail`` is cut
        off after ``mon_health_max_detail`` lines (50): where the pool is not
        among them and some are missing, it counts as full.
    """
    found = []
    if _OSD in checks:
        found.append(checks[_OSD]['summary']['message'])
    if _POOL in checks:
        found += _of_pool(checks[_POOL], pool)
    return '; '.join(found) or None


def _of_pool(check, pool):
    summary = check['summary']
    texts = [line['message'] for line in check.get('detail', ())]
    found = [text for text in texts if text.startswith(f"pool '{pool}' ")]
    if not found and summary.get('count', len(texts)) > len(texts):
        return [summary['message']]
    return found
