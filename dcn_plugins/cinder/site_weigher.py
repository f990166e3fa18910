# SPDX-License-Identifier: Apache-2.0
"""Fill sites one after the other, in the order in which Nova does.

Loaded by cinder-scheduler through the entry point
``cinder.scheduler.weights``; switched on in cinder.conf::

    [DEFAULT]
    scheduler_default_weighers = DCNSiteWeigher,CapacityWeigher

Not with ``StochasticHostWeightHandler``, which draws lots.
"""

from cinder.scheduler import weights
from oslo_log import log as logging

from dcn_plugins.cinder import site_ranking

LOG = logging.getLogger(__name__)


class DCNSiteWeigher(weights.BaseHostWeigher):
    """Weigh a backend by the rank of its site; never raises.

    All backends of a site get the same weight, so that Cinder's own weighers
    choose among them. The site that a volume is in comes first, then sites
    that have the image that is preferred, sites with room, the priority, and
    the order of ``[dcn] site_order``.
    """

    # With these the rank is not normalised: one rank is one multiplier, no
    # matter how many sites there are.
    minval = 0
    maxval = 1

    def __init__(self):
        self._multiplier = 0.0

    def weight_multiplier(self):
        """Return the weight of one rank, after :meth:`weigh_objects`."""
        return self._multiplier

    def _weigh_object(self, obj, weight_properties):
        raise NotImplementedError('weigh_objects() does the work')

    def weigh_objects(self, weighed_obj_list, weight_properties):
        """Return the rank of each backend's site, 0 for the last."""
        backend_states = [weighed.obj for weighed in weighed_obj_list]
        try:
            ranking = site_ranking.shared()
            self._multiplier = ranking.multiplier
            return _ranks(ranking, backend_states, weight_properties)
        # The last line of defence of a door: an error would end the request.
        except Exception:
            LOG.exception('DCNSiteWeigher: ranking sites failed; all are '
                          'equal')
            return [0.0] * len(backend_states)


def _ranks(ranking, backend_states, properties):
    if not ranking.multiplier:
        return [0.0] * len(backend_states)
    ranked = ranking.ranked(backend_states, properties)
    ranks = {}
    for rank, (name, group) in enumerate(reversed(ranked)):
        LOG.debug('DCNSiteWeigher: rank %d: %s', rank,
                  'no site' if name is None else f'site {name}')
        # The best site of a backend comes last.
        for backend_state in group:
            ranks[id(backend_state)] = float(rank)
    return [ranks.get(id(backend_state), 0.0)
            for backend_state in backend_states]
