# SPDX-License-Identifier: Apache-2.0
"""How fast copies may go, as glance-api.conf says now."""

import time

from dcn_plugins.glance import rbd_stores
from dcn_plugins.imagecopy import throttle


class CopyRates:
    """Tell the engine what the options allow, whenever that changes.

    The rates are those of the whole process: whoever tells them last tells
    the same.

    :param set_rates: of the engine.
    :param clock: the local time, as ``time.localtime``.
    """

    def __init__(self, conf, set_rates, clock=time.localtime):
        self._conf = conf
        self._set_rates = set_rates
        self._clock = clock
        self._told = None

    def apply(self):
        """Tell the engine, if it was not told this before."""
        # None is any number of bytes for the engine, and 0 is none.
        now = self._clock()
        total = throttle.rate_at(
            map(throttle.TimeWindow.from_text,
                self._conf.dcn.copy_rate_windows),
            now.tm_hour * 60 + now.tm_min,
            self._conf.dcn.copy_bytes_per_second or None)
        each = self._conf.dcn.copy_store_bytes_per_second or None
        stores = {} if each is None else {
            store: each for store, kind in self._conf.enabled_backends.items()
            if kind == rbd_stores.TYPE}
        if self._told != (total, stores):
            self._set_rates(total=total, stores=stores)
            self._told = total, stores
