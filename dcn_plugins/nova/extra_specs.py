# SPDX-License-Identifier: Apache-2.0
"""The extra specs ``dcn:`` of flavors, for nova-api to check.

Loaded by nova-api through the entry point ``nova.api.extra_spec_validators``.
Once it is there, a name in ``dcn:`` that is not below is refused.
"""

from nova.api.validation.extra_specs import base

from dcn_plugins import admission

# Sites are aggregate metadata and may change at any time, so that a validator
# can say how a name looks and not which names there are.
SITES = (r'(group:)?[A-Za-z0-9][A-Za-z0-9_.-]*'
         r'(,(group:)?[A-Za-z0-9][A-Za-z0-9_.-]*)*')

LOCALITIES = list(admission.LOCALITIES)


def register():
    """Return the validators of this package."""
    return [
        base.ExtraSpecValidator(
            name='dcn:site',
            description='Sites that servers of the flavor may be created in, '
                        'comma-separated; group:NAME stands for all sites '
                        'of a group.',
            value={'type': str, 'description': 'Names of sites.',
                   'pattern': SITES}),
        base.ExtraSpecValidator(
            name='dcn:image_locality',
            description='Whether a server goes where its image is; outranks '
                        '[dcn] image_locality of nova-scheduler.',
            value={'type': str, 'description': 'How strictly.',
                   'enum': LOCALITIES}),
        base.ExtraSpecValidator(
            name='dcn:volume_locality',
            description='Whether a server goes where its volumes are; '
                        'outranks [dcn] volume_locality of nova-scheduler.',
            value={'type': str, 'description': 'How strictly.',
                   'enum': LOCALITIES}),
    ]
