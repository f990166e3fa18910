# SPDX-License-Identifier: Apache-2.0
"""Checks of the policy files that a nova.conf names.

Forced moves and ``ZONE:HOST`` ask no filter, so that only policy can close
them. What a rule allows is asked of oslo.policy with the credentials of
ordinary people, as text alone does not tell: a rule may refer to others, and
Nova's own defaults fill what the files do not say.
"""

import dataclasses
import functools
import re

from nova import policies
from oslo_policy import policy

from dcn_plugins.cmd import results
from dcn_plugins.nova import cross_site_policy

SAMPLE = 'etc/nova/policy.dcn.yaml.sample'

_MEMBER = frozenset({'member', 'reader'})
_MANAGER = _MEMBER | {'manager'}
_ADMIN = _MANAGER | {'admin'}

# Rules that begin otherwise are those of an operator, for others to refer to.
_OF_SERVICES = ('os_compute_api:', 'compute:', 'dcn:')


@dataclasses.dataclass(frozen=True)
class Passage:
    """A way around the filters, and the rule that closes it.

    :param rules: names of the rule, that of the newest release first.
    :param harm: what happens when the rule is open.
    :param remedy: whom to leave it to.
    """

    name: str
    rules: tuple[str, ...]
    harm: str
    remedy: str


_ADMINISTRATORS = 'administrators'

_TO_MOVERS = 'Leave it to "role:dcn_cross_site_mover"'

PASSAGES = (
    Passage(
        'Forced live migration',
        ('os_compute_api:os-migrate-server:migrate_live:host',
         # Nova 31 does not tell a named host from none.
         'os_compute_api:os-migrate-server:migrate_live'),
        'A live migration to a named host asks no filter when it is forced '
        '(microversions 2.30 to 2.67) or older than 2.30: the server may '
        'land in another site than its disk.', _TO_MOVERS),
    Passage(
        'Forced evacuation', ('os_compute_api:os-evacuate',),
        'An evacuation to a named host asks no filter when it is forced '
        '(microversions 2.29 to 2.67) or older than 2.29: in another site '
        'the server starts on a new, empty disk.', _TO_MOVERS),
    Passage(
        'Creation on ZONE:HOST',
        ('os_compute_api:servers:create:forced_host',),
        'A creation with the availability zone ZONE:HOST asks no filter: the '
        'server may start in a site that is closed or not for its project, '
        'and in another zone than it says.',
        'Close it with "!", as a creation with a host of its own '
        '(microversion 2.74) asks the filters'),
)


class _Unusable(Exception):
    """The policy files, or one rule, give no answer; the text says why."""


