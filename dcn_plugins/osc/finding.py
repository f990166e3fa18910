# SPDX-License-Identifier: Apache-2.0
"""All that a check of a site can find: why it hurts, what to do. Pure.

The ids are for programs and never change.
"""

import dataclasses
import enum


class Severity(enum.Enum):
    """Whether the site works; an error is the exit status of the command."""

    ERROR = 'error'
    WARNING = 'warning'


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is the same of all findings of an id.

    :param remedy: with names in braces, which a finding fills in.
    """

    severity: Severity
    why: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that nobody could tell in time.

    :param what: with the names of what it is about.
    """

    id: str
    severity: Severity
    what: str
    why: str
    remedy: str


def finding(rule_id, what, severity=None, **names):
    """Return a :class:`Finding` of a rule.

    :param severity: that of the rule unless given.
    :param names: of what is in braces in its remedy.
    """
    rule = RULES[rule_id]
    return Finding(rule_id, severity or rule.severity, what, rule.why,
                   rule.remedy.format(**names))


def in_order(findings):
    """Return findings, errors first, else as the table below has them."""
    ids = list(RULES)
    return sorted(findings, key=lambda found: (
        found.severity is not Severity.ERROR, ids.index(found.id),
        found.what))


_E, _W = Severity.ERROR, Severity.WARNING

