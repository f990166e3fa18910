# SPDX-License-Identifier: Apache-2.0
"""A placement policy from the text of a file, or all its faults. Pure."""

from dcn_plugins import day_part
from dcn_plugins import exceptions
from dcn_plugins.placement import duration
from dcn_plugins.placement import policy as policies
from dcn_plugins.placement import policy_nodes as nodes
from dcn_plugins.placement import size

VERSION = '1'

_TOP = ('version', 'central', 'groups', 'residency', 'projects', 'kinds',
        'default', 'evict')
_RESIDENCY = ('name', 'projects', 'stores')
_WANTS = ('stores', 'may_ask', 'pinned', 'leave_edge_after', 'within',
          'priority', 'window')
_EVICT = ('name', 'stores', 'leave', 'quota', 'quota_takes', 'unused_for',
          'flatten')
_MATCHES = ('kind', 'visibility')
_PRIORITIES = range(-100, 101)

_STORES_REMEDY = ('name stores, groups as group:NAME, "all" or "none"')
_ID_REMEDY = 'list ids of projects in Keystone'


def policy_of(text, source='the policy'):
    """Return the :class:`~dcn_plugins.placement.policy.Policy` of a text.

    :param source: the name of the file, for errors.
    :raises InvalidPolicy: with every fault that could be found.
    """
    faults = nodes.Faults()
    root = nodes.root_of(text, faults)
    policy = None if root is None else _Reader(root, source, faults).policy()
    if faults:
        raise exceptions.InvalidPolicy(source, sorted(faults))
    return policy


