# SPDX-License-Identifier: Apache-2.0
"""Whether image placement has kept its promises, when all is whole. Pure.

============  ============================================================
lacking       an image is not where the policy wants it
unexplained   it is where nobody has wanted it and nobody has put it
returned      the same, in a store from which a user had removed it
resurrected   it is there though its deletion has succeeded
lost          it is gone and nobody has deleted it
lost change   what a user has set is not there
unreadable    Glance names a store that has no such copy
wrong content a copy is another one than what the user has put in
orphan        something in Ceph that Glance does not name there
job left      a job or a claim though nothing is to be done
stale key     any other key in etcd that belongs to nobody
locked        Glance still holds the image for an import
forbidden     a copy was asked for that a residency had forbidden for long
============  ============================================================

The judge of one image at one time is ``placement.verdict``; here is what
users, an operator and time make of it.
"""

import dataclasses

from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy as policies
from dcn_plugins.placement import verdict
from tests.chaos import checker

#: How long what was wanted may still have an effect: a copy that Glance has
#: begun is gone on with, and a job is dropped by the next comparison.
SLACK_SECONDS = 30.0

#: How long after a residency was written it binds all glance-api; and tasks
#: have times of whole seconds.
BINDING_SECONDS = 5.0

_LOCKS = ('os_glance_import_task', 'os_glance_importing_to_stores')


@dataclasses.dataclass
class Look:
    """What a user has made of an image.

    :param is_sure: whether he was told that it is so.
    """

    at: float
    asked: str | None
    visibility: str
    is_sure: bool = True


@dataclasses.dataclass
class Story:
    """What users have done to one image, and were told.

    Times are seconds since 1970.

    :param image_type: a property that the image has from its beginning.
    :param looks: the first one is that of its beginning.
    :param put: ``(time, store)`` of each copy that users have asked for and
        that was not refused.
    :param removed: ``(time, store)`` of each copy that they have removed.
    :param is_deleted: whether they were told that it is gone.
    """

    image_id: str
    owner: str
    hash_value: str
    began_at: float
    looks: list
    image_type: str | None = None
    put: list = dataclasses.field(default_factory=list)
    removed: list = dataclasses.field(default_factory=list)
    is_deleted: bool = False

    def possible(self):
        """Return the looks of which one is true, as far as the user knows."""
        last = max(number for number, look in enumerate(self.looks)
                   if look.is_sure)
        return self.looks[last:]

    def may_be(self, at, **values):
        """Note a change that was not answered.

        It may have come on top of each look that may be true.
        """
        known = {(look.asked, look.visibility) for look in self.possible()}
        for look in self.possible():
            found = dataclasses.replace(look, **values, at=at, is_sure=False)
            if (found.asked, found.visibility) not in known:
                known.add((found.asked, found.visibility))
                self.looks.append(found)

    def since(self, store):
        """Return when the copy in a store was last removed, or it began."""
        return max((at for at, removed in self.removed if removed == store),
                   default=self.began_at)


@dataclasses.dataclass
class Reign:
    """From when on a policy was the newest good one."""

    at: float
    policy: policies.Policy


@dataclasses.dataclass(frozen=True)
class Request:
    """A copy-image that was asked of Glance, by whomever."""

    image_id: str
    store: str
    at: float


@dataclasses.dataclass
class Settled:
    """What is there in the end.

    :param images: answers of Glance, by id, of all that it lists.
    :param contents: hash of each copy that Glance names, ``None`` if it
        cannot be read, by ``(image id, store)``.
    :param names: of all in the pool of each store, trash included.
    :param jobs: keys of jobs and claims.
    :param buried: ids of images that have a tombstone.
    :param keys: all other keys of placement.
    """

    at: float
    images: dict
    contents: dict
    names: dict
    jobs: list = dataclasses.field(default_factory=list)
    buried: set = dataclasses.field(default_factory=set)
    keys: list = dataclasses.field(default_factory=list)
    requests: list = dataclasses.field(default_factory=list)


def present(answer):
    """Return the stores that Glance names for an image."""
    return {name for name in (answer.get('stores') or '').split(',') if name}


def placement(answer, policy, stores, now):
    """Return the placement of an image of Glance by a policy."""
    return verdict.decide(images.image_of(answer), policy, stores, now)


