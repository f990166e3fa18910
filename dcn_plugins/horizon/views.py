# SPDX-License-Identifier: Apache-2.0
"""Sites, images, and the forms that close and open a site."""

import time
import urllib.parse

from django.core import exceptions as django_exceptions
from django.urls import reverse
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from horizon import forms as horizon_forms
from horizon.utils import functions
from horizon import views as horizon_views
from openstack_dashboard import policy

from dcn_plugins.horizon import forms
from dcn_plugins.horizon import image_rows
from dcn_plugins.horizon import readings
from dcn_plugins.horizon import site_rows
from dcn_plugins.osc import cordon
from dcn_plugins.osc import image_matrix

#: What Nova and Cinder ask of who enables and disables services.
CHANGE_RULES = (('compute', 'os_compute_api:os-services:update'),
                ('volume', 'volume_extension:services:update'),
                ('volume', 'clusters:update'))

_INDEX = 'horizon:admin:dcn_sites:index'


class SitesView(horizon_views.HorizonTemplateView):
    """A table of all sites: how they are, and since when that is known."""

    template_name = 'dcn/sites.html'
    page_title = _('Sites')

    def get_context_data(self, **kwargs):
        """Return what the page shows."""
        told = readings.sites(self.request)
        found, astray = told.value or ((), {})
        now = time.time()
        return super().get_context_data(
            **kwargs, current='sites', problem=told.problem, astray=[
                {'host': host, 'sites': ', '.join(names)}
                for host, names in astray.items()],
            headings=site_rows.HEADINGS,
            rows=[site_rows.row_of(one, now) for one in found],
            can_change=policy.check(CHANGE_RULES, self.request))


class ImagesView(horizon_views.HorizonTemplateView):
    """A matrix of all images and sites."""

    template_name = 'dcn/images.html'
    page_title = _('Sites')

    def get_context_data(self, **kwargs):
        """Return what the page shows."""
        query = self.request.GET
        search = query.get('search', '')
        is_unsettled = bool(query.get('unsettled'))
        told = readings.images(self.request)
        context = super().get_context_data(
            **kwargs, current='images', search=search,
            is_unsettled=is_unsettled, problem=told['told'].problem,
            warnings=image_rows.warnings_of(told))
        if not told['told'].is_known:
            return context
        matrix = image_rows.Matrix(
            told['told'].value.images, told['told'].value.stores,
            told['sites'].value or {}, self._states(told))
        page = matrix.page(query.get('page'),
                           functions.get_page_size(self.request), search,
                           is_unsettled)
        context.update(columns=matrix.columns, page=page, **{
            name: self._address(search, is_unsettled, number)
            for name, number in (('previous', page.previous),
                                 ('next', page.next))})
        return context

    @staticmethod
    def _states(told):
        """Return what tells the state of an image in each store."""
        found, now = told['told'].value, time.time()

        def states(image):
            return image_matrix.states_of(
                image, told['policy'].value, found.stores,
                found.jobs_of(image), now)

        return states

    @staticmethod
    def _address(search, is_unsettled, number):
        """Return the query of another page, or ``None``."""
        return number and '?' + urllib.parse.urlencode({
            'search': search, 'page': number,
            **({'unsettled': 1} if is_unsettled else {})})


class ChangeView(horizon_forms.ModalFormView):
    """What all forms that change a site have: a plan, and who may do it."""

    template_name = 'dcn/change.html'
    success_url = reverse_lazy(_INDEX)
    form_id = 'dcn_change_form'
    address = None

    def dispatch(self, request, *args, **kwargs):
        """Answer a request.

        :raises PermissionDenied: if the user may not enable and disable
            services.
        """
        if not policy.check(CHANGE_RULES, request):
            raise django_exceptions.PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @property
    def site(self):
        """The name of the site."""
        return self.request.GET.get('site', '')

    def get_initial(self):
        """Return what the form has at first."""
        return {**super().get_initial(), 'site': self.site}

    def get_context_data(self, **kwargs):
        """Return what the form shows: all that it would do."""
        context = super().get_context_data(**kwargs)
        told = readings.planned(self.request, self.plan)
        steps, left = told.value or ((), ())
        query = urllib.parse.urlencode({'site': self.site})
        context.update(
            submit_url=f'{reverse(self.address)}?{query}', site=self.site,
            steps=steps, left=left, problem=told.problem)
        return context


class CordonView(ChangeView):
    """Close a site to all that is new."""

    form_class = forms.CordonForm
    address = 'horizon:admin:dcn_sites:cordon'
    page_title = modal_header = submit_label = _('Cordon Site')

    def plan(self, client, seconds):
        """Return the steps, and what is left as it is."""
        return cordon.cordoned(client, self.site, seconds), ()


class UncordonView(ChangeView):
    """Open a site that was closed here or by the command."""

    form_class = forms.UncordonForm
    address = 'horizon:admin:dcn_sites:uncordon'
    page_title = modal_header = submit_label = _('Uncordon Site')

    def plan(self, client, seconds):
        """Return the steps, and what is left as it is."""
        return cordon.uncordoned(client, self.site, seconds)
