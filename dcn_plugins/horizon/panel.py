# SPDX-License-Identifier: Apache-2.0
"""The panel, and who may see it."""

from django.utils.translation import gettext_lazy as _
import horizon


class Sites(horizon.Panel):
    """Sites and the images that they have, for administrators."""

    name = _('Sites')
    slug = 'dcn_sites'
    permissions = ('openstack.services.compute',)
    # Sites are made of aggregates: who may not list these sees nothing.
    policy_rules = (('compute', 'os_compute_api:os-aggregates:index'),)
