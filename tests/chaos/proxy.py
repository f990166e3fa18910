# SPDX-License-Identifier: Apache-2.0
"""TCP connections that can be cut, held up, delayed, or reset at a word.

One proxy stands between one process and one server, so that what is broken is
between these two and nothing else.
"""

import asyncio
import contextlib
import socket
import struct
import threading

_CHUNK = 65536
# What a header may take until it says who has sent it.
_HEADER_SECONDS = 5.0


class Loop:
    """A thread in which proxies run."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name='proxies', daemon=True)
        self._thread.start()

    def run(self, coroutine):
        """Run a coroutine in the thread; return what it returns."""
        return asyncio.run_coroutine_threadsafe(
            coroutine, self._loop).result(10)

    def close(self):
        """End the thread; proxies must have been closed."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Proxy:
    """A listener that forwards to one server.

    :param loop: :class:`Loop`.
    :param server: host and port.
    :param listen: host and port; the kernel chooses a port of 0.
    :param identify: takes the first bytes of a connection, returns its sender
        or None; what it is, is asked of ``is_cut`` and ``is_held``.
    """

    def __init__(self, loop, server, listen=('127.0.0.1', 0), identify=None):
        self._loop = loop
        self._server = server
        self._identify = identify
        self._links = set()
        self._cut = set()
        self._held = set()
        self._delay_seconds = 0.0
        self._tripwire = None
        self._lets_pass = False
        #: How often the tripwire was touched.
        self.trips = 0
        self._listener = loop.run(_listening(self._serve, listen))
        self.address = self._listener.sockets[0].getsockname()[:2]

    def cut(self, sender=None):
        """Reset all connections, those to come too, until ``heal``.

        :param sender: only those of one; all if None.
        """
        self._cut.add(sender)
        self._loop.run(self._on_links(_Link.reset, sender))

    def hold(self, sender=None):
        """Let nothing through, and keep it, until ``heal``."""
        self._held.add(sender)
        self._loop.run(self._on_links(_Link.hold, sender))

    def delay(self, seconds):
        """Let everything take longer, each way, until ``heal``."""
        self._delay_seconds = seconds

    def trip(self, word, lets_pass):
        """Reset each connection whose client says a word, until ``heal``.

        :param word: bytes.
        :param lets_pass: whether the server hears it, and only the answer is
            lost.
        """
        self._lets_pass = lets_pass
        self._tripwire = word

    def heal(self):
        """Let everything through again."""
        self._tripwire = None
        self._delay_seconds = 0.0
        self._cut.clear()
        self._held.clear()
        self._loop.run(self._on_links(_Link.let_go, None))

    def close(self):
        """Listen no more and reset all connections."""
        self._loop.run(self._close())

    async def _close(self):
        self._listener.close()
        await self._on_links(_Link.reset, None)
        # In 3.12 it waits for the handlers, too.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._listener.wait_closed(), 2)

    async def _on_links(self, act, sender):
        for link in list(self._links):
            if sender is None or link.sender == sender:
                act(link)

    def _is_among(self, senders, sender):
        return None in senders or (sender is not None and sender in senders)

    async def _serve(self, reader, writer):
        link = _Link(writer)
        self._links.add(link)
        try:
            first = b''
            if self._identify:
                first = await asyncio.wait_for(_header(reader),
                                               _HEADER_SECONDS)
                link.sender = self._identify(first)
            if self._is_among(self._cut, link.sender):
                return
            if self._is_among(self._held, link.sender):
                link.hold()
            await link.gate.wait()
            back, forth = await asyncio.open_connection(*self._server)
            link.others.append(forth)
            await self._forward(link, first, forth)
            link.tasks = [
                asyncio.ensure_future(self._client_says(link, reader, forth)),
                asyncio.ensure_future(self._server_says(link, back, writer))]
            await asyncio.wait(link.tasks,
                               return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass  # the other end is told below
        finally:
            self._links.discard(link)
            link.reset()
            for task in link.tasks:
                task.cancel()

    async def _client_says(self, link, reader, forth):
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._tripwire and self._tripwire in data:
                    self.trips += 1
                    if not self._lets_pass:
                        return
                    link.is_tripped = True
                await self._forward(link, data, forth)

    async def _server_says(self, link, back, writer):
        with contextlib.suppress(OSError):
            while data := await back.read(_CHUNK):
                if link.is_tripped:
                    return
                await self._forward(link, data, writer)

    async def _forward(self, link, data, writer):
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await link.gate.wait()
        if data:
            writer.write(data)
            await writer.drain()


class _Link:
    """One connection of a client, and ours to the server."""

    def __init__(self, writer):
        self.sender = None
        self.is_tripped = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.others = [writer]
        self.tasks = []

    def hold(self):
        self.gate.clear()

    def let_go(self):
        self.gate.set()

    def reset(self):
        """Close both sides as if a host had forgotten them."""
        self.let_go()
        for writer in self.others:
            found = writer.get_extra_info('socket')
            # Closed already if the peer was first.
            with contextlib.suppress(OSError):
                if found is not None:
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack('ii', 1, 0))
            writer.transport.abort()


def before(loop, site):
    """Return one proxy before each member of a site's etcd."""
    address = site.lab.address(site.ceph.site)
    return [Proxy(loop, (address, member.listening_port))
            for member in site.members]


async def _listening(serve, listen):
    """Return a server that listens."""
    return await asyncio.start_server(serve, *listen, backlog=256)


async def _header(reader):
    return await reader.readuntil(b'\r\n\r\n')
