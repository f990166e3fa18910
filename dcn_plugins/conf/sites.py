# SPDX-License-Identifier: Apache-2.0
"""Options of site-aware scheduling (nova.conf of nova-scheduler)."""

from oslo_config import cfg

from dcn_plugins import admission
from dcn_plugins import ranking

GROUP = cfg.OptGroup(
    'dcn', title='DCN sites',
    help='Site-aware scheduling, read by nova-scheduler.')

OPTS = [
    cfg.StrOpt(
        'move_policy', default=admission.STRICT,
        choices=[
            (admission.STRICT,
             'a move that would leave the site finds no host'),
            (admission.PREFER,
             'a move leaves the site when there is no room in it'),
            (admission.OFF, 'moves are not looked at: stock behaviour')],
        help='What happens when a server that exists is scheduled again: '
             'cold migration, live migration, resize, evacuate, unshelve. '
             'With "strict" only hosts of the server\'s own site pass, and '
             'the operation fails with "No valid host" when that site has '
             'no room; the server itself is untouched. Policy '
             'dcn:cross_site_move lets chosen people name a destination '
             'elsewhere. "prefer" needs DCNSiteWeigher, and is for clouds '
             'whose sites share their storage: elsewhere a server that '
             'leaves loses its disk. Forced moves and availability zones '
             'given as ZONE:HOST never reach a filter, whatever is set '
             'here: close them with policy.'),
    cfg.StrOpt(
        'unknown_site', default='refuse',
        choices=[
            ('refuse', 'fail closed: no host passes'),
            ('allow', 'fail open: all hosts pass, with a warning')],
        help='Verdict for a request of which cannot be found out what it '
             'asks of sites: the database did not answer, the record of a '
             'server that moves names no host, or its host is in two sites '
             'at once. "refuse" keeps the data safe and may block a move '
             'until the cause is gone; "allow" is what stock Nova does, and '
             'may start the server away from its disk.'),
    cfg.BoolOpt(
        'push_to_placement', default=True,
        help='Tell placement which aggregates a request may use, before it '
             'chooses its at most [scheduler] max_placement_results '
             'candidates. Without it a site whose hosts are not among them '
             'has "No valid host" though it has room. It is one more '
             'function in the scheduler\'s list of request filters; if Nova '
             'no longer has that list a warning is logged and the filter '
             'works alone.'),
    cfg.IntOpt(
        'max_pushed_aggregates', default=100, min=1, max=200,
        help='Number of aggregates that are named in one query of placement, '
             '37 bytes each. If it takes more to say which sites a request '
             'may use, the most useful ones are named and the filter does '
             'the rest. Many web servers refuse queries of more than about '
             '200.'),
    cfg.FloatOpt(
        'site_map_seconds', default=10.0, min=1.0, max=3600.0,
        help='Age in seconds at which the map of all sites is read from the '
             'API database again, in the background. Until then placement is '
             'told what was true before: a site that has just been closed '
             'may still be offered, and is then refused by the filter, which '
             'knows at once; one that has just been opened may be passed '
             'over. No request fails because of an old map.'),
    cfg.StrOpt(
        'image_locality', default=admission.IGNORE,
        choices=list(admission.LOCALITIES),
        help='Whether a server goes where its image is, unless its flavor '
             'says dcn:image_locality. "prefer" (needs DCNSiteWeigher) takes '
             'another site only when none with the image has room; "require" '
             'takes none. Costs one request to Glance per image and '
             'locality_cache_seconds. The stores of a site are dcn:store of '
             'its aggregates, else the store of the site\'s own name.'),
    cfg.StrOpt(
        'volume_locality', default=admission.IGNORE,
        choices=list(admission.LOCALITIES),
        help='Whether a server goes to the site of its existing volumes, '
             'unless its flavor says dcn:volume_locality. The site of a '
             'volume is that of the hosts in its availability zone. Costs a '
             'query and one request to Cinder per volume.'),
    cfg.StrOpt(
        'unknown_locality', default='allow',
        choices=[
            ('allow', 'fail open: the locality is not looked at'),
            ('refuse', 'fail closed: as unknown_site says')],
        help='Verdict when Glance or Cinder does not tell where an image or '
             'a volume is, or the token of the request does not suffice. '
             'With "allow" the server may start away from its image, which '
             'is slow but loses nothing; a warning is logged.'),
    cfg.FloatOpt(
        'locality_cache_seconds', default=30.0, min=0.0, max=3600.0,
        help='How long in seconds the stores of an image are remembered. A '
             'copy that has just been made or deleted is seen that much '
             'later.'),
    cfg.StrOpt(
        'site_order', default=ranking.PROJECT,
        choices=[
            (ranking.PROJECT, 'a project stays on its own sites'),
            (ranking.HEADROOM, 'the emptiest site first')],
        help='Order of the sites of equal dcn:priority (DCNSiteWeigher and '
             'DCNOneSiteFilter). "project" draws each project to the same '
             'sites as long as they have room, without a record of it, and '
             'the same ones in Cinder.'),
    cfg.FloatOpt(
        'site_weight_multiplier', default=1e8, min=0.0,
        help='Weight of one rank of a site (DCNSiteWeigher). The default is '
             'beyond the sum of all of Nova\'s weighers with their default '
             'multipliers, of which the greatest is 1,000,000, so that they '
             'choose among the hosts of a site and not among sites. 0 '
             'switches the weigher off.'),
    cfg.IntOpt(
        'spill_over_percent', default=90, min=1, max=100,
        help='Used percentage of a site, of memory or of CPUs, whichever is '
             'greater, at which it is full: the next site comes before it '
             'from then on.'),
    cfg.IntOpt(
        'spill_back_percent', default=80, min=1, max=100,
        help='Used percentage of a full site below which it has room again. '
             'Not greater than spill_over_percent.'),
]


def register_opts(conf):
    """Register the options; a second call changes nothing."""
    # By name: a group object that is registered collects the options of
    # whoever registers it next.
    conf.register_opts(OPTS, group=GROUP.name)


def check(conf):
    """Read every option once.

    A bad value shall keep the scheduler from starting rather than make every
    later request fail.

    :raises ConfigFileValueError: of oslo.config, with option and value.
    """
    for opt in OPTS:
        getattr(conf[GROUP.name], opt.dest)


def list_opts():
    """Return ``[(group, options)]`` for oslo-config-generator."""
    return [(GROUP, OPTS)]
