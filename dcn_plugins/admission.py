# SPDX-License-Identifier: Apache-2.0
"""Why a request may, or may not, use a site: the rules and their texts.

One function, :func:`refusal`, decides for the placement pre-filter, for the
filters of Nova and Cinder and for whoever asks afterwards, so that they cannot
disagree and say the same words.
"""

import collections
import dataclasses
import enum
import functools

from dcn_plugins import sites

IGNORE, PREFER, REQUIRE = 'ignore', 'prefer', 'require'
LOCALITIES = (IGNORE, PREFER, REQUIRE)

STRICT, OFF = 'strict', 'off'
MOVE_POLICIES = (STRICT, PREFER, OFF)


class Operation(enum.Enum):
    """What is done to a server or a volume; the value is for people."""

    CREATE = 'create'
    MIGRATE = 'migrate'
    RESIZE = 'resize'
    EVACUATE = 'evacuate'
    UNSHELVE = 'unshelve'
    REBUILD = 'rebuild'


# The strictest state of its own site that an operation still works in. What
# comes from elsewhere needs a site that is enabled.
_OPEN_TO_ITS_OWN = {
    Operation.MIGRATE: sites.State.DRAINING,
    Operation.RESIZE: sites.State.DRAINING,
    Operation.EVACUATE: sites.State.DISABLED,
    Operation.REBUILD: sites.State.DOWN,
}


