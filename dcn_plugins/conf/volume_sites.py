# SPDX-License-Identifier: Apache-2.0
"""Options of site-aware scheduling of volumes (cinder.conf)."""

from oslo_config import cfg

from dcn_plugins import admission
from dcn_plugins import ranking

GROUP = cfg.OptGroup(
    'dcn', title='DCN sites',
    help='Site-aware scheduling, read by cinder-scheduler.')

OPTS = [
    cfg.BoolOpt(
        'site_lookup', default=True,
        help='Ask Nova for its aggregates, with the credentials in [nova], '
             'which have to be allowed to list them. They say which sites '
             'there are, and of each its state, its priority, its stores and '
             'the projects it is for. While Nova does not answer the last '
             'answer is used; as long as there is none, or when this is '
             'switched off, each site is taken for open to all (fail open), '
             'with a warning: a volume in a closed site loses nothing. '
             'Scheduler hints work without it, except those that name a '
             'group of sites.'),
    cfg.FloatOpt(
        'site_map_seconds', default=30.0, min=1.0, max=3600.0,
        help='Age in seconds at which the answer of Nova is asked for again, '
             'in the background; at twice that age the request waits for it. '
             'A change of a site is seen that much later. After a failure '
             'Nova is left alone for so long.'),
    cfg.FloatOpt(
        'site_map_timeout_seconds', default=10.0, min=0.1, max=60.0,
        help='How long, in seconds, Keystone and Nova may each take for one '
             'answer. A smaller [nova] timeout outranks it.'),
    cfg.StrOpt(
        'image_locality', default=admission.IGNORE,
        choices=list(admission.LOCALITIES),
        help='Whether a volume that is created from an image goes where the '
             'image is, unless its volume type says dcn:image_locality. '
             '"prefer" (needs DCNSiteWeigher) takes another site only when '
             'none with the image has room; "require" takes none. Costs two '
             'requests to Glance per image and locality_cache_seconds. The '
             'stores of a site are dcn:store of its aggregates, else the '
             'store of the site\'s own name.'),
    cfg.StrOpt(
        'unknown_locality', default='allow',
        choices=[
            ('allow', 'fail open: the locality is not looked at'),
            ('refuse', 'fail closed: no backend passes')],
        help='Verdict when Glance does not tell where an image is. With '
             '"allow" a warning is logged and the volume may be made away '
             'from its image, which is slow but loses nothing.'),
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
        help='Order of the sites of equal dcn:priority (DCNSiteWeigher). '
             'With "project", here and in nova.conf, the servers and the '
             'volumes of a project meet in the same sites as long as these '
             'have room.'),
    cfg.FloatOpt(
        'site_weight_multiplier', default=1e6, min=0.0,
        help='Weight of one rank of a site (DCNSiteWeigher). The default is '
             'far beyond the sum of all of Cinder\'s weighers with their '
             'default multipliers, so that they choose among the backends of '
             'a site and not among sites. 0 switches the weigher off.'),
    cfg.IntOpt(
        'spill_over_percent', default=90, min=1, max=100,
        help='Used percentage of a site\'s capacity at which it is full: the '
             'next site comes before it from then on.'),
    cfg.IntOpt(
        'spill_back_percent', default=80, min=1, max=100,
        help='Used percentage of a full site below which it has room again. '
             'One that is greater than spill_over_percent counts as equal '
             'to it.'),
]

# Cinder takes what stands there for the default of each backend's own section.
BACKEND_GROUP = 'backend_defaults'

BACKEND_OPTS = [
    cfg.StrOpt(
        'dcn_site',
        help='The site that the backend is in, as dcn:site of Nova\'s '
             'aggregates names it. DCNRBDDriver publishes it as capability '
             'dcn_site. Default is the backend\'s availability zone. Needed '
             'only if one zone holds several sites. Other drivers publish it '
             'with extra_capabilities = {"dcn_site": "NAME"}.'),
]


def register_opts(conf):
    """Register the options of ``[dcn]``; a second call changes nothing."""
    # By name: a group object that is registered collects the options of
    # whoever registers it next.
    conf.register_opts(OPTS, group=GROUP.name)
