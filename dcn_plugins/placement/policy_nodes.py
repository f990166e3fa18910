# SPDX-License-Identifier: Apache-2.0
"""The values of a policy file, with the lines where they stand. Pure.

A file is never made into Python's own values at once: the lines would be
lost, ``no`` would be a boolean, and a project id like ``123e4`` a number.
Every value is the text that stands there.
"""

import dataclasses
import difflib

import yaml

# libyaml is ten times as fast, and not everywhere.
_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

MOST_CHARACTERS = 1 << 20
_DEEPEST = 8


@dataclasses.dataclass(frozen=True, order=True)
class Fault:
    """One mistake in a file.

    :param line: beginning with 1.
    """

    line: int
    reason: str
    remedy: str

    def __str__(self):
        return f'line {self.line}: {self.reason}: {self.remedy}'


class Faults(list):
    """All mistakes of a file, in the order in which they are found."""

    def note(self, node, reason, remedy):
        """Note a mistake at a node."""
        self.append(Fault(line_of(node), reason, remedy))


def line_of(node):
    """Return the line where a node begins."""
    return node.start_mark.line + 1


def root_of(text, faults):
    """Return the node of a whole text, or ``None`` with a fault noted."""
    if len(text) > MOST_CHARACTERS:
        faults.append(Fault(1, f'the file has {len(text)} characters',
                            f'at most {MOST_CHARACTERS} are read'))
        return None
    try:
        if not _is_plain(text, faults):
            return None
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as exc:
        faults.append(_fault_of(exc))
        return None
    except UnicodeEncodeError as exc:
        # libyaml is given UTF-8, which has no halves of a sign.
        faults.append(Fault(1 + text.count('\n', 0, exc.start),
                            'it is no text', 'save it as UTF-8'))
        return None
    if root is None:
        faults.append(Fault(1, 'the file is empty',
                            'write at least version, central and default'))
    return root


def _is_plain(text, faults):
    """Look at a text before it is made into nodes.

    libyaml makes nodes by recursion in C, and so a file of brackets would end
    the process. An alias can make a short file endless.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            faults.note(event, 'lists stand too deep in one another',
                        'no value of a policy is so deep')
            return False
        if getattr(event, 'anchor', None):
            faults.note(event, f'&{event.anchor} or *{event.anchor} is not '
                        'understood here', 'name a group of stores instead, '
                        'or write the value twice')
            return False
    return True


def _fault_of(exc):
    mark = getattr(exc, 'problem_mark', None)
    problem = getattr(exc, 'problem', None) or str(exc).split('\n')[0]
    return Fault(mark.line + 1 if mark else 1, f'it is no YAML: {problem}',
                 'correct the syntax there or just before')


class Table:
    """A mapping of a file: each key once, and only keys that it may have.

    :param node: to be one; else a fault is noted and the table is empty.
    :param what: it is, for people.
    :param known: the keys that it may have; ``None`` for any.
    """

    def __init__(self, node, what, known, faults):
        self.node = node
        self.line = line_of(node)
        self._what = what
        self._faults = faults
        self._values = {}
        #: Whether there is a mapping at all.
        self.is_one = isinstance(node, yaml.MappingNode)
        if not self.is_one:
            faults.note(node, f'{what} is no mapping',
                        'write lines of "key: value" there')
            return
        for key, value in node.value:
            self._add(key, value, known)

    def _add(self, key, value, known):
        if not isinstance(key, yaml.ScalarNode):
            self._faults.note(key, f'a key in {self._what} is no text',
                              'write "key: value"')
        elif key.value in self._values:
            self._faults.note(
                key, f'{key.value!r} stands twice in {self._what}',
                'only one of the two can hold: remove the other')
        elif known is not None and key.value not in known:
            self._faults.note(key, f'{shown(key.value)} is nothing that '
                              f'{self._what} may have',
                              f'write one of {listed(known, key.value)}')
        else:
            self._values[key.value] = value

    def __iter__(self):
        return iter(self._values.items())

    def get(self, key):
        """Return the node of a key, or ``None``."""
        return self._values.get(key)

    def required(self, key, remedy):
        """Return the node of a key, or ``None`` with a fault noted."""
        node = self._values.get(key)
        if node is None and self.is_one:
            self._faults.note(self.node, f'{self._what} has no {key!r}',
                              remedy)
        return node


def items_of(node, what, faults):
    """Return the nodes of a list; empty with a fault noted if it is none."""
    if node is None:
        return []
    if isinstance(node, yaml.SequenceNode):
        return node.value
    faults.note(node, f'{what} is no list',
                'begin each of its entries with "- "')
    return []


def text_of(node, what, faults):
    """Return the text of a node; ``None`` with a fault noted if it is none."""
    if node is None:
        return None
    if not isinstance(node, yaml.ScalarNode):
        faults.note(node, f'{what} is no single value', 'write one word')
        return None
    text = node.value.strip()
    if not text:
        faults.note(node, f'{what} is empty', 'write a value or remove the '
                    'line')
        return None
    return text


def texts_of(node, what, faults):
    """Return ``[(text, node)]`` of a list, or of words with commas."""
    if node is None:
        return []
    if isinstance(node, yaml.SequenceNode):
        found = [(text_of(item, f'an entry of {what}', faults), item)
                 for item in node.value]
    else:
        text = text_of(node, what, faults) or ''
        found = [(part.strip(), node) for part in text.split(',')]
    found = [(text, item) for text, item in found if text]
    if not found and isinstance(node, yaml.SequenceNode) and not node.value:
        faults.note(node, f'{what} is empty', 'write at least one word, or '
                    'remove the line')
    return found


def shown(text):
    """Return a text of the file for an error, not longer than a line."""
    return repr(text if len(text) <= 60 else text[:57] + '...')


def listed(known, text):
    """Return what may stand somewhere, what is most like a text first."""
    near = difflib.get_close_matches(text[:60], known, 1)
    return ', '.join(near + [word for word in sorted(known)
                             if word not in near])
