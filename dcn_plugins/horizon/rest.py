# SPDX-License-Identifier: Apache-2.0
"""Sites for Launch Instance, for everybody who may launch one."""

from django.conf import settings
from django.views import generic
from openstack_dashboard.api.rest import urls
from openstack_dashboard.api.rest import utils as rest

from dcn_plugins.horizon import readings
from dcn_plugins.horizon import site_choices


@urls.register
class Sites(generic.View):
    """All sites that the user's project could use."""

    url_regex = r'dcn/sites/$'

    @rest.ajax()
    def get(self, request):
        """Return ``items``, and the ``problem`` if they are not all known."""
        told = readings.choices(request)
        return site_choices.answer(
            told['aggregates'], told['zones'], request.user.project_id,
            getattr(settings, 'DCN_SITE_GROUPS', {}))
