# SPDX-License-Identifier: Apache-2.0
"""Fill sites one after the other, in an order that does not change by itself.

Load it with nova.conf of nova-scheduler::

    [filter_scheduler]
    weight_classes = nova.scheduler.weights.all_weighers,\
dcn_plugins.nova.site_weigher.DCNSiteWeigher

all in one line, and with Nova's own: the option replaces its default.
"""

import nova.conf
from nova.scheduler import weights
from oslo_log import log as logging

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import site_ranking
from dcn_plugins.nova import site_request
from dcn_plugins import version

LOG = logging.getLogger(__name__)


class DCNSiteWeigher(weights.BaseHostWeigher):
    """Weigh a host by the rank of its site; never raises.

    All hosts of a site get the same weight, so that Nova's own weighers
    choose among them. The site that a server is in comes first, then sites
    that have the image that is preferred, sites with room, the priority, and
    the order of ``[dcn] site_order``.
    """

    # With these the rank is not normalised: one rank is one multiplier, no
    # matter how many sites there are.
    minval = 0
    maxval = 1

    def __init__(self):
        conf = nova.conf.CONF
        site_options.register_opts(conf)
        self._multiplier = conf.dcn.site_weight_multiplier
        self._ranking = site_ranking.SiteRanking(
            conf.dcn, site_request.shared())
        LOG.info('DCNSiteWeigher loaded (dcn_plugins %s), site_order=%s '
                 'site_weight_multiplier=%g', version.version_string(),
                 conf.dcn.site_order, self._multiplier)

    def weight_multiplier(self, host_state):
        """Return the weight of one rank."""
        return self._multiplier

    def _weigh_object(self, obj, weight_properties):
        raise NotImplementedError('weigh_objects() does the work')

    def weigh_objects(self, weighed_obj_list, weight_properties):
        """Return the rank of each host's site, 0 for the last."""
        host_states = [weighed.obj for weighed in weighed_obj_list]
        try:
            ranked = self._ranking.ranked(host_states, weight_properties)
        # The last line of defence of a door: an error would end the request.
        except Exception:
            LOG.exception('DCNSiteWeigher: ranking sites failed; all are '
                          'equal')
            return [0.0] * len(host_states)
        ranks = {}
        for rank, (_name, group) in enumerate(reversed(ranked)):
            for host_state in group:
                ranks[id(host_state)] = float(rank)
        return [ranks[id(host_state)] for host_state in host_states]