def check(stories, reigns, settled, stores, earlier=frozenset()):
    """Return all violations of a run.

    :param stories: of all images, each a :class:`Story`.
    :param reigns: in their order, each a :class:`Reign`.
    :param stores: frozenset of the names of all stores.
    :param earlier: ids of images that were deleted before the run.
    """
    found = [*_keys(stories, settled, earlier), *_orphans(settled)]
    for story in stories:
        answer = settled.images.get(story.image_id)
        if answer is None:
            if not story.is_deleted:
                found.append(('lost', story.image_id))
        elif story.is_deleted:
            found.append(('resurrected', story.image_id))
        else:
            for rule in (_matrix, _changes, _contents):
                found += rule(story, answer, reigns, settled, stores)
        found += _forbidden(story, reigns, settled, stores)
    return [checker.Violation(rule, text) for rule, text in found]


def lacking(answer, policy, stores, now):
    """Return the stores that lack an image which is active."""
    if answer.get('status') != 'active':
        return set()
    return placement(answer, policy, stores, now).wanted - present(answer)


def _matrix(story, answer, reigns, settled, stores):
    for store in sorted(lacking(answer, reigns[-1].policy, stores,
                                settled.at)):
        yield 'lacking', f'{story.image_id} in {store}'
    for store in sorted(present(answer)):
        if not _is_explained(story, store, reigns, stores):
            is_back = any(removed == store for _at, removed in story.removed)
            yield ('returned' if is_back else 'unexplained',
                   f'{story.image_id} in {store}')
    for name in _LOCKS:
        if answer.get(name):
            yield 'locked', f'{story.image_id}: {name}={answer[name]}'


def _is_explained(story, store, reigns, stores):
    since = story.since(store)
    # One that was asked for before a removal may be redone after it.
    if any(put == store and at >= since - SLACK_SECONDS
           for at, put in story.put):
        return True
    for reign, reign_from, reign_until in _spans(reigns):
        for look, look_from, look_until in _spans(story.looks):
            until = min(reign_until, look_until)
            if (until + BINDING_SECONDS < max(reign_from, look_from)
                    or until + SLACK_SECONDS < since):
                continue
            # What it was wanted for before its time at the edge was over.
            if store in verdict.decide(_image(story, look), reign.policy,
                                       stores, story.began_at).wanted:
                return True
    return False


def _spans(steps):
    """Yield each of some steps in order, and its time: from when until when.

    One ends with the next one of which it is sure that it came.
    """
    for number, step in enumerate(steps):
        yield step, step.at, next(
            (later.at for later in steps[number + 1:]
             if getattr(later, 'is_sure', True)), float('inf'))


def _image(story, look):
    return images.image_of({
        'id': story.image_id, 'owner': story.owner,
        'visibility': look.visibility, 'image_type': story.image_type,
        images.PROPERTY: look.asked})


def _changes(story, answer, _reigns, _settled, _stores):
    possible = [(look.asked, look.visibility) for look in story.possible()]
    found = answer.get(images.PROPERTY), answer.get('visibility')
    if found not in possible:
        yield 'lost change', f'{story.image_id}: {found} is none of {possible}'


def _contents(story, answer, _reigns, settled, _stores):
    for store in sorted(present(answer)):
        value = settled.contents.get((story.image_id, store))
        if value is None:
            yield 'unreadable', f'{story.image_id} in {store}'
        elif value != story.hash_value:
            yield 'wrong content', f'{story.image_id} in {store}'


def _orphans(settled):
    for store, names in sorted(settled.names.items()):
        for name in sorted(names):
            if store not in present(settled.images.get(name, {})):
                yield 'orphan', f'{name} in {store}'


def _keys(stories, settled, earlier):
    deleted = {story.image_id for story in stories if story.is_deleted}
    for key in settled.jobs:
        yield 'job left', key
    for image_id in sorted(settled.buried - deleted - earlier):
        yield 'stale key', f'tombstone of {image_id}'
    for key in settled.keys:
        yield 'stale key', key


def _forbidden(story, reigns, settled, stores):
    """Find requests of whatever every policy of the last seconds forbids."""
    for request in settled.requests:
        if request.image_id != story.image_id:
            continue
        recent = [reign for reign, begin, end in _spans(reigns)
                  if end >= request.at - BINDING_SECONDS
                  and begin <= request.at + 1]
        if recent and all(
                request.store in verdict.decide(
                    _image(story, story.looks[0]), reign.policy, stores,
                    request.at).forbidden for reign in recent):
            yield 'forbidden', f'{story.image_id} to {request.store}'