class _Reader:
    """Read one file, and go on after each fault."""

    def __init__(self, root, source, faults):
        self._faults = faults
        self._source = source
        self._top = nodes.Table(root, 'the policy', _TOP, faults)
        self._lines = {}
        self._names = {}
        self._groups = {}

    def policy(self):
        """Return the policy; it is of use only if there are no faults."""
        self._check_version()
        central = self._store_names(
            self._top.required('central', 'name the stores of the central '
                               'site'), 'central')
        self._read_groups()
        residencies = self._entries('residency', self._residency)
        rules = self._entries('projects', self._project_rule)
        rules += self._entries('kinds', self._kind_rule)
        rules += self._default()
        evictions = self._entries('evict', self._eviction)
        return policies.Policy(
            source=self._source, central=central, groups=self._groups,
            residencies=tuple(residencies), rules=tuple(rules),
            lines=self._lines, evictions=tuple(evictions))

    def _check_version(self):
        node = self._top.required('version', f'write "version: {VERSION}"')
        version = nodes.text_of(node, 'version', self._faults)
        if version not in (None, VERSION):
            self._faults.note(node, f'version {nodes.shown(version)} is not '
                              'known', f'write "version: {VERSION}"')

    def _read_groups(self):
        node = self._top.get('groups')
        if node is None:
            return
        for name, value in nodes.Table(node, 'groups', None, self._faults):
            if name in (policies.CENTRAL, policies.EDGE):
                self._faults.note(
                    value, f'the group {name} is always there',
                    'give yours another name; central is set by "central", '
                    'and edge is all the rest')
            else:
                self._groups[name] = self._store_names(
                    value, f'the group {nodes.shown(name)}')

    def _entries(self, key, read):
        found = []
        for item in nodes.items_of(self._top.get(key), key, self._faults):
            found.append(read(item))
        return found

    def _default(self):
        node = self._top.required(
            'default', 'say where images are wanted that no rule is about')
        if node is None:
            return []
        table = nodes.Table(node, 'default', _WANTS, self._faults)
        return [policies.Rule(name='default', line=table.line,
                              **self._wants(table))]

    def _residency(self, node):
        table = nodes.Table(node, 'a residency', _RESIDENCY, self._faults)
        return policies.Residency(
            name=self._name(table), line=table.line,
            projects=self._projects(table, is_all_known=True),
            stores=self._choice(
                table.required('stores', _STORES_REMEDY), 'stores'))

    def _project_rule(self, node):
        table = nodes.Table(node, 'a rule of projects',
                            ('name', 'projects', *_MATCHES, *_WANTS),
                            self._faults)
        return policies.Rule(
            name=self._name(table), line=table.line,
            projects=self._projects(table), **self._matches(table),
            **self._wants(table))

    def _kind_rule(self, node):
        table = nodes.Table(node, 'a rule of kinds',
                            ('name', *_MATCHES, *_WANTS), self._faults)
        if table.is_one and not (
                table.get('kind') or table.get('visibility')):
            self._faults.note(node, 'the rule is about every image',
                              'say a kind or a visibility, or make it the '
                              'default')
        return policies.Rule(name=self._name(table), line=table.line,
                             **self._matches(table), **self._wants(table))

    def _eviction(self, node):
        table = nodes.Table(node, 'an entry of evict', _EVICT, self._faults)
        if table.get('flatten'):
            self._faults.note(
                table.get('flatten'), 'nothing is flattened here',
                'remove the line: a copy that servers or volumes were cloned '
                'from stays until they are gone')
        if table.is_one and not (table.get('leave') or table.get('quota')):
            self._faults.note(node, 'nothing would ever be removed by it',
                              'say what may "leave", or a "quota"')
        takes = self._words(table, 'quota_takes', policies.QUOTA_TAKES)
        unused = self._seconds(table, 'unused_for')
        return policies.Eviction(
            name=self._name(table), line=table.line,
            stores=self._choice(
                table.required('stores', _STORES_REMEDY), 'stores'),
            leave=self._words(table, 'leave', policies.LEAVE) or frozenset(),
            quota_bytes=self._bytes(table, 'quota'),
            takes_wanted=policies.WANTED in (takes or ()),
            unused_seconds=(policies.UNUSED_SECONDS if unused is None
                            else unused))

    def _bytes(self, table, key):
        node = table.get(key)
        text = nodes.text_of(node, key, self._faults)
        try:
            return None if text is None else size.number_of_bytes(text)
        except ValueError:
            self._faults.note(
                node, f'{key} {nodes.shown(text)} is no size',
                'write a whole number and M, G or T, like 500G, between 1M '
                'and 9999T')
            return None

    def _name(self, table):
        node = table.required('name', 'users are told it when a store is '
                              'refused')
        name = nodes.text_of(node, 'name', self._faults)
        if name is None:
            return ''
        if name in self._names or name == 'default':
            self._faults.note(
                node, f'another rule is called {nodes.shown(name)}, too',
                'give each rule its own name: it is how users and operators '
                'speak of it')
        self._names[name] = node
        return name

    def _projects(self, table, is_all_known=False):
        found = nodes.texts_of(table.required('projects', _ID_REMEDY),
                               'projects', self._faults)
        names = [text for text, _node in found]
        if policies.ALL not in names:
            return frozenset(names)
        if not is_all_known or len(names) > 1:
            self._faults.note(found[0][1], '"all" is no id of a project',
                              f'{_ID_REMEDY}, or use a rule of kinds')
        return None

    def _matches(self, table):
        kinds = self._words(table, 'kind', [
            kind.value for kind in policies.Kind])
        return {
            'kinds': kinds and frozenset(map(policies.Kind, kinds)),
            'visibilities': self._words(table, 'visibility',
                                        policies.VISIBILITIES)}

    def _words(self, table, key, known):
        """Return the words of a key, all of them known; ``None`` for any."""
        if table.get(key) is None:
            return None
        found = set()
        for text, node in nodes.texts_of(table.get(key), key, self._faults):
            if text in known:
                found.add(text)
            else:
                self._faults.note(
                    node, f'{nodes.shown(text)} is no {key}',
                    f'write one of {nodes.listed(known, text)}')
        return frozenset(found)

    def _wants(self, table):
        """Return what all rules may say."""
        stores = self._choice(table.required('stores', _STORES_REMEDY),
                              'stores')
        may_ask = table.get('may_ask')
        pinned = table.get('pinned')
        return {
            'stores': stores,
            'may_ask': (stores if may_ask is None
                        else self._choice(may_ask, 'may_ask')),
            'pinned': (policies.NOWHERE if pinned is None
                       else self._choice(pinned, 'pinned')),
            'edge_seconds': self._seconds(table, 'leave_edge_after'),
            'within_seconds': self._seconds(table, 'within'),
            'priority': self._priority(table),
            'windows': self._windows(table)}

    def _seconds(self, table, key):
        node = table.get(key)
        text = nodes.text_of(node, key, self._faults)
        try:
            return None if text is None else duration.seconds(text)
        except ValueError:
            self._faults.note(
                node, f'{key} {nodes.shown(text)} is no length of time',
                'write a whole number and s, m, h, d or w, like 90m or 30d, '
                'between 1s and ten years')
            return None

    def _priority(self, table):
        node = table.get('priority')
        text = nodes.text_of(node, 'priority', self._faults)
        if text is None:
            return 0
        if text not in map(str, _PRIORITIES):
            self._faults.note(
                node, f'priority {nodes.shown(text)} is no whole number '
                f'between {_PRIORITIES[0]} and {_PRIORITIES[-1]}',
                'the greatest goes first; 0 is that of all others')
            return 0
        return int(text)

    def _windows(self, table):
        node = table.get('window')
        if node is None:
            return ()
        found = []
        for text, item in nodes.texts_of(node, 'window', self._faults):
            try:
                day_part.DayPart.from_text(text)
                found.append(text)
            except ValueError:
                self._faults.note(
                    item, f'window {nodes.shown(text)} is no part of a day',
                    'write two times like 22:00-06:00, with two digits each '
                    'and not the same')
        return tuple(found)

    def _store_names(self, node, what):
        """Return the names of a list that has nothing but stores."""
        found = set()
        for text, item in nodes.texts_of(node, what, self._faults):
            if self._is_store(text, item, what):
                found.add(text)
        return frozenset(found)

    def _is_store(self, text, node, what):
        is_word = text in (policies.ALL, policies.NONE)
        if is_word or text.startswith(policies.GROUP) or ',' in text or (
                len(text) > 255 or len(text.split()) > 1):
            self._faults.note(node, f'{nodes.shown(text)} in {what} is no '
                              'name of a store', 'write identifiers of '
                              '[DEFAULT] enabled_backends there')
            return False
        self._lines.setdefault(text, nodes.line_of(node))
        return True

    def _choice(self, node, what):
        """Return the :class:`~policies.Choice` of a list of words."""
        names, groups, words = set(), set(), set()
        found = nodes.texts_of(node, what, self._faults)
        for text, item in found:
            if text in (policies.ALL, policies.NONE):
                words.add(text)
            elif text.startswith(policies.GROUP):
                groups.add(self._group(text, item))
            elif self._is_store(text, item, what):
                names.add(text)
        if words and len(found) > 1:
            self._faults.note(
                node, f'"{min(words)}" stands beside others in {what}',
                'it says everything already: let it stand alone')
        return policies.Choice(frozenset(names), frozenset(groups),
                               policies.ALL in words)

    def _group(self, text, node):
        name = text[len(policies.GROUP):]
        known = {policies.CENTRAL, policies.EDGE, *self._groups}
        if name not in known:
            self._faults.note(node, f'there is no group {nodes.shown(name)}',
                              'write one of ' + nodes.listed(known, name)
                              + ', or add it to "groups"')
        return name
