# SPDX-License-Identifier: Apache-2.0
"""One client instance each, or an error: never a whole host."""

import re

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.ceph import addresses

SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)

V4 = strategies.ip_addresses(v=4).filter(
    lambda ip: not (ip.is_unspecified or ip.is_multicast
                    or str(ip) == '255.255.255.255'))
V6 = strategies.ip_addresses(v=6).filter(
    lambda ip: not (ip.is_unspecified or ip.is_multicast or ip.ipv4_mapped))
HOSTS = V4.map(str) | V6.map(lambda ip: f'[{ip}]')
PORTS = strategies.integers(0, 65535)
NONCES = strategies.integers(1, 2 ** 32 - 1)
INSTANCES = strategies.builds('{}:{}/{}'.format, HOSTS, PORTS, NONCES)
TYPES = strategies.sampled_from(['', 'v1:', 'v2:', 'any:'])

# As entity_addr_t::parse reads an entry: what is left over of the text, and
# the nonce that it makes of it.
READ_BY_CEPH = re.compile(
    r'(?:[0-9.]+|\[[0-9a-fA-F:]+\])(?::[0-9]*)?(?:/(?P<nonce>[0-9]*))?')


class ParsedTest(testtools.TestCase):

    def test_formats_of_all_releases(self):
        for text, *entries in (
                ('127.0.0.1:0/2066810245', '127.0.0.1:0/2066810245'),
                ('v1:127.0.0.1:0/1', '127.0.0.1:0/1'),
                ('v2:[::1]:0/123', '[::1]:0/123'),
                ('any:10.0.0.1:6800/4294967295', '10.0.0.1:6800/4294967295'),
                ('[v2:10.0.0.1:0/12,v1:10.0.0.1:0/12]', '10.0.0.1:0/12'),
                ('[v2:[fd00::1]:0/12,v1:[fd00::1]:0/12]', '[fd00::1]:0/12'),
                ('[v2:10.0.0.1:3300/12,v1:10.0.0.1:6789/12]',
                 '10.0.0.1:3300/12', '10.0.0.1:6789/12'),
                ('[v2:[FD00::1]:0/5]', '[fd00::1]:0/5'),
                ('[::1]:0/5', '[::1]:0/5'),
                ('10.0.0.1:0/1,[::1]:0/2', '10.0.0.1:0/1', '[::1]:0/2'),
                ('[::1]:0/1,10.0.0.1:0/2', '[::1]:0/1', '10.0.0.1:0/2'),
                # inet_ntop writes it so, and Ceph cannot read it so.
                ('[::ffff:10.0.0.1]:0/7',
                 '[0000:0000:0000:0000:0000:ffff:0a00:0001]:0/7')):
            self.assertEqual(tuple(entries), addresses.parsed(text), text)

    def test_what_is_not_one_instance(self):
        for text in (
                # All clients of the host.
                '127.0.0.1:0/0', '127.0.0.1:0', '127.0.0.1', '[::1]:0/0',
                'v2:127.0.0.1:0/0', '127.0.0.1:0/00', '127.0.0.1:0/',
                # Read as 0 by Ceph, or as another number.
                '127.0.0.1:0/4294967296', '127.0.0.1:0/8589934592',
                '127.0.0.1:0/-1', '127.0.0.1:0/0x1', '127.0.0.1:0/01',
                '127.0.0.1:0/+1', '127.0.0.1:0/1.0', '127.0.0.1:0/1\u0661',
                '127.0.0.1:0/99999999999999999999',
                # Ranges.
                '10.0.0.0/24', '10.0.0.0/8', '[fd00::]/64', 'fd00::/64',
                # Of many hosts, or none.
                '0.0.0.0:0/1', '[::]:0/1', '*:0/1', 'v2:*:0/1',
                '[::ffff:0.0.0.0]:0/1', '[::ffff:224.0.0.1]:0/1',
                '255.255.255.255:0/1', '224.0.0.1:0/1', '[ff02::1]:0/1',
                '-', ':/0', ':/1', '/1', 'localhost:0/1',
                '(unrecognized address family 0)/123',
                # No instance can be told.
                '', '[]', ',', '127.0.0.1:0/1,', ',127.0.0.1:0/1',
                '[127.0.0.1:0/1', '127.0.0.1:0/1]', '[[::1]:0/1',
                '[v2:127.0.0.1:0/1][v1:127.0.0.1:0/1]',
                '[[v2:127.0.0.1:0/1]]', '127.0.0.1:0/1 127.0.0.1:0/2',
                # One bad one is enough.
                '127.0.0.1:0/1,127.0.0.1:0/0',
                '[v2:127.0.0.1:0/1,v1:127.0.0.1:0/0]',
                # Not as Ceph writes it.
                ' 127.0.0.1:0/1', '127.0.0.1:0/1\n', '127.0.0.1:0/1, '
                '127.0.0.1:0/2', 'v3:127.0.0.1:0/1', 'V2:127.0.0.1:0/1',
                'v2:v1:127.0.0.1:0/1', '127.0.0.1:65536/1', '127.0.0.1:00/1',
                '127.0.0.1:/1', '127.0.0.1/1', '127.1:0/1', '127.0.0.01:0/1',
                '256.0.0.1:0/1', '1.2.3.4.5:0/1', '::1:0/1', '[::1%lo]:0/1',
                '[127.0.0.1]:0/1', '[::g]:0/1', '127.0.0.1:0/1/2',
                None, b'127.0.0.1:0/1', 1, ['127.0.0.1:0/1']):
            self.assertRaises(ValueError, addresses.parsed, text)

    @SETTINGS
    @hypothesis.given(TYPES, INSTANCES)
    def test_an_instance_stays_what_it_is(self, kind, instance):
        self.assertEqual((instance,), addresses.parsed(kind + instance))
        self.assertEqual((instance,), addresses.parsed(f'[{kind}{instance}]'))

    @SETTINGS
    @hypothesis.given(
        strategies.lists(INSTANCES, min_size=1, max_size=6), TYPES)
    def test_all_of_a_list_once_each(self, instances, kind):
        text = ','.join(kind + instance for instance in instances)
        self.assertEqual(tuple(dict.fromkeys(instances)),
                         addresses.parsed(text))
        self.assertEqual(addresses.parsed(text), addresses.parsed(f'[{text}]'))

    @SETTINGS
    @hypothesis.given(
        HOSTS, PORTS, strategies.just(0) | strategies.integers(2 ** 32)
        | strategies.integers(max_value=-1),
        strategies.lists(INSTANCES, max_size=3))
    def test_no_other_nonce_in_any_place(self, host, port, nonce, others):
        for place in range(len(others) + 1):
            listed = [*others[:place], f'{host}:{port}/{nonce}',
                      *others[place:]]
            self.assertRaises(ValueError, addresses.parsed, ','.join(listed))

    @SETTINGS
    @hypothesis.given(
        strategies.ip_addresses(network='224.0.0.0/4')
        | strategies.ip_addresses(network='ff00::/8'), PORTS, NONCES)
    def test_no_address_of_many(self, host, port, nonce):
        host = f'[{host}]' if host.version == 6 else str(host)
        self.assertRaises(ValueError, addresses.parsed,
                          f'{host}:{port}/{nonce}')

    @hypothesis.settings(SETTINGS, max_examples=300)
    @hypothesis.given(
        strategies.text(alphabet='0123456789.:/[],v-af* ', max_size=40)
        | INSTANCES.flatmap(lambda text: strategies.integers(
            0, len(text) - 1).map(lambda at: text[:at] + text[at + 1:])))
    def test_whatever_is_let_through_names_one_instance_to_ceph(self, text):
        try:
            entries = addresses.parsed(text)
        except ValueError:
            return
        self.assertTrue(entries)
        for entry in entries:
            read = READ_BY_CEPH.fullmatch(entry)
            self.assertIsNotNone(read, entry)
            self.assertNotEqual(0, int(read['nonce']) % 2 ** 32, entry)
            self.assertEqual((entry,), addresses.parsed(entry))
