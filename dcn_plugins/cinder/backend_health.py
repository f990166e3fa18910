# SPDX-License-Identifier: Apache-2.0
"""What cinder-scheduler has to hear of a backend that cannot work. Pure.

Of a driver's statistics only the capacity keeps volumes away by itself, with
the filters that a scheduler has by default. ``backend_state`` is for people,
and a capacity that is "unknown" counts as enough.
"""

#: No volume, clone, snapshot or extension comes here with it. Those that have
#: to go away can be deleted: a deletion is not scheduled.
DOWN = {'backend_state': 'down', 'total_capacity_gb': 0,
        'free_capacity_gb': 0}


def statistics(has_ceph, locks_away_seconds, patience_seconds):
    """Return what is to be changed in the statistics of a driver.

    :param has_ceph: whether Ceph has answered.
    :param locks_away_seconds: for how long there has been no lease; 0 while
        there is one, or if none is needed.
    :param patience_seconds: how long it is worth to wait for the locks. A
        short outage is better waited for than told to users.
    """
    has_locks = locks_away_seconds < patience_seconds
    found = {'dcn_locks': 'up' if has_locks else 'down'}
    if not has_ceph or not has_locks:
        found.update(DOWN)
    return found
