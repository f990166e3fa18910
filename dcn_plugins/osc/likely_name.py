# SPDX-License-Identifier: Apache-2.0
"""Names that are one name for people and several for programs. Pure."""


def alike(name, names):
    """Return those that differ by case or blanks only, and do differ."""
    return sorted(other for other in set(names)
                  if other != name and _bare(other) == _bare(name))


def hint(name, names):
    """Return ``'; is X meant?'``, or an empty text."""
    found = alike(name, names)
    return (f'; {" or ".join(map(repr, found))} is there: a mistake?'
            if found else '')


def _bare(name):
    return ''.join(name.split()).casefold()
