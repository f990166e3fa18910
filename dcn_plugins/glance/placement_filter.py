# SPDX-License-Identifier: Apache-2.0
"""Paste filter ``dcn_placement`` of glance-api: what users may choose.

It stands in glance-api-paste.ini between ``context`` and ``rootapp``, and
answers 403 with the name of the rule to a copy-image, an import or an upload
to a store that the placement policy forbids. A copy-image that Glance refuses
with 409, because a copy of ours holds the image, becomes a job. Everything
else goes through untouched, also whatever Glance itself will refuse.

Not a check of oslo.policy: Glance hands it the image, and not the stores that
were asked for. Not a plugin of imports: the user has got his 202 by then.
"""

import time

from oslo_config import cfg
from oslo_log import log as logging
import webob
import webob.exc

from dcn_plugins.conf import placement
from dcn_plugins.glance import copy_hook
from dcn_plugins.glance import copy_join
from dcn_plugins.glance import copy_need
from dcn_plugins.glance import store_request
from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy_file
from dcn_plugins.placement import verdict

LOG = logging.getLogger(__name__)

_RETRY_SECONDS = 60


def filter_factory(_global_conf, **_local_conf):
    """Return what makes the filter; the entry point of PasteDeploy.

    :raises ConfigError: of oslo.config, for an option without a valid value;
        glance-api does not start then.
    """
    placement.register_opts(cfg.CONF)
    if not cfg.CONF.dcn.placement_policy_file:
        LOG.warning('The paste filter dcn_placement refuses nothing: [dcn] '
                    'placement_policy_file is not set')
    return lambda application: PlacementFilter(application, cfg.CONF)


class PlacementFilter:
    """The filter in front of an application.

    :param application: of WSGI, the API of Glance.
    :param conf: of Glance.
    """

    def __init__(self, application, conf, clock=time.time):
        self._application = application
        self._conf = conf
        self._clock = clock

    def __call__(self, environ, start_response):
        """Answer a request, or have the application do so."""
        copy_hook.wake()
        answer = self._answer(webob.Request(environ)) or self._application
        return answer(environ, start_response)

    def _answer(self, request):
        """Return the answer to a request, or ``None`` to have Glance do so."""
        path = self._conf.dcn.placement_policy_file
        if not path or not self._conf.enabled_backends:
            return None
        asked = store_request.store_request(
            request.method, request.environ.get('PATH_INFO', ''),
            request.headers.get(store_request.HEADER), lambda: request.body)
        if asked is None:
            return None
        try:
            policy = policy_file.shared(path).current()
            if policy is None:
                return _undecided(asked)
            return self._judged(request, asked, policy)
        # The last line of defence: a mistake of ours must not take uploads
        # away, nor let go what nobody has looked at.
        except Exception:
            LOG.exception('Nobody knows whether image %r may go to the '
                          'stores that were asked for', asked.image_id[:64])
            return _undecided(asked)

    def _judged(self, request, asked, policy):
        answer = self._image(request, asked)
        if answer.status_int == 404:
            # Glance will say the same, in its own words.
            return None
        if answer.status_int != 200:
            return answer
        image = answer.json
        stores = _stores(self._conf)
        found = verdict.decide(images.image_of(image), policy,
                               frozenset(stores), self._clock())
        targets = asked.targets(
            stores, self._conf.glance_store.default_backend,
            copy_need.names(image.get('stores')))
        told = [found.verdict(name) for name in dict.fromkeys(targets)
                if name in found.forbidden]
        if told:
            return _refusal(request, asked, told, found)
        if copy_join.is_possible(asked, image, targets):
            return copy_join.answer(request, self._application, self._conf,
                                    image, targets)
        return None

    def _image(self, request, asked):
        """Ask Glance for the image, as the same user, without a request.

        So whoever may not see it learns nothing of it from us.
        """
        inner = request.copy_get()
        # As it came: it need not be a text at all.
        inner.environ['PATH_INFO'] = f'/v2/images/{asked.image_id}'
        inner.query_string = ''
        inner.accept = 'application/json'
        # Else the answer may be compressed, or "not modified".
        for header in ('Accept-Encoding', 'If-None-Match', 'Range',
                       'If-Modified-Since'):
            inner.headers.pop(header, None)
        return inner.get_response(self._application)


def _stores(conf):
    """Return the names of the stores that can be written to."""
    return tuple(name for name, kind in conf.enabled_backends.items()
                 if kind != 'http')


def _refusal(request, asked, told, found):
    LOG.warning(
        'User %s of project %s was refused the %s of image %s to %s by the '
        'placement policy: %s', request.headers.get('X-User-Id'),
        request.headers.get('X-Project-Id'), asked.doing, asked.image_id,
        ','.join(one.store for one in told), told[0])
    return webob.exc.HTTPForbidden(explanation=_text(asked, told, found))


def _undecided(asked):
    if not asked.is_choice:
        return None
    # It may be anything: nobody has looked yet whether there is one.
    LOG.warning('The %s of image %r was refused: there is no placement '
                'policy that could tell whether it is allowed', asked.doing,
                asked.image_id[:64])
    return webob.exc.HTTPServiceUnavailable(
        explanation='The placement policy of this cloud cannot be read, so '
        'nobody can tell whether the image may be in these stores. Tell its '
        'operator, and try again later.',
        headers=[('Retry-After', str(_RETRY_SECONDS))])


def _text(asked, told, found):
    """Return what the user is told, of which he can make a better request."""
    allowed = sorted(found.stores - found.forbidden)
    names = ', '.join(one.store for one in told)
    return (f'The placement policy rule "{told[0].rule}" forbids the image '
            f'in {names}. '
            + (f'It may be in: {", ".join(allowed)}.' if allowed else
               'None of the stores of this service is allowed.')
            + ('' if asked.is_choice else
               ' No store was named, so the default one would be used.'))
