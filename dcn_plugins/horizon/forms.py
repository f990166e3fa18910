# SPDX-License-Identifier: Apache-2.0
"""What closes a site to all that is new, and opens it again."""

from django import forms as django_forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from horizon import forms
from horizon import messages

from dcn_plugins import exceptions
from dcn_plugins.horizon import user_client
from dcn_plugins.osc import cordon
from dcn_plugins.osc import site_change


class ChangeForm(forms.SelfHandlingForm):
    """A change of one site; subclasses have ``plan`` and ``say``."""

    site = django_forms.CharField(widget=django_forms.HiddenInput())

    def handle(self, request, data):
        """Do all steps; say so, or what has failed, and return whether."""
        try:
            with user_client.client_of(request) as client:
                steps = self.plan(client, user_client.service_seconds(), data)
                site_change.SiteChange(
                    client.cloud, user_client.service_seconds()).run(steps)
        except exceptions.DCNError as exc:
            self.api_error(str(exc))
            return False
        self.say(request, data['site'], steps)
        return True


class CordonForm(ChangeForm):
    """Disable nova-compute and cinder-volume of a site."""

    # With the words before it it is to fit into 255 characters.
    reason = django_forms.CharField(
        label=gettext_lazy('Reason'), max_length=150, required=False,
        help_text=gettext_lazy('Why, for others who look'))

    def plan(self, client, seconds, data):
        """Return the steps; the errors are those of ``cordon``."""
        return cordon.cordoned(client, data['site'], seconds, data['reason'])

    def say(self, request, site, steps):
        """Say what was done."""
        messages.success(request, _(
            'Site %(site)s takes nothing new; %(count)d steps were done.') % {
                'site': site, 'count': len(steps)})


class UncordonForm(ChangeForm):
    """Enable what was disabled by a cordon, and nothing else."""

    left = ()

    def plan(self, client, seconds, data):
        """Return the steps; the errors are those of ``cordon``."""
        steps, self.left = cordon.uncordoned(client, data['site'], seconds)
        return steps

    def say(self, request, site, steps):
        """Say what was done, and what was left."""
        messages.success(request, _(
            'The cordon of site %(site)s is undone; %(count)d steps were '
            'done.') % {'site': site, 'count': len(steps)})
        if self.left:
            messages.warning(request, _(
                'Left as they are, as somebody else has disabled them: '
                '%s') % ', '.join(self.left))
