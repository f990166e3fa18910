# SPDX-License-Identifier: Apache-2.0
"""Jobs on a real etcd."""

import uuid

import testtools

from dcn_plugins.locking import etcd
from tests.contracts import job_contract
from tests.functional.locking import etcd_server


class JobTest(job_contract.JobContract, testtools.TestCase):

    ttl_seconds = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = etcd_server.EtcdServer()
        cls.server.setUp()
        cls.addClassCleanup(cls.server.cleanUp)

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.prefix = f'/{uuid.uuid4()}'
        super().setUp()

    def renewer(self):
        return self.server.client(etcd.NativeLine())

    def test_worker_that_is_killed(self):
        self.register()
        self.one.claim(self.entry())
        # As if its process were gone: nobody renews the lease any more.
        self.sessions[0]._renewal.end()
        self.assertIsNone(self.other.claim(self.entry()))
        with self.client.watch(
                job_contract.job_requests.requests.encoded(
                    job_contract.job_requests.Requests(
                        self.prefix).claim_key('image-1', 'dcn0')),
                30.0) as events:
            self.assertEqual(['created', 'deleted'],
                             [next(events), next(events)])
        self.other.done(self.other.claim(self.entry()))
        self.assertEqual([], self.keys())
