# SPDX-License-Identifier: Apache-2.0
"""Who may take a server out of its site.

An enforcer of our own reads the same files as Nova's: Nova's is private
state, and it takes no rules from others.
"""

import threading

import nova.conf
from nova import policies
from oslo_policy import policy

CROSS_SITE_MOVE = 'dcn:cross_site_move'

RULES = [
    policy.DocumentedRuleDefault(
        name=CROSS_SITE_MOVE,
        # Nobody has this role until an operator creates it, and containers of
        # nova-scheduler often come without a policy file.
        check_str='role:dcn_cross_site_mover',
        description='Move a server to another site than the one its disk is '
                    'in. Asked by nova-scheduler at the time of the move, '
                    'and only of a request that names its destination: a '
                    'host, or the availability zone of an unshelve.',
        operations=[
            {'method': 'POST', 'path': '/servers/{server_id}/action (migrate,'
                                       ' os-migrateLive, evacuate, unshelve)'},
        ]),
]

_lock = threading.Lock()
_enforcer = None


def list_rules():
    """Return the rules, for ``oslopolicy-sample-generator``."""
    return RULES


def may_cross(context):
    """Tell whether a request context has the right to leave a site.

    Thread-safe. A policy file that is changed is read again.

    :raises Exception: that of oslo.policy for a file that it cannot read.
    """
    return _get_enforcer().enforce(
        CROSS_SITE_MOVE, {'project_id': context.project_id,
                          'user_id': context.user_id},
        context.to_policy_values())


def reset():
    """Forget the enforcer, so that the next call reads its options anew."""
    global _enforcer
    with _lock:
        _enforcer = None


def _get_enforcer():
    global _enforcer
    with _lock:
        if _enforcer is None:
            enforcer = policy.Enforcer(nova.conf.CONF)
            # A file may refer to Nova's own rules.
            enforcer.suppress_deprecation_warnings = True
            enforcer.register_defaults([*policies.list_rules(), *RULES])
            _enforcer = enforcer
        return _enforcer
