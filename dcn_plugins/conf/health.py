# SPDX-License-Identifier: Apache-2.0
"""Options of the health checks (cinder.conf and glance-api.conf)."""

from oslo_config import cfg

GROUP = 'dcn'

OPTS = [
    cfg.FloatOpt(
        'health_deadline_seconds', default=2.0, min=0.1, max=60.0,
        help='How long, in seconds (0.1 to 60), etcd or Ceph may take to '
             'answer the health checks dcn_dlm and dcn_stores of '
             '/healthcheck. When the time is over /healthcheck answers 503, '
             'and a load balancer that asks it takes this service out of '
             'rotation. Set it below the time that the load balancer waits '
             'for its check, and above the worst round trip to the site\'s '
             'etcd and Ceph. With less than 1.5 each election of a leader '
             'of etcd may take this service out of rotation.'),
    cfg.StrOpt(
        'health_etcd_url', secret=True,
        help='URL of the etcd that the health check dcn_dlm asks, as of '
             '[coordination] backend_url: '
             'dcn-etcd3+http://HOST:PORT,HOST:PORT (or dcn-etcd3+https). '
             'Unset means that option, which cinder-api has; glance-api has '
             'none. A check that has no etcd to ask checks nothing and '
             'passes, with an error in the log.'),
]

STORE_OPTS = [
    cfg.ListOpt(
        'health_stores', default=[],
        help='Glance stores, separated by commas, whose Ceph the health '
             'check dcn_stores asks: those of this glance-api\'s own site. '
             'While one of them does not answer, /healthcheck answers 503. '
             'Do not name stores of other sites: a site that is away would '
             'take this glance-api out of rotation. Empty means '
             '[glance_store] default_backend. A store that is not in RBD, or '
             'has no rbd_store_user, is not checked and passes, with an '
             'error in the log.'),
]


def register_opts(conf):
    """Register what both checks read; a second call changes nothing."""
    conf.register_opts(OPTS, group=GROUP)


def register_store_opts(conf):
    """Register what the check of Glance's stores reads."""
    conf.register_opts(OPTS + STORE_OPTS, group=GROUP)