#: By id.
RULES = {
    # The site
    'site-closed': Rule(
        _E, 'The schedulers send nothing there, neither servers nor volumes',
        'openstack dcn site set {site} --state enabled'),
    'site-draining': Rule(
        _W, 'What is new is sent elsewhere, or fails if it is pinned there',
        'openstack dcn site set {site} --state enabled, when it may take '
        'something again'),
    'site-metadata': Rule(
        _W, 'The schedulers take the strictest meaning, which may not be what '
        'was meant', 'Correct it with openstack dcn site set {site}'),
    'site-names-alike': Rule(
        _W, 'Names are compared sign by sign: what is meant for the one site '
        'is refused by the other', 'Put the hosts into one of them, and '
        'delete the other with openstack dcn site delete'),
    # Nova
    'zone-missing-nova': Rule(
        _E, 'No server can be asked for in this availability zone',
        'openstack aggregate set --zone {zone} AGGREGATE, of an aggregate '
        'that has all hosts of the site'),
    'site-without-hosts': Rule(
        _E, 'Every server that is pinned to the site has no valid host',
        'openstack dcn site add host {site} HOST'),
    'no-compute-enabled': Rule(
        _E, 'Every server that is pinned to the site has no valid host',
        'Start nova-compute on one of the hosts, or enable it: openstack dcn '
        'site uncordon {site} undoes a cordon'),
    'host-down': Rule(
        _W, 'Nothing new goes there, and servers on it cannot be changed',
        'Look at nova-compute on {host}, and at its way to the message bus'),
    'host-disabled': Rule(
        _W, 'Nothing new goes there',
        'openstack compute service set --enable {host} nova-compute'),
    'host-unknown': Rule(
        _E, 'The site is smaller than its aggregates say',
        'Start nova-compute on {host} with this name, or take it out with '
        'openstack dcn site remove host {site} {host}'),
    'host-in-two-sites': Rule(
        _E, 'It is in neither site for the schedulers, which refuse it',
        'openstack dcn site remove host, of the site where {host} is not'),
    'host-in-no-aggregate': Rule(
        _W, 'It is in no site: what is pinned to the site never goes there',
        'openstack dcn site add host {site} {host}, if it is of this site'),
    'flavor-names-no-site': Rule(
        _W, 'No server of this flavor can be made where that site is the only '
        'one it names', 'openstack flavor set {flavor} --property '
        'dcn:site=NAMES'),
    # placement
    'host-without-provider': Rule(
        _E, 'placement knows nothing of it, so that no server goes there',
        'nova-manage cell_v2 discover_hosts, and look at nova-compute on '
        '{host}'),
    'host-not-mirrored': Rule(
        _E, 'Candidates are asked of placement by its own aggregates: what is '
        'pinned to the site never goes to this host',
        'openstack dcn site set {site}'),
    'provider-left-behind': Rule(
        _E, 'Servers that are pinned to the site are offered a host that is '
        'not there', 'Take the aggregate away from its provider: openstack '
        'resource provider aggregate set'),
    # Cinder
    'zone-missing-cinder': Rule(
        _E, 'Volumes for servers of this availability zone fail, or come from '
        'another site where Cinder may fall back',
        'Set storage_availability_zone = {zone} in cinder.conf of the '
        'cinder-volumes of the site, and start them again'),
    'no-volume-service': Rule(
        _E, 'There are no volumes at the site', 'Start a cinder-volume, or '
        'correct dcn_site of those that are in its availability zone'),
    'no-volume-service-up': Rule(
        _E, 'Volumes can be neither made, attached nor deleted at the site',
        'Look at cinder-volume there, at its way to the message bus and at '
        'the etcd of the site'),
    'no-volume-service-enabled': Rule(
        _E, 'No volume can be made at the site',
        'openstack dcn site uncordon {site}, or enable {name}'),
    'volume-service-down': Rule(
        _W, 'One less can take over', 'Look at cinder-volume of {host}'),
    'volume-service-disabled': Rule(
        _W, 'It gets no new volume', 'openstack dcn site uncordon {site}, or '
        'enable {name}'),
    'volume-service-alone': Rule(
        _W, 'When it stops, nobody takes over: no volume of the site can be '
        'attached until it is back',
        'Start a second one with the same cluster in cinder.conf'),
    'volume-service-without-cluster': Rule(
        _W, 'Nobody takes its volumes over when it stops',
        'Set cluster in cinder.conf of {host} to that of the site, and start '
        'it again'),
    'cluster-in-two-zones': Rule(
        _E, 'A volume is in whichever zone the member is that takes the '
        'request', 'Set one storage_availability_zone in cinder.conf of all '
        'its members, and start them again'),
    'volume-type-names-no-zone': Rule(
        _W, 'No volume of this type can be made where that zone is the only '
        'one it names', 'openstack volume type set {type} --property '
        'RESKEY:availability_zones=NAMES'),
    'volume-driver-stock': Rule(
        _W, 'It believes in locks that it may have lost: two may write to one '
        'volume, and what a killed one has left half done stays so',
        'Stop all cinder-volumes of the site, and set volume_driver of '
        '{backend} to dcn_plugins.cinder.rbd_driver.DCNRBDDriver'),
    'volume-fence-none': Rule(
        _W, 'Who has lost a lock is not cut off from Ceph, and may write '
        'beside the next one',
        'Take fence = none out of [dcn] of {backend}, and name the etcd of '
        'the site in [coordination] backend_url with dcn-etcd3+http'),
    # Glance
    'store-missing': Rule(
        _E, 'No image can be brought to the site: each server and volume '
        'there reads its image from afar', 'Add {store} to enabled_backends '
        'of the glance-api that you ask, or correct --store of openstack dcn '
        'site set {site}'),
    'store-names-alike': Rule(
        _W, 'Names are compared sign by sign: an image asked for in the one '
        'is not in the other', 'Rename one of the stores'),
    'store-name-prefix': Rule(
        _W, 'Glance lists the stores of an image as one text: whoever looks '
        'for the shorter name in it finds the images of the other, too',
        'Compare whole names in scripts and filters; give new stores names '
        'of one length'),
    'stores-share-pool': Rule(
        _E, 'Both mean the same data: when a copy leaves the one store, that '
        'of the other is gone, and Glance takes a location of the one for '
        'that of the other', 'Give each store a pool of its own, and mind '
        'that images are registered in both'),
    'stores-share-cluster': Rule(
        _W, 'A copy in both is no second copy: both are lost with one Ceph',
        'Point {store} to the Ceph of its site'),
    'store-paths-alike': Rule(
        _E, 'Glance knows the store of an old location by how its path '
        'begins, and takes the one store for the other',
        'Move one of them to a directory whose path does not begin with that '
        'of the other'),
    'store-elsewhere': Rule(
        _W, 'Volumes of images are no clones but copied in full, over the '
        'network', 'Name the store in the Ceph of the site with openstack '
        'dcn site set {site} --store'),
    # Images
    'image-copy-failed': Rule(
        _E, 'Nobody tries again by himself: servers at the site read it from '
        'afar', 'openstack dcn image show IMAGE tells why; then openstack dcn '
        'job retry IMAGE {store}'),
    'image-lacking': Rule(
        _W, 'Servers at the site read it from afar, and not at all when the '
        'line is down', 'Look whether glance-api runs its placement worker, '
        'or openstack dcn image copy IMAGE --store {store}'),
    'image-on-its-way': Rule(
        _W, 'Servers that are made before it is there read it from afar',
        'Wait, and see openstack dcn job list --store {store}'),
    'policy-names-no-store': Rule(
        _W, 'The rule does nothing for this store',
        'Correct the line, or add the store to enabled_backends'),
    # etcd
    'etcd-no-quorum': Rule(
        _E, 'Nobody gets a lock: no volume of the site can be made, attached '
        'or deleted', 'Start the members that are away, until a majority '
        'runs'),
    'etcd-two-clusters': Rule(
        _E, 'Two cinder-volumes get the same lock, one from each, and both '
        'write', 'Stop all cinder-volumes of the site but one, and name the '
        'members of one cluster only in [coordination] backend_url'),
    'etcd-no-space': Rule(
        _E, 'etcd takes no writes: nobody gets a lock',
        'Compact it, run etcdctl defrag on each member, then etcdctl alarm '
        'disarm'),
    'etcd-corrupt': Rule(
        _E, 'Members have different keys: a lock may be held twice',
        'Stop all cinder-volumes of the site but one, and replace the member '
        'whose data differ'),
    'etcd-member-without-leader': Rule(
        _E, 'Who asks this member gets no answer, and one less may fail',
        'Look at its way to the other members'),
    'etcd-too-old': Rule(
        _E, 'Locks need what older ones do not have', 'Upgrade it to '
        '{least} or newer'),
    'etcd-versions-differ': Rule(
        _W, 'It is for the time of an upgrade: newer members work as the '
        'oldest one', 'Upgrade the others, one after the other'),
    'etcd-space': Rule(
        _W, 'When it is full, etcd takes no writes, and nobody gets a lock',
        'Set --auto-compaction-retention, run etcdctl defrag on one member '
        'after the other, or raise --quota-backend-bytes'),
    'etcd-slow': Rule(
        _W, 'The renewal of a lease over a new connection takes four round '
        'trips, and has no time for them: locks get lost from here',
        'Let cinder-volume run near its etcd, or raise ttl in '
        '[coordination] backend_url'),
    'round-trip-long': Rule(
        _W, 'Whatever the services of the site ask the centre takes as long, '
        'many times over, and one connection to a Ceph carries no more than '
        '4 MiB in that time',
        'See the line to the site; if it cannot be shorter, raise '
        'net.ipv4.tcp_wmem where images are copied from, and --site-seconds '
        'here'),
    'clocks-differ': Rule(
        _W, 'Tokens and certificates are refused, services count as down that '
        'are up, and logs are in no order', 'See chronyc tracking there; if '
        'all differ by the same, the clock of this host is wrong'),
    # What was tried, with --deep
    'probe-lock-failed': Rule(
        _E, 'No volume of the site can be made, attached or deleted',
        'See whether a majority of its etcd runs, and whether its user may '
        'write'),
    'probe-volume-failed': Rule(
        _E, 'No volume can be made at the site, or none deleted',
        'openstack volume message list tells why; else see the logs of '
        'cinder-scheduler and of cinder-volume there'),
    'probe-image-failed': Rule(
        _E, 'No image can be brought to the site, or read there',
        'See the log of the glance-api that you ask: it needs the store '
        '{store}, its Ceph and its keyring'),
    'probe-copy-failed': Rule(
        _E, 'Images do not come to the site, neither by themselves nor when '
        'somebody asks; or nobody could see whether they do',
        'See the log of the glance-api that you ask; it needs the '
        'store {store} and one of another site, and copy-image in '
        'enabled_import_methods'),
    'probe-copy-slow': Rule(
        _W, 'Each image takes that much longer to come, and the more so the '
        'more of them come at once',
        'See the line to the site, what else it carries (openstack dcn job '
        'list), the limits in [dcn] of glance-api, and the Ceph of {store}'),
    'probe-left-behind': Rule(
        _W, 'It takes room, and counts for the quota of its project',
        'openstack {kind} delete {id}'),
    # What nobody could tell
    'unknown-nova': Rule(
        _E, 'Nobody knows whether it is well', 'See whether Nova can be '
        'reached, or give a longer --service-seconds'),
    'unknown-placement': Rule(
        _E, 'Nobody knows whether it is well', 'See whether placement can be '
        'reached, or give a longer --service-seconds'),
    'unknown-cinder': Rule(
        _E, 'Nobody knows whether it is well', 'See whether Cinder can be '
        'reached, or give a longer --service-seconds'),
    'unknown-glance': Rule(
        _E, 'Nobody knows whether it is well', 'See whether Glance can be '
        'reached, or give a longer --service-seconds'),
    'unknown-policy': Rule(
        _E, 'Nobody knows which images are wanted at the site',
        'Set policy_file below "dcn" of the cloud in clouds.yaml'),
    'unknown-jobs': Rule(
        _E, 'Nobody knows which images are on their way to the site',
        'Set jobs_url below "dcn" of the cloud in clouds.yaml, and see '
        'whether that etcd runs'),
    'unknown-etcd': Rule(
        _E, 'Nobody knows whether there are any locks',
        'See whether the etcd of locks_url (below "dcn" in clouds.yaml) runs '
        'and can be reached, set locks_url if there is none, or give a longer '
        '--site-seconds'),
    'unknown-etcd-member': Rule(
        _E, 'One less may fail, if it is away', 'See whether this member '
        'runs and can be reached, or give a longer --site-seconds'),
    'unknown-etcd-quota': Rule(
        _W, 'Nobody knows how soon its database is full',
        'Let its /metrics be read from here'),
}