class Rule(enum.Enum):
    """The rules, in the order in which they are asked.

    Those that choose a site come before those that close one: the refusal of
    the site that somebody has chosen is what they want to read.
    """

    CONTRADICTION = 'contradiction'
    MOVE = 'move'
    ZONE = 'zone'
    HINT = 'hint'
    FLAVOR = 'flavor'
    PROJECT = 'project'
    STATE = 'state'
    IMAGE = 'image'
    VOLUME = 'volume'


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a site is not used: the rule, the reason, and what helps."""

    rule: Rule
    text: str
    remedy: str

    def __str__(self):
        return f'{self.text}; {self.remedy}'


@dataclasses.dataclass(frozen=True)
class Request:
    """All that is known about a request before its hosts are.

    ``None`` for a set of sites or stores means that nothing is demanded; an
    empty set means that nothing can meet the demand.

    :param home: the site that the server is in; not looked at in a create.
    :param zone: the availability zone that the request is pinned to.
    :param default_zone: what Nova calls the zone of hosts in none.
    :param may_cross: whether the caller has the right to leave the site, and
        has said where to go.
    :param hinted: sites named by the scheduler hint ``dcn_site``.
    :param flavored: sites named by the extra spec ``dcn:site``.
    :param residence: sites that list the project in ``dcn:projects``.
    :param stores: the Glance stores that hold the image.
    :param volume_sites: the sites that the existing volumes are in; ``None``
        in the set stands for hosts in no site.
    """

    operation: Operation = Operation.CREATE
    project: str | None = None
    home: str | None = None
    zone: str | None = None
    default_zone: str = 'nova'
    move_policy: str = STRICT
    may_cross: bool = False
    hinted: frozenset[str] | None = None
    flavored: frozenset[str] | None = None
    residence: frozenset[str] | None = None
    image_locality: str = IGNORE
    stores: frozenset[str] | None = None
    volume_locality: str = IGNORE
    volume_sites: frozenset[str | None] | None = None

    @property
    def is_move(self):
        """Whether the server exists already."""
        return self.operation is not Operation.CREATE

    def to_record(self):
        """Return the request as a dictionary that JSON can hold."""
        record = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if isinstance(value, enum.Enum):
                value = value.value
            elif isinstance(value, frozenset):
                value = sorted(value, key=str)
            record[field.name] = value
        return record

    @classmethod
    def from_record(cls, record):
        """Return the request of :meth:`to_record`.

        :raises ValueError: with a field or an operation that is unknown.
        """
        unknown = record.keys() - {
            field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError('a request has no field '
                             + ', '.join(sorted(unknown)))
        fields = {key: frozenset(value) if isinstance(value, list) else value
                  for key, value in record.items()}
        if 'operation' in fields:
            fields['operation'] = Operation(fields['operation'])
        return cls(**fields)


def refusal(request, site):
    """Return why a request may not use a host of a site, or ``None``.

    :param request: :class:`Request`.
    :param site: :class:`~dcn_plugins.sites.Site` of the host.
    :returns: the first :class:`Refusal` in the order of :class:`Rule`.
    """
    if request.move_policy == OFF and request.is_move and (
            request.operation is not Operation.REBUILD):
        return None
    is_own = request.operation is Operation.REBUILD or (
        request.is_move and site.name == request.home)
    for rule in _RULES_AT_HOME if is_own else _RULES:
        found = rule(request, site, is_own)
        if found:
            return found
    return None


def is_away(request, site):
    """Tell whether a move to a site would be accepted only reluctantly."""
    return request.is_move and site.name != request.home


def is_near(request, site):
    """Tell whether a site has the image and the volumes that are preferred."""
    return ((request.image_locality != PREFER or request.stores is None
             or not request.stores.isdisjoint(site.stores))
            and (request.volume_locality != PREFER
                 or request.volume_sites is None
                 or site.name in request.volume_sites))


def _contradiction(request, site, is_own):
    # The disks may be in either site: neither a new server nor one of these
    # sites is right there.
    if request.operation is not Operation.REBUILD and isinstance(
            site.name, sites.SeveralSites):
        return Refusal(
            Rule.CONTRADICTION, f'it is in the sites {site.name} at once',
            f'correct {sites.SITE_KEY} or {sites.ZONE_KEY} of its aggregates')
    return None


def _move(request, site, is_own):
    if (not request.is_move or request.may_cross
            or request.move_policy != STRICT):
        return None
    return _stays(request.home, request.operation)


# One request refuses hundreds of sites for one and the same reason.
@functools.lru_cache(maxsize=256)
def _stays(home, operation):
    where = 'no site' if home is None else f'site {home}'
    return Refusal(
        Rule.MOVE, f'the server and its disk are in {where}',
        f'no {operation.value} leaves it unless policy '
        'dcn:cross_site_move allows more and a destination is named')


def _zone(request, site, is_own):
    zone = request.zone
    if not zone or request.operation is Operation.REBUILD:
        return None
    if zone == request.default_zone:
        # Nova shows this name for hosts that are in no zone; as a pin it
        # would match the hosts of all zones.
        if not site.zones and site.name is None:
            return None
        return Refusal(
            Rule.ZONE, f'availability zone {zone} means hosts in no site',
            'name the zone of a site, or none')
    if zone in site.zones:
        return None
    return _elsewhere(zone)


@functools.lru_cache(maxsize=256)
def _elsewhere(zone):
    return Refusal(Rule.ZONE, f'it is not in availability zone {zone}',
                   'name a zone of the site, or none')


def _state(request, site, is_own):
    limit = (_OPEN_TO_ITS_OWN.get(request.operation, sites.State.ENABLED)
             if is_own else sites.State.ENABLED)
    # A rebuild happens where the server is, in whatever state.
    if site.state <= limit or request.operation is Operation.REBUILD:
        return None
    if not request.is_move:
        what = 'new servers and volumes'
    elif is_own:
        what = request.operation.value
    else:
        what = 'servers and volumes of other sites'
    return Refusal(
        Rule.STATE, f'it is {site.state} and takes no {what}',
        f'choose another site, or have {sites.STATE_KEY} set to '
        f'{sites.State.ENABLED}')


def _hint(request, site, is_own):
    # A hint is for the create; Nova keeps it, and years later it would
    # forbid what an operator wants.
    if request.is_move or request.hinted is None or (
            site.name in request.hinted):
        return None
    return Refusal(Rule.HINT, 'the scheduler hint dcn_site names '
                   + _listed(request.hinted), 'change or omit the hint')


def _flavor(request, site, is_own):
    if request.flavored is None or site.name in request.flavored:
        return None
    return Refusal(Rule.FLAVOR, f'the flavor is for {sites.SITE_KEY}='
                   + _listed(request.flavored), 'choose another flavor')


def _project(request, site, is_own):
    if site.projects and request.project not in site.projects:
        return Refusal(
            Rule.PROJECT, 'it is reserved for other projects',
            f'have the project added to {sites.PROJECTS_KEY} of the site')
    if request.residence is None or site.name in request.residence:
        return None
    return Refusal(
        Rule.PROJECT, 'the project may only use '
        + _listed(request.residence),
        f'have the project added to {sites.PROJECTS_KEY} of the site')


def _image(request, site, is_own):
    if request.image_locality != REQUIRE or request.stores is None or (
            not request.stores.isdisjoint(site.stores)):
        return None
    return Refusal(
        Rule.IMAGE, 'the image is not there but in '
        + (_listed(request.stores) if request.stores else 'no store'),
        'copy the image to '
        + (f'store {_listed(site.stores)}' if site.stores
           else f'the site and set {sites.STORE_KEY}'))


def _volume(request, site, is_own):
    if request.volume_locality != REQUIRE or request.volume_sites is None or (
            site.name in request.volume_sites):
        return None
    return Refusal(
        Rule.VOLUME, 'the volumes are in '
        + (_listed(request.volume_sites) if request.volume_sites
           else 'different sites'),
        'choose volumes of one site, and that site')


def _at_home(request, site, is_own):
    if request.operation is Operation.RESIZE:
        return _flavor(request, site, is_own)
    if request.operation in (Operation.UNSHELVE, Operation.REBUILD):
        return _image(request, site, is_own)
    return None


_RULES = (_contradiction, _move, _zone, _hint, _flavor, _project, _state,
          _image, _volume)

# What is in a site already is not admitted to it again: a rule that has become
# stricter since must not keep a server from a healthy host beside its disk. A
# new flavor is new, and so is the image that a rebuild or an unshelve reads.
_RULES_AT_HOME = (_contradiction, _zone, _state, _at_home)


def explain(request, site):
    """Return one line on why a request would, or would not, use a site."""
    found = refusal(request, site)
    if found:
        return f'{site}: refused ({found.rule.value}): {found}'
    return f'{site}: accepted'


def summary(refusals):
    """Return refused hosts by rule, ``zone 9980, state 10``, most first.

    :param refusals: mapping of :class:`Refusal` to the number of hosts.
    """
    counts = collections.Counter()
    for found, count in refusals.items():
        counts[found.rule.value] += count
    return ', '.join(f'{rule} {count}'
                     for rule, count in counts.most_common()) or 'none'


def reason(request, site_map, max_sites=3):
    """Return for the user why no site of a cloud takes a request.

    The sites that came furthest are named: the user means one of them.
    """
    order = {rule: index for index, rule in enumerate(Rule)}
    if request.zone and request.zone != request.default_zone and (
            request.zone not in site_map.zones):
        return (f'availability zone {request.zone} does not exist any more; '
                'name the zone of a live site')
    for noun, names in (('scheduler hint dcn_site', request.hinted),
                        ('extra spec dcn:site of the flavor',
                         request.flavored)):
        if not request.is_move and names and not names & site_map.names:
            return (f'the {noun} names {_listed(names)}, which does not '
                    'exist; name a live site')
    found = {}
    for site in (*(place.site for place in site_map.places), sites.NO_SITE):
        refused = refusal(request, site)
        known = found.get(str(site))
        if refused and (known is None
                        or order[refused.rule] > order[known.rule]):
            found[str(site)] = refused
    furthest = max((order[each.rule] for each in found.values()), default=0)
    shown = [f'{name}: {each}' for name, each in sorted(found.items())
             if order[each.rule] == furthest]
    text = '. '.join(shown[:max_sites])
    if len(shown) > max_sites:
        text += f'. The same holds for {len(shown) - max_sites} more sites'
    return text


def _listed(names):
    return ', '.join(sorted('no site' if name is None else name
                            for name in names)) or 'nothing that exists'
