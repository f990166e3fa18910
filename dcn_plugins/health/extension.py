# SPDX-License-Identifier: Apache-2.0
"""What oslo.middleware's ``Healthcheck`` loads: several probes, one answer.

oslo.middleware leaves out a check that raises when it is made, with a line in
the log, and answers 500 for one that raises later. So neither happens: what
is wrong with the configuration passes, loudly, as it does without the check.
A mistake in one file, which is often the same on all hosts, must not take
all of them out of rotation.
"""

import threading

from oslo_config import cfg
from oslo_log import log as logging
from oslo_middleware.healthcheck import pluginbase

from dcn_plugins import exceptions
from dcn_plugins.health import verdict

LOG = logging.getLogger(__name__)

_FILES = 'the configuration of this service'


class ProbesExtension(pluginbase.HealthcheckBaseExtension):
    """A check of oslo.middleware that asks some probes.

    Subclasses have a ``name`` and :meth:`probes`.
    """

    name = None

    def __init__(self, oslo_conf, conf):
        super().__init__(oslo_conf, conf)
        self._lock = threading.Lock()
        self._probes = None
        self._fixed = ()
        self._last = verdict.Verdict(True)

    def probes(self):
        """Return ``(probes, errors of what cannot be asked)``.

        Called once, by the first request: all options are registered then.

        :raises ConfigError: if nothing can be asked.
        """
        raise NotImplementedError

    def healthcheck(self, server_port):
        """Return what oslo.middleware answers; never raises or hangs."""
        try:
            with self._lock:
                if self._probes is None:
                    self._configure()
            # All at once, so that they share one deadline.
            for probe in self._probes:
                probe.begin()
            found = verdict.joined([
                *self._fixed, *(probe.verdict() for probe in self._probes)])
        # The last line of defence: a mistake of ours is no outage.
        except Exception as exc:
            LOG.exception('The health check %s has failed', self.name)
            found = verdict.Verdict(
                True, f'{self.name} checks nothing', type(exc).__name__)
        self._tell(found)
        return pluginbase.HealthcheckResult(
            found.is_good, found.reason, found.details)

    def _configure(self):
        try:
            probes, errors = self.probes()
        except exceptions.ConfigError as exc:
            probes, errors = (), [exc]
        except cfg.Error as exc:
            probes, errors = (), [exceptions.ConfigError(
                _FILES, str(exc).rstrip('.'), 'Correct the option')]
        for error in errors:
            LOG.error('The health check %s does not check all it should, and '
                      'passes: %s', self.name, error)
        self._fixed = [verdict.Verdict(
            True, f'{self.name} does not check all it should', str(error))
            for error in errors]
        self._probes = tuple(probes)

    def _tell(self, found):
        """Log a change; the same again is none."""
        before, self._last = self._last, found
        if before.is_good and not found.is_good:
            LOG.warning('The health check %s takes this service out of '
                        'rotation: %s', self.name, found)
        elif found.is_good and not before.is_good:
            LOG.warning('The health check %s passes again', self.name)
