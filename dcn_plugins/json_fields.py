# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as texts in etcd and in Ceph, between versions of us. Pure.

While a site is upgraded the old version reads what the new one writes. So a
field may be added, if it has a default and the old version may do without it.
"""

import dataclasses
import json


def text_of(thing):
    """Return a dataclass as a text."""
    return json.dumps(dataclasses.asdict(thing))


def values_of(kind, text):
    """Return the values in a text by the names of the fields of a dataclass.

    What a later version has added is not among them.

    :raises ValueError: if it is no JSON object.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError('it is no JSON object')
    known = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in known}
