# SPDX-License-Identifier: Apache-2.0
"""Jobs on a real etcd."""

import testtools

from tests.contracts import job_contract
from tests.functional.locking import etcd_case


class JobTest(etcd_case.EtcdCase, job_contract.JobContract,
              testtools.TestCase):

    ttl_seconds = 3

    def test_worker_that_is_killed(self):
        self.register()
        self.one.claim(self.entry())
        # As if its process were gone: nobody renews the lease any more.
        self.sessions[0]._renewal.end()
        self.assertIsNone(self.other.claim(self.entry()))
        key = job_contract.job_requests.requests.encoded(
            job_contract.job_requests.Requests(
                self.prefix).claim_key('image-1', 'dcn0'))
        with self.client.watch(
                [key], 30.0) as events:
            self.assertEqual([(), (key,)], [next(events), next(events)])
        self.other.done(self.other.claim(self.entry()))
        self.assertEqual([], self.keys())
