# SPDX-License-Identifier: Apache-2.0
"""The id of a claim, which tells when it was made. Pure.

etcd keeps no times, and whoever looks at a lock wants to know since when it is
held. The time is that of the clock of whoever has made the claim: it is for
people, and nothing may depend on it.
"""


def made(now, chance):
    """Return the id of a claim.

    :param now: seconds since 1970.
    :param chance: a text without "." and "/" that no other claim has.
    """
    return f'{int(now):x}.{chance}'


def claimed_at(claim_id):
    """Return when a claim was made, or ``None`` if its id does not tell."""
    told, point, _chance = claim_id.partition('.')
    try:
        return int(told, 16) if point else None
    except ValueError:
        return None
