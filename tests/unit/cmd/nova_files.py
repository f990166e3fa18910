# SPDX-License-Identifier: Apache-2.0
"""A directory with the real files that the command reads."""

import os

import fixtures
from nova.db.api import models
from oslo_utils import uuidutils
import sqlalchemy as sa
from sqlalchemy import orm


class NovaFiles(fixtures.Fixture):
    """A nova.conf, and what it names, in a directory of their own."""

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).path
        self.conf = os.path.join(self.path, 'nova.conf')
        self.write_conf('')

    def write_conf(self, text):
        """Write nova.conf; [oslo_policy] names policy.yaml beside it."""
        return self.write(
            'nova.conf', f'{text}\n[oslo_policy]\npolicy_file = policy.yaml\n'
                         'policy_dirs = policy.d\n')

    def write(self, name, text):
        """Write a file below the directory and return its path."""
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as opened:
            opened.write(text)
        return path

    def write_database(self, *aggregates):
        """Make an API database of (metadata, hosts); return its URL."""
        url = f'sqlite:///{self.path}/nova_api.db'
        engine = sa.create_engine(url)
        self.addCleanup(engine.dispose)
        models.BASE.metadata.create_all(engine)
        with orm.Session(engine) as session:
            for number, (metadata, hosts) in enumerate(aggregates, 1):
                session.add(models.Aggregate(
                    id=number, uuid=uuidutils.generate_uuid(),
                    name=f'aggregate{number}'))
                session.add_all(
                    models.AggregateHost(host=host, aggregate_id=number)
                    for host in hosts)
                session.add_all(
                    models.AggregateMetadata(
                        key=key, value=value, aggregate_id=number)
                    for key, value in metadata.items())
            session.commit()
        return url
