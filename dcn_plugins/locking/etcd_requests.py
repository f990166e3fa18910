# SPDX-License-Identifier: Apache-2.0
"""Parts of requests to etcd's JSON gateway. Pure.

Keys and values are base64 there, and numbers are texts.
"""

import base64


def encoded(text):
    """Return a key or a value, text or bytes, as the gateway takes it."""
    return base64.b64encode(
        text if isinstance(text, bytes) else text.encode()).decode()


def decoded(text):
    """Return a key or a value of the gateway as a text."""
    return base64.b64decode(text).decode()


def end_of(prefix):
    """Return the key behind all keys with a prefix, which is not empty."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def range_of(prefix):
    """Return the range of all keys with a prefix."""
    return {'key': encoded(prefix), 'range_end': encoded(end_of(prefix))}


def transaction(compare=(), success=(), failure=()):
    """Return a transaction: if all holds, do this, else that."""
    compare, success, failure = map(list, (compare, success, failure))
    if compare and not success and not failure:
        # One that neither reads nor writes is answered by any member from
        # what that one knows, even if it was cut off for hours.
        failure = [{'request_range': {'key': compare[0]['key'],
                                      'keys_only': True}}]
    return {'compare': compare, 'success': success, 'failure': failure}


# Comparisons

def is_absent(key):
    """Hold if there is no such key."""
    return {'key': encoded(key), 'target': 'CREATE', 'result': 'EQUAL',
            'create_revision': '0'}


def is_present(key):
    """Hold if there is such a key."""
    return {**is_absent(key), 'result': 'GREATER'}


def is_empty(prefix):
    """Hold if there is no key with a prefix."""
    return {**is_absent(prefix), **range_of(prefix)}


def was_created_at(key, revision):
    """Hold if a key is there since a revision."""
    return {**is_absent(key), 'create_revision': str(revision)}


def was_changed_at(key, revision):
    """Hold if a key was written by a revision and never since."""
    return {'key': encoded(key), 'target': 'MOD', 'result': 'EQUAL',
            'mod_revision': str(revision)}


def has_value(key, value):
    """Hold if a key is there and has a value."""
    return {'key': encoded(key), 'target': 'VALUE', 'result': 'EQUAL',
            'value': encoded(value)}


# Operations

def put(key, value='', lease_id=None):
    """Write a key, text or bytes; without a lease it stays."""
    lease = {} if lease_id is None else {'lease': str(lease_id)}
    return {'request_put': {
        'key': encoded(key), 'value': encoded(value), **lease}}


def put_again(key, value):
    """Write a key that is there, and leave it the lease that it has."""
    return {'request_put': {
        'key': encoded(key), 'value': encoded(value), 'ignore_lease': True}}


def delete(key):
    """Delete a key if it is there."""
    return {'request_delete_range': {'key': encoded(key)}}


def read(key):
    """Read a key."""
    return {'request_range': {'key': encoded(key)}}


def read_all(prefix):
    """Read all keys with a prefix."""
    return {'request_range': range_of(prefix)}


def nested(body):
    """Run a transaction inside of another one."""
    return {'request_txn': body}