class PolicyChecks:
    """Checks of the policy files, which are read when the first one is run.

    :param conf: options; parsed by the time a check is run.
    """

    def __init__(self, conf):
        self._conf = conf

    def all(self):
        """Return ``[(name, function)]``."""
        return [
            ('Policy files', self.files),
            *((each.name, functools.partial(self.passage, each))
              for each in PASSAGES),
            ('Policy dcn:cross_site_move', self.cross_site_move)]

    def files(self):
        """Tell whether the policy files say what they seem to say."""
        try:
            enforcer = self._loaded()
        except _Unusable as exc:
            return results.failure(str(exc))
        broken = sorted(name for name, rule in enforcer.file_rules.items()
                        if _is_broken(rule))
        if broken:
            return results.failure(
                f'What the file says of {", ".join(broken)} is no rule, or '
                'not all of it is. oslo.policy takes what it does not '
                'understand for "nobody". Correct it.')
        try:
            enforcer.check_rules(raise_on_violation=True)
        except policy.InvalidDefinitionError as exc:
            return results.failure(
                f'A reference leads nowhere or in a circle. {exc}')
        known = {*enforcer.registered_rules, *_former_names(enforcer)}
        unknown = sorted(
            name for name in enforcer.file_rules
            if name not in known and name.startswith(_OF_SERVICES))
        if unknown:
            return results.warning(
                f'This Nova does not know {", ".join(unknown)}, so that it '
                'has no effect. Correct the name, or take that of this '
                'release.')
        if not enforcer.file_rules:
            return results.success(
                f'{self._conf.oslo_policy.policy_file} does not exist or is '
                'empty: the defaults hold.')
        return results.success()

    def passage(self, passage):
        """Warn when ordinary people may use a way around the filters."""
        try:
            enforcer = self._loaded()
            rule = next((name for name in passage.rules
                         if name in enforcer.registered_rules), None)
            if rule is None:
                raise _Unusable(
                    f'this Nova does not know {passage.rules[0]}. Look for '
                    f'its new name. {passage.harm}')
            callers = _callers(enforcer, rule)
        except _Unusable as exc:
            return results.warning(f'skipped: {exc}')
        if not callers:
            return results.success()
        return results.warning(
            f'{rule} is open to {", ".join(callers)}. {passage.harm} '
            f'{passage.remedy}. See {SAMPLE}.')

    def cross_site_move(self):
        """Warn when people of a project may leave the site of a disk."""
        rule = cross_site_policy.CROSS_SITE_MOVE
        try:
            callers = _callers(self._loaded(), rule)
        except _Unusable as exc:
            return results.warning(f'skipped: {exc}')
        # Administrators may know what they do.
        callers = [name for name in callers if name != _ADMINISTRATORS]
        if not callers:
            return results.success()
        return results.warning(
            f'{rule} is open to {", ".join(callers)}. They unshelve a server '
            'into the zone of another site, and its disk stays behind. '
            f'{_TO_MOVERS}. See {SAMPLE}.')

    @functools.cached_property
    def _loading(self):
        enforcer = policy.Enforcer(self._conf)
        enforcer.suppress_deprecation_warnings = True
        enforcer.register_defaults(
            [*policies.list_rules(), *cross_site_policy.RULES])
        try:
            # oslo.policy takes a file for empty that it cannot open.
            path = self._conf.find_file(enforcer.policy_file)
            if path:
                open(path).close()
            enforcer.load_rules()
        # oslo.policy translates few of the errors that a file can cause: a
        # list in place of a mapping is an AttributeError.
        except Exception as exc:
            return None, _Unusable(
                f'the policy files ({self._conf.oslo_policy.policy_file}) '
                f'cannot be read: {_text(exc)}')
        return enforcer, None

    def _loaded(self):
        enforcer, error = self._loading
        if error:
            raise error
        return enforcer


def _callers(enforcer, rule):
    """Return the names of those of whom a rule lets pass."""
    # An operator may give the rights of an administrator to other roles.
    admin = _ADMIN.union(re.findall(
        r'role:([^\s()]+)', str(enforcer.rules['context_is_admin'])))
    people = {_ADMINISTRATORS: admin, 'managers of a project': _MANAGER,
              'members of a project': _MEMBER}
    try:
        return [name for name, roles in people.items()
                if _is_allowed(enforcer, rule, roles)]
    # A rule may refer to itself or ask a server that is not there.
    except Exception as exc:
        raise _Unusable(f'{rule} cannot be evaluated: {_text(exc)}') from exc


def _is_allowed(enforcer, rule, roles):
    own = {'project_id': 'project', 'user_id': 'user'}
    credentials = {**own, 'roles': sorted(roles), 'is_admin': False,
                   'is_admin_project': True, 'system_scope': None,
                   'domain_id': None}
    # As Nova does it: one rule says who an administrator is, and others ask
    # for its answer.
    credentials['is_admin'] = enforcer.enforce(
        'context_is_admin', own, dict(credentials))
    return enforcer.enforce(rule, own, credentials)


def _is_broken(rule):
    # What cannot be parsed becomes the check of nobody.
    return isinstance(rule.check_str, str) and (
        str(rule.check).count('!') > rule.check_str.count('!'))


def _former_names(enforcer):
    return (rule.deprecated_rule.name
            for rule in enforcer.registered_rules.values()
            if rule.deprecated_rule)


def _text(exc):
    return ' '.join(str(exc).split()) or type(exc).__name__
