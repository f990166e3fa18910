# SPDX-License-Identifier: Apache-2.0
"""What a caller and the process that copies for it tell each other. Pure.

One JSON object a line, with ``kind`` and what belongs to it.
"""

import dataclasses
import enum
import json

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request as requests

#: From the caller: the first line, and what may come later.
REQUEST, RATES, PAUSE, RESUME, CANCEL, KEEP, DISCARD = (
    'request', 'rates', 'pause', 'resume', 'cancel', 'keep', 'discard')
#: From the process: ``FAILED`` if nothing could be begun.
RESULT, PROGRESS, FAILED = 'result', 'progress', 'failed'


def line(kind, **content):
    """Return a message as a line of bytes."""
    return json.dumps({'kind': kind, **content}).encode() + b'\n'


def message(data):
    """Return ``(kind, content)`` of a line.

    :raises ValueError: for what is none.
    """
    content = json.loads(data)
    if not isinstance(content, dict) or 'kind' not in content:
        raise ValueError('no message')
    return content.pop('kind'), content


def packed(found):
    """Return a dataclass of ``request`` as JSON can hold it."""
    return {field.name: _packed(getattr(found, field.name))
            for field in dataclasses.fields(found)}


def _packed(value):
    if isinstance(value, requests.Place):
        return packed(value)
    if isinstance(value, tuple):
        return [_packed(part) for part in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, BaseException):
        return packed_error(value)
    return value


def packed_error(error):
    """Return an error of ours as JSON can hold it."""
    return {'name': type(error).__name__, 'text': str(error),
            'fields': {name: getattr(value, 'value', value)
                       for name, value in vars(error).items()}}


def request(content):
    """Return the request that was packed."""
    content = dict(content)
    for name in ('sources', 'targets'):
        content[name] = tuple(requests.Place(**place)
                              for place in content[name])
    content['priority'] = requests.Priority(content['priority'])
    return requests.CopyRequest(**content)


def result(content):
    """Return the result that was packed."""
    content = dict(content, outcome=requests.Outcome(content['outcome']))
    if content['error']:
        content['error'] = error(content['error'])
    return requests.Result(**content)


def progress(content):
    """Return the progress that was packed."""
    return requests.Progress(**content)


def error(content):
    """Return the error that was packed; of the same class."""
    kind = getattr(exceptions, content['name'], None)
    if not (isinstance(kind, type) and issubclass(kind, exceptions.DCNError)):
        return exceptions.CopyInterrupted(
            None, f'{content["name"]}: {content["text"]}')
    found = kind.__new__(kind)
    # Not its __init__: that makes the text of what only the caller knew.
    found.args = (content['text'],)
    vars(found).update(content['fields'])
    if 'outcome' in content['fields']:
        found.outcome = exceptions.Outcome(content['fields']['outcome'])
    return found
