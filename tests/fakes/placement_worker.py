# SPDX-License-Identifier: Apache-2.0
"""A worker of image placement beside cinder-volumes, on one fake Glance."""

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions
from dcn_plugins.glance import image_jobs
from dcn_plugins.placement import job_claims
from tests.fakes import glance


class WorkerAPI:
    """The fake Glance as glance-api's own worker asks it."""

    def __init__(self, url):
        self._api = image_api.ImageAPI(glance.KnownTokens(url))

    def get_image(self, image_id):
        return self._api.image(None, image_id)

    def request_copy(self, image_id, stores):
        for store in stores:
            if not self._api.request_copy(None, image_id, store):
                raise exceptions.CopyPostponed(image_id, 'Glance is busy')


class Worker:
    """What a glance-api does about jobs, one step at a time."""

    def __init__(self, jobs, claims, url, is_forbidden=lambda *_what: False):
        self._jobs = jobs
        self.claims = claims
        self._api = WorkerAPI(url)
        self._is_forbidden = is_forbidden
        self.in_hand = {}

    @classmethod
    def of(cls, client, session, prefix, jobs, url, name='worker', **others):
        """Return a worker with claims of its own."""
        return cls(jobs, job_claims.JobClaims(client, session, prefix, name),
                   url, **others)

    def step(self):
        """Claim what is due, and look once at what is in hand."""
        for entry in self._jobs.entries():
            held = self.claims.claim(entry)
            if held is not None:
                self.in_hand.setdefault(
                    held.job.image_id, image_jobs.ImageJobs(
                        held.job.image_id, self.claims, self._api,
                        self._is_forbidden)).add(held)
        for image_id, work in list(self.in_hand.items()):
            work.advance()
            if not work.held:
                del self.in_hand[image_id]
