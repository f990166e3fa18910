# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the etcd of a site, and with clocks. Pure.

That nobody answers does not tell whether there is a quorum; a member that
says it sees no leader does.
"""

import dataclasses

from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import finding

#: What locks need of etcd: leases in transactions through its gateway.
LEAST_VERSION = (3, 4)

#: How full the database may be.
SPACE_SHARE = 0.8

#: Of a lease that is renewed over a new connection: TCP, TLS, the log-in and
#: the renewal.
ROUND_TRIPS = 4

#: What a line to a site may take for a question and its answer. Nothing fails
#: beyond it, but one connection carries 4 MiB in that time at most, as the
#: kernel's buffers are by default: 335 Mbit/s.
ROUND_TRIP_SECONDS = 0.1

#: By how much clocks may differ. Signs of life count for a minute.
CLOCK_SECONDS = 5.0

_NO_LEADER = '0'
_NO_SPACE = 'NOSPACE'
_ALARMS = {_NO_SPACE: 'etcd-no-space', 'CORRUPT': 'etcd-corrupt'}


@dataclasses.dataclass(frozen=True)
class Member:
    """What one member says of itself.

    :param cluster: id of the cluster that it is in.
    :param leader: id of the member that leads, ``0`` if it sees none.
    :param errors: what is wrong, alarms among it, as it says it.
    :param size_bytes: of its database on disk.
    :param quota_bytes: of which size it may be; ``None`` if it does not tell.
    :param round_trip_seconds: of one question and its answer.
    :param clock: :class:`~dcn_plugins.osc.clock.Clock`, or ``None``.
    """

    version: str
    cluster: str
    leader: str
    errors: tuple = ()
    size_bytes: int = 0
    quota_bytes: int | None = None
    round_trip_seconds: float = 0.0
    clock: object = None


@dataclasses.dataclass(frozen=True)
class EtcdAnswers:
    """What the etcd of a site has answered, as facts.

    :param quorum: whether it serves a read that takes one.
    :param members: of :class:`Member`, by endpoint.
    :param seconds: how long each had time.
    :param attempt_seconds: what the renewal of a lease has for one member.
    """

    quorum: facts.Fact
    members: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    attempt_seconds: float | None = None

    @property
    def known(self):
        """The members that have answered, by endpoint."""
        return {name: fact.value for name, fact in self.members.items()
                if fact.is_known}


def findings(etcd, clocks):
    """Yield each :class:`~dcn_plugins.osc.finding.Finding`.

    :param etcd: :class:`EtcdAnswers`.
    :param clocks: of the APIs, by their names.
    """
    yield from _quorum(etcd)
    yield from _silent(etcd)
    yield from _clusters(etcd.known)
    yield from _versions(etcd.known)
    yield from _alarms(etcd.known)
    for name, member in etcd.known.items():
        yield from _space(name, member)
        yield from _round_trip(name, member, etcd.attempt_seconds)
    yield from _distance(etcd.known)
    yield from _clocks({**clocks, **{
        f'etcd {name}': member.clock for name, member in etcd.known.items()
        if member.clock is not None}})


def _quorum(etcd):
    apart = [name for name, member in etcd.known.items()
             if member.leader == _NO_LEADER]
    if etcd.quorum.is_known:
        for name in apart:
            yield finding.finding(
                'etcd-member-without-leader',
                f'{name} sees no leader; others have one')
    elif not etcd.quorum.is_asked:
        yield finding.finding(
            'unknown-etcd', 'The etcd of the site was not asked: nobody says '
            'where it is', finding.Severity.WARNING)
    elif apart:
        yield finding.finding(
            'etcd-no-quorum', f'{", ".join(apart)} '
            f'{"see" if len(apart) > 1 else "sees"} no leader, and no member '
            f'serves a read; {len(etcd.known)} of {len(etcd.members)} members '
            'answer')
    else:
        yield finding.finding(
            'unknown-etcd', 'Whether the etcd of the site has a quorum: '
            f'{etcd.quorum.problem} (asked for {etcd.seconds:g} s)')


def _silent(etcd):
    severity = finding.Severity.WARNING if etcd.quorum.is_known else None
    for name, fact in etcd.members.items():
        if not fact.is_known:
            yield finding.finding(
                'unknown-etcd-member', f'{name}: {fact.problem} (asked for '
                f'{etcd.seconds:g} s)', severity)


def _clusters(known):
    found = _names_by(known, lambda member: member.cluster)
    if len(found) > 1:
        yield finding.finding(
            'etcd-two-clusters', 'Members of different clusters: '
            + _groups(found))


def _versions(known):
    found = _names_by(known, lambda member: member.version)
    least = '.'.join(map(str, LEAST_VERSION))
    for version, names in found.items():
        if _numbers(version) < LEAST_VERSION:
            yield finding.finding(
                'etcd-too-old', f'{", ".join(names)} is etcd '
                f'{version or "of no version"}, and {least} is the least',
                least=least)
    if len(found) > 1:
        yield finding.finding('etcd-versions-differ',
                              f'Versions of etcd: {_groups(found)}')


def _alarms(known):
    # Each member tells those of all.
    for alarm, rule_id in _ALARMS.items():
        names = [name for name, member in known.items()
                 if _has_alarm(member, alarm)]
        if names:
            yield finding.finding(
                rule_id, f'The alarm {alarm} is raised; so say '
                f'{", ".join(names)}')


def _has_alarm(member, alarm):
    return any(f'alarm:{alarm}' in told for told in member.errors)


def _space(name, member):
    if _has_alarm(member, _NO_SPACE):
        return
    if member.quota_bytes is None:
        yield finding.finding(
            'unknown-etcd-quota', f'{name} does not tell how large its '
            f'database of {_megabytes(member.size_bytes)} may be')
    # Below 0 there is no limit.
    elif member.quota_bytes > 0 and (
            member.size_bytes > SPACE_SHARE * member.quota_bytes):
        yield finding.finding(
            'etcd-space', f'The database of {name} has '
            f'{_megabytes(member.size_bytes)} of '
            f'{_megabytes(member.quota_bytes)}, '
            f'{member.size_bytes / member.quota_bytes:.0%}')


def _round_trip(name, member, attempt_seconds):
    if attempt_seconds is None:
        return
    share = attempt_seconds / ROUND_TRIPS
    if member.round_trip_seconds > share:
        yield finding.finding(
            'etcd-slow', f'A round trip to {name} takes '
            f'{member.round_trip_seconds:.2f} s from this host, and the '
            f'renewal of a lease has room for {share:.2f} s')


def _distance(known):
    """Yield that the site is far away; one member may only be busy."""
    shortest = min((member.round_trip_seconds for member in known.values()),
                   default=0.0)
    if shortest > ROUND_TRIP_SECONDS:
        yield finding.finding(
            'round-trip-long', 'A round trip to the site takes '
            f'{1000 * shortest:.0f} ms from this host, by its etcd')


def _clocks(clocks):
    off = {name: found for name, found in clocks.items()
           if found.is_off(CLOCK_SECONDS)}
    if off:
        yield finding.finding(
            'clocks-differ', 'Compared with the clock of this host: '
            + '; '.join(f'{name} {found.ahead_seconds:+.0f} s'
                        for name, found in sorted(off.items()))
            + (f'; all {len(off)} of those that were asked'
               if len(off) == len(clocks) > 1 else ''))


def _names_by(known, key):
    found = {}
    for name, member in known.items():
        found.setdefault(key(member), []).append(name)
    return found


def _groups(found):
    return '; '.join(f'{value or "none"} ({", ".join(names)})'
                     for value, names in sorted(found.items()))


def _numbers(version):
    """Return the first two numbers of a version; zeros if it is none."""
    try:
        major, minor = version.split('.')[:2]
        return int(major), int(minor)
    except ValueError:
        return 0, 0


def _megabytes(size):
    return f'{size / 1024 ** 2:.0f} MiB'
