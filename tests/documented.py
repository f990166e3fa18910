# SPDX-License-Identifier: Apache-2.0
"""The commands that the documents show, as somebody would type them."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: In a block of reStructuredText.
_PROMPT = re.compile(r'\s+\$ (.*)')
#: In a block of Markdown, which has no prompt.
_PROGRAM = re.compile(r'(?:openstack|dcn-\w+|python -m dcn_plugins\S*) .*')
_COMMENT = re.compile(r'\s+# .*')


@dataclasses.dataclass(frozen=True)
class Command:
    """One command.

    :param file: path from the root of the project.
    :param line: of its beginning.
    :param text: without the prompt, in one line.
    """

    file: str
    line: int
    text: str

    def __str__(self):
        return f'{self.file}:{self.line}: {self.text}'


def _documents():
    return [*sorted((ROOT / 'doc' / 'source').rglob('*.rst')),
            ROOT / 'README.md', ROOT / 'devstack' / 'README.md']


def _beginning(path, text, is_code):
    if path.suffix == '.rst':
        found = _PROMPT.fullmatch(text)
        return found and found[1]
    return text if is_code and _PROGRAM.fullmatch(text) else None


def commands():
    """Return all :class:`Command` of the documents, in their order."""
    found = []
    for path in _documents():
        lines = path.read_text().splitlines()
        is_code = False
        for number, line in enumerate(lines):
            if line.startswith('```'):
                is_code = not is_code
            text = _beginning(path, line, is_code)
            if not text:
                continue
            following = iter(lines[number + 1:])
            while text.endswith('\\'):
                text = text[:-1] + next(following).lstrip()
            found.append(Command(str(path.relative_to(ROOT)), number + 1,
                                 _COMMENT.sub('', text)))
    return found
