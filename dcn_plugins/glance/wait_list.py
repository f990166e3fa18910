# SPDX-License-Identifier: Apache-2.0
"""A bounded list of requests that wait for their time, each image once.

No clock and no lock in here: the time is an argument, and the caller holds a
lock.
"""

import heapq
import itertools


class WaitList:
    """Requests by image id and by the time when they are due.

    A request has to have an ``image_id``. It is waiting, or it is in hand
    between ``take`` and ``put_back`` or ``finish``; both count for the size.
    """

    def __init__(self, size):
        self.size = size
        self._waiting = {}
        self._in_hand = {}
        self._again = {}
        self._heap = []
        # Breaks ties, first come first served: requests are not comparable.
        self._turn = itertools.count()

    def __len__(self):
        return len(self._waiting) + len(self._in_hand)

    def add(self, request, due):
        """Let a request wait; return False when the list is full.

        An image that waits already stays where it is. One that is in hand is
        remembered and waits anew when it is finished: what has just changed
        may have been missed by the look that is under way.
        """
        image_id = request.image_id
        if image_id in self._waiting:
            return True
        if image_id in self._in_hand:
            self._again[image_id] = (request, due)
            return True
        if len(self) >= self.size:
            return False
        self._push(request, due)
        return True

    def drop(self, image_id):
        """Forget an image; unknown ones and those in hand do no harm."""
        self._waiting.pop(image_id, None)
        self._again.pop(image_id, None)
        # One in hand is not put back.
        if image_id in self._in_hand:
            self._in_hand[image_id] = False

    def next_due(self):
        """Return the time of the first request, or None when none waits."""
        self._skip_dropped()
        return self._heap[0][0] if self._heap else None

    def take(self, now):
        """Take the first request that is due, or None."""
        due = self.next_due()
        if due is None or due > now:
            return None
        request = heapq.heappop(self._heap)[2]
        del self._waiting[request.image_id]
        self._in_hand[request.image_id] = True
        return request

    def put_back(self, request, due):
        """Let a request that was in hand wait again, unless it was dropped."""
        self._again.pop(request.image_id, None)
        if self._in_hand.pop(request.image_id):
            self._push(request, due)

    def finish(self, request):
        """Forget a request that was in hand."""
        self._in_hand.pop(request.image_id)
        if request.image_id in self._again:
            self._push(*self._again.pop(request.image_id))

    def _push(self, request, due):
        self._waiting[request.image_id] = request
        heapq.heappush(self._heap, (due, next(self._turn), request))

    def _skip_dropped(self):
        while self._heap:
            request = self._heap[0][2]
            if self._waiting.get(request.image_id) is request:
                return
            heapq.heappop(self._heap)
