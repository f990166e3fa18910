# SPDX-License-Identifier: Apache-2.0
"""Groups of members, as tooz's contract asks for them.

Keys, below the prefix of the namespace::

    groups/GROUP/            the group
    groups/GROUP/m/MEMBER    capabilities of a member, with the lease
"""

import base64
import urllib.parse

from tooz import coordination
from tooz import utils

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.locking import tooz_errors

CALL_SECONDS = 10.0


class Groups(coordination.CoordinationDriverCachedRunWatchers):
    """The group calls of a driver.

    A member is in its groups for as long as the lease of its process lasts.
    The driver has ``_client``, ``_session``, ``_locks``, ``_settings`` and
    ``_executor``.
    """

    def __init__(self, *args):
        super().__init__(*args)
        self._leader_locks = {}

    def create_group(self, group_id):
        """Create a group; its result raises GroupAlreadyExist."""
        def create():
            key = self._group_key(group_id)
            # Of a call that was repeated the first may have done it.
            is_done, is_repeated = self._transaction(
                [requests.is_absent(key)], [requests.put(key)])
            if not is_done and not is_repeated:
                raise coordination.GroupAlreadyExist(group_id)
        return self._submitted(create)

    def delete_group(self, group_id):
        """Delete a group; raises GroupNotCreated or GroupNotEmpty."""
        def delete():
            key = self._group_key(group_id)
            is_done, is_repeated = self._transaction(
                [requests.is_present(key), requests.is_empty(key + 'm/')],
                [requests.delete(key)])
            if is_done:
                return
            try:
                self._members(group_id)
            except coordination.GroupNotCreated:
                if is_repeated:
                    return
                raise
            raise coordination.GroupNotEmpty(group_id)
        return self._submitted(delete)

    def join_group(self, group_id, capabilities=b''):
        """Join a group; raises GroupNotCreated or MemberAlreadyExist."""
        def join():
            key = self._member_key(group_id, self._member_id)
            is_done, is_repeated = self._transaction(
                [requests.is_present(self._group_key(group_id)),
                 requests.is_absent(key)],
                [self._member_put(key, capabilities)])
            if not is_done:
                members = self._members(group_id)
                if not is_repeated or self._member_id not in members:
                    raise coordination.MemberAlreadyExist(
                        group_id, self._member_id)
            self._joined_groups.add(group_id)
        return self._submitted(join)

    def leave_group(self, group_id):
        """Leave a group; raises GroupNotCreated or MemberNotJoined."""
        def leave():
            key = self._member_key(group_id, self._member_id)
            self._joined_groups.discard(group_id)
            is_done, is_repeated = self._transaction(
                [requests.is_present(key)], [requests.delete(key)])
            if not is_done and not is_repeated:
                self._members(group_id)
                raise coordination.MemberNotJoined(group_id, self._member_id)
        return self._submitted(leave)

    def update_capabilities(self, group_id, capabilities):
        """Change what the group knows of us; raises like leave_group."""
        def update():
            key = self._member_key(group_id, self._member_id)
            is_done, _is_repeated = self._transaction(
                [requests.is_present(key)],
                [self._member_put(key, capabilities)])
            if not is_done:
                self._members(group_id)
                raise coordination.MemberNotJoined(group_id, self._member_id)
        return self._submitted(update)

    def get_members(self, group_id):
        """Return the set of members; raises GroupNotCreated."""
        return self._submitted(lambda: set(self._members(group_id)))

    def get_member_capabilities(self, group_id, member_id):
        """Return what a member has said of itself; raises like leave_group."""
        def get():
            members = self._members(group_id)
            if member_id not in members:
                raise coordination.MemberNotJoined(group_id, member_id)
            return utils.loads(members[member_id])
        return self._submitted(get)

    def run_watchers(self, timeout=None):
        """Run the hooks of members that came, left, or lead a group now."""
        found = super().run_watchers(timeout=timeout)
        self.run_elect_coordinator()
        return found

    def run_elect_coordinator(self):
        """Lead each watched group that nobody leads; run the hooks of it."""
        for group_id, hooks in list(self._hooks_elected_leader.items()):
            lock = self._leader_locks.setdefault(
                group_id, self.get_lock(self._leader_name(group_id)))
            if lock.acquired:
                continue
            # What is left of a lead that was lost.
            lock.release()
            if lock.acquire(blocking=False):
                hooks.run(coordination.LeaderElected(
                    group_id, self._member_id))

    def stand_down_group_leader(self, group_id):
        """Lead a group no more; return whether we did."""
        lock = self._leader_locks.pop(group_id, None)
        return bool(lock and lock.release())

    def get_leader(self, group_id):
        """Return the member that leads a group, or ``None``."""
        def get():
            holder = self._locks.holder(
                self.get_lock(self._leader_name(group_id)).key)
            return holder and holder.encode('latin-1')
        return self._submitted(get)

    @staticmethod
    def _leader_name(group_id):
        return b'leader of ' + utils.to_binary(group_id)

    def get_groups(self):
        """Return the names of all groups."""
        def get():
            prefix = self._groups_prefix()
            rest = (key.removeprefix(prefix) for key, _value in self._range(
                prefix))
            return [urllib.parse.unquote_to_bytes(name[:-1]) for name in rest
                    if name.count('/') == 1]
        return self._submitted(get)

    def _submitted(self, call):
        return coordination.CoordinatorResult(self._executor.submit(
            tooz_errors.translated(call)))

    def _members(self, group_id):
        """Return the members and their capabilities, as they are stored."""
        key = self._group_key(group_id)
        found = dict(self._range(key))
        if key not in found:
            raise coordination.GroupNotCreated(group_id)
        prefix = key + 'm/'
        return {urllib.parse.unquote_to_bytes(name.removeprefix(prefix)): value
                for name, value in found.items() if name != key}

    def _range(self, prefix):
        answer = self._client.call(
            '/kv/range', requests.range_of(prefix), CALL_SECONDS)
        for item in answer.get('kvs', ()):
            yield (requests.decoded(item['key']),
                   base64.b64decode(item.get('value', '')))

    def _transaction(self, compare, success):
        answer = self._client.transaction(
            requests.transaction(compare, success), CALL_SECONDS)
        return bool(answer.get('succeeded')), answer.is_repeated

    def _member_put(self, key, capabilities):
        lease = self._session.lease(CALL_SECONDS)
        return requests.put(key, utils.dumps(capabilities), lease.id)

    def _groups_prefix(self):
        return f'{self._settings.namespace.rstrip("/")}/groups/'

    def _group_key(self, group_id):
        return self._groups_prefix() + _quoted(group_id) + '/'

    def _member_key(self, group_id, member_id):
        return f'{self._group_key(group_id)}m/{_quoted(member_id)}'


def _quoted(name):
    return urllib.parse.quote(utils.to_binary(name), safe='')
