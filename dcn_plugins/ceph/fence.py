# SPDX-License-Identifier: Apache-2.0
"""Cut single clients off from Ceph.

Whoever takes over from a holder that is not heard of has Ceph refuse this
holder's clients first, so that a call of his that is still under way ends
with errno 108 (ESHUTDOWN), and each later one does, too. That is an entry in
the blocklist of the cluster's map.

An OSD knows of the entry at the latest when we talk to it: a request of ours
carries the number of the map that it needs. Until then it may take something
from the one that is cut off, but only for an object that nobody of us has
looked at since.
"""

import errno
import json

from dcn_plugins.ceph import addresses as ceph_addresses
from dcn_plugins.ceph import bindings
from dcn_plugins import exceptions
from dcn_plugins import native

# How long an entry stays. A client lives again when it is gone: shown by a
# test, it may write then. What it can write is the one call that it was in
# when it stopped, as each further one finds that its lease has ended. So an
# entry has to outlast the sleep of a process that stands still in a call. An
# hour is what Ceph itself takes when it cuts off the dead owner of an image.
# For ever would not do: every client of the cluster gets the list.
SECONDS = 3600

# A monitor takes a second to agree with the others.
WAIT_SECONDS = 30.0

# The pattern of "profile rbd" lets it pass and no parser does: the answer is
# either that we may not, or that this is no address.
_NO_ADDRESS = '256.256.256.256:0/1'

_NOT_ALLOWED = (-errno.EACCES, -errno.EPERM)

_CAPS = ('Give the user the monitor capability "profile rbd": ceph auth caps '
         'client.USER mon "profile rbd" osd ...')


class Fence:
    """Cut off clients by means of one that is connected.

    :param client: ``rados.Rados``, or eventlet's proxy of one. It is not
        called once it has not answered in time; that call may be under way
        for as long as the monitors are away, and shutting the client down
        ends it.
    :param run: calls a function so that nothing but its caller waits.
    :param wait_seconds: for each answer of the monitors. The library has a
        limit of its own only if ``rados_mon_op_timeout`` is set, and for the
        map not even then.
    :param rados: the module, if it is not the installed one.
    """

    def __init__(self, client, run, wait_seconds=WAIT_SECONDS, rados=None):
        # The proxy would wait as a greenlet, which a thread is not.
        self._client = getattr(client, '_obj', client)
        self._run = run
        self._wait_seconds = wait_seconds
        self._rados = rados or bindings.rados()

    def blocklist(self, addresses, seconds=SECONDS):
        """Keep clients from changing anything, once this has returned.

        To repeat it does no harm; the entries end ``seconds`` after the last
        time.

        :param addresses: of clients, as
            :func:`dcn_plugins.ceph.addresses.parsed` returns them.
        :raises FenceError: if it is not sure that all are cut off. Nothing
            was done if one of them is not the address of a single client, or
            is our own.
        """
        if seconds < 1:
            raise ValueError(f'an entry for {seconds} s cuts nobody off')
        entries = self._checked(tuple(addresses))
        # All at once: the monitors may wait for a second before they commit,
        # and then commit all that they have. Not blocklist_add: it would wait
        # for ever for a monitor that goes away when it has made the entry.
        calls = [_Call(self._command, entry, seconds) for entry in entries]
        for call in calls:
            code, text = self._answer(entries, call)
            if code:
                raise exceptions.FenceError(
                    entries, f'the monitors refuse: {text} ({code})',
                    _CAPS if code in _NOT_ALLOWED else _by_hand(entries))
        # We may know less than the OSD that we talk to next: then it would
        # not learn of the entries from us.
        self._answer(entries, _Call(self._client.wait_for_latest_osdmap))

    def may_blocklist(self):
        """Tell whether the user may add entries; nobody is cut off.

        :raises FenceError: if the monitors do not tell.
        """
        code, text = self._answer(
            (), _Call(self._command, _NO_ADDRESS, SECONDS))
        if code == -errno.EINVAL and _NO_ADDRESS in text:
            return True
        if code in _NOT_ALLOWED:
            return False
        raise exceptions.FenceError(
            (), f'the monitors do not tell whether we may: {text} ({code})',
            'Look at their log', exceptions.Outcome.NOTHING_DONE)

    def _checked(self, addresses):
        try:
            own = ceph_addresses.parsed(self._client.get_addrs())
            entries = dict.fromkeys(
                entry for text in addresses
                for entry in ceph_addresses.parsed(text))
            if not entries:
                raise ValueError('there is nobody to cut off')
            if not entries.keys().isdisjoint(own):
                raise ValueError('this is our own client')
        except ValueError as exc:
            raise exceptions.FenceError(
                addresses, str(exc), 'Nobody was cut off. Look at the fence '
                'record that says so', exceptions.Outcome.NOTHING_DONE
            ) from exc
        return tuple(entries)

    def _command(self, entry, seconds):
        code, _out, text = self._client.mon_command(json.dumps({
            'prefix': 'osd blocklist', 'blocklistop': 'add', 'addr': entry,
            'expire': float(seconds)}), b'')
        return code, text

    def _answer(self, entries, call):
        if not self._run(call.wait, self._wait_seconds):
            raise exceptions.FenceError(
                entries, 'the monitors have not answered for '
                f'{self._wait_seconds:g} s', _by_hand(entries))
        try:
            return call.result()
        except self._rados.Error as exc:
            raise exceptions.FenceError(
                entries, str(exc), _by_hand(entries)) from exc


class _Call:
    """A call in a thread of its own, whose end can be waited for."""

    def __init__(self, function, *args):
        self._result = self._error = None
        # A greenlet could not end its wait: no other runs while a monitor
        # does not answer.
        threading = native.module('threading')
        self._is_done = threading.Event()
        threading.Thread(
            target=self._call, args=(function, *args), name='dcn-fence',
            daemon=True).start()

    def _call(self, function, *args):
        try:
            self._result = function(*args)
        # Whoever waits raises it.
        except Exception as exc:
            self._error = exc
        finally:
            self._is_done.set()

    def wait(self, seconds):
        """Return whether it has ended within so many seconds."""
        return self._is_done.wait(seconds)

    def result(self):
        """Return what it has returned, or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._result


def _by_hand(entries):
    if not entries:
        return 'It can be tried again'
    return 'It can be tried again, or done by hand: ' + '; '.join(
        f'ceph osd blocklist add {entry} {SECONDS}' for entry in entries)
