# SPDX-License-Identifier: Apache-2.0

import textwrap

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import exceptions
from dcn_plugins.placement import policy
from dcn_plugins.placement import policy_nodes
from dcn_plugins.placement import policy_text
from tests.unit.placement import policies

LEAST = 'version: 1\ncentral: central\ndefault: {stores: central}\n'


def faults_of(text):
    try:
        policy_text.policy_of(textwrap.dedent(text))
    except exceptions.InvalidPolicy as exc:
        return exc.faults
    return ()


class TextCase(testtools.TestCase):

    def check(self, line, reason, remedy, text):
        """Check that a text has one fault, and which."""
        faults = faults_of(text)
        self.assertEqual(1, len(faults), faults)
        self.assertEqual(line, faults[0].line, faults)
        self.assertIn(reason, faults[0].reason)
        self.assertIn(remedy, faults[0].remedy)

    def check_rule(self, reason, remedy, rule, section='kinds'):
        """Check the fault in the last line of an entry of a section."""
        text = LEAST + f'{section}:\n  - name: a\n' + textwrap.indent(
            textwrap.dedent(rule), '    ')
        self.check(len(text.rstrip().split('\n')), reason, remedy, text)


class PolicyTextTest(TextCase):

    def test_least(self):
        found = policy_text.policy_of(LEAST, 'file')
        self.assertEqual('file', found.source)
        self.assertEqual(frozenset(['central']), found.central)
        rule, = found.rules
        self.assertEqual(('default', 3), (rule.name, rule.line))
        self.assertEqual(policy.Choice(frozenset(['central'])), rule.may_ask)
        self.assertEqual(policy.NOWHERE, rule.pinned)
        self.assertIsNone(rule.edge_seconds)

    def test_everything(self):
        found = policies.POLICY
        self.assertEqual(
            [('snapshots of y', 10), ('public everywhere', 16),
             ('snapshots return', 21), ('default', 29)],
            [(rule.name, rule.line) for rule in found.rules])
        self.assertEqual({'emea': frozenset(['dcn0', 'dcn1'])}, found.groups)
        bound, = found.residencies
        self.assertEqual(('x stays in A and B', 6), (bound.name, bound.line))
        back = found.rules[2]
        self.assertEqual(frozenset([policy.Kind.SNAPSHOT,
                                    policy.Kind.BACKUP]), back.kinds)
        self.assertEqual((30 * 86400, 3600),
                         (back.edge_seconds, back.within_seconds))
        self.assertEqual(policy.EVERYWHERE, back.may_ask)
        self.assertEqual(
            policy.Choice(groups=frozenset(['emea'])),
            found.rules[0].may_ask)
        self.assertEqual(5, found.rules[1].priority)

    def test_names_are_texts(self):
        found = policy_text.policy_of(
            'version: 1\ncentral: no\ndefault: {stores: none}\n'
            'projects: [{name: on, projects: [0123, 1e4], stores: 7}]\n')
        self.assertEqual(frozenset(['no']), found.central)
        self.assertEqual('on', found.rules[0].name)
        self.assertEqual(frozenset(['0123', '1e4']), found.rules[0].projects)
        self.assertEqual(policy.Choice(frozenset(['7'])),
                         found.rules[0].stores)

    def test_strangers(self):
        self.assertEqual(
            [(2, 'central'), (4, 'dcn1')],
            policies.POLICY.strangers({'dcn0', 'dcn2'}))

    def test_no_yaml(self):
        self.check(3, 'no YAML', 'syntax', 'version: 1\nkinds: [\n:')
        self.check(1, 'no YAML', 'syntax', 'a: \x01')

    def test_two_documents(self):
        self.check(4, 'no YAML', 'syntax', LEAST + '---\n' + LEAST)

    def test_empty(self):
        self.check(1, 'empty', 'version, central and default', '# nothing\n')

    def test_no_mapping(self):
        self.check(1, 'the policy is no mapping', 'key: value', '- a\n')
        self.check(4, 'a rule of kinds is no mapping', 'key: value',
                   LEAST + 'kinds: [a]\n')

    def test_too_long(self):
        self.check(1, 'characters', '1048576 are read',
                   LEAST + '#' * policy_nodes.MOST_CHARACTERS)

    def test_brackets_do_not_end_the_process(self):
        for count in (9, 100000):
            self.check(4, 'too deep', 'so deep',
                       LEAST + 'kinds: ' + '[' * count)

    def test_anchors(self):
        self.check(4, '&a or *a is not understood', 'group', LEAST
                   + 'groups: {one: &a [dcn0], two: *a}\n')

    def test_missing_keys(self):
        for key, remedy in (('version', 'write "version: 1"'),
                            ('central', 'central site'),
                            ('default', 'no rule is about')):
            text = '\n'.join(line for line in LEAST.split('\n')
                             if not line.startswith(key))
            self.check(1, f"the policy has no '{key}'", remedy, text)

    def test_unknown_keys(self):
        self.check(4, "'kind' is nothing that the policy may have",
                   'write one of kinds, central', LEAST + 'kind: []\n')
        self.check_rule("'store' is nothing", 'write one of stores, ',
                        'kind: base\nstores: all\nstore: dcn0\n')

    def test_key_twice(self):
        self.check(4, "'central' stands twice in the policy", 'remove',
                   LEAST + 'central: dcn0\n')
        self.check_rule("'stores' stands twice in a rule", 'remove',
                        'kind: base\nstores: all\nstores: none\n')

    def test_key_that_is_no_text(self):
        self.check(4, 'a key in the policy is no text', 'key: value',
                   LEAST + '[a]: b\n')

    def test_version(self):
        self.check(1, "version '2' is not known", 'version: 1',
                   LEAST.replace('1', '2'))

    def test_no_list(self):
        self.check(4, 'kinds is no list', '"- "', LEAST + 'kinds: {a: b}\n')

    def test_no_single_value(self):
        self.check_rule('within is no single value', 'one word',
                        'kind: base\nstores: all\nwithin: [1h]\n')
        self.check_rule('an entry of stores is no single value', 'one word',
                        'kind: base\nstores: [[a]]\n')

    def test_empty_value(self):
        self.check_rule('stores is empty', 'remove',
                        'kind: base\nstores:\n')
        self.check_rule('pinned is empty', 'remove',
                        'kind: base\nstores: all\npinned: []\n')

    def test_length_of_time(self):
        for text in ('1', '1 hour', '0d', '-1h', '11000d', '1.5h', '٣d',
                     '9' * 5000 + 's'):
            self.check_rule('is no length of time', '30d',
                            f'kind: base\nstores: all\nwithin: {text}\n')

    def test_window(self):
        [rule] = policy_text.policy_of(
            'version: 1\ncentral: c\ndefault:\n  stores: all\n'
            '  window: [22:00-06:00, "12:00-13:30"]\n').rules
        self.assertEqual(('22:00-06:00', '12:00-13:30'), rule.windows)
        self.assertEqual((), policies.POLICY.rules[0].windows)
        for text in ('22:00', '24:00-01:00', '1:00-02:00', '01:00-01:00',
                     '01:00-02:00=5', '22:00 - 06:00',
                     '\u0661\u0662:00-13:00'):
            error = self.assertRaises(
                exceptions.InvalidPolicy, policy_text.policy_of,
                'version: 1\ncentral: c\ndefault:\n  stores: all\n'
                f'  window: "{text}"\n')
            [fault] = error.faults
            self.assertEqual(5, fault.line)
            self.assertIn('22:00-06:00', fault.remedy)

    def test_priority(self):
        for text in ('high', '101', '-101', '1.0', '٣'):
            self.check_rule('is no whole number between -100 and 100',
                            'greatest goes first',
                            f'kind: base\nstores: all\npriority: {text}\n')

    def test_kind_and_visibility(self):
        self.check_rule("'snapshots' is no kind", 'write one of snapshot,',
                        'stores: all\nkind: [base, snapshots]\n')
        self.check_rule("'hidden' is no visibility", 'private',
                        'stores: all\nvisibility: hidden\n')

    def test_rule_of_kinds_about_everything(self):
        self.check(5, 'about every image', 'default',
                   LEAST + 'kinds:\n  - {name: a, stores: all}\n')

    def test_name(self):
        self.check(5, "has no 'name'", 'told',
                   LEAST + 'kinds:\n  - {kind: base, stores: all}\n')
        self.check(6, "another rule is called 'a'", 'own name',
                   LEAST + 'kinds:\n  - {kind: base, stores: all, name: a}\n'
                   '  - {kind: base, stores: all, name: a}\n')
        self.check(5, "another rule is called 'default'", 'own name', LEAST
                   + 'kinds:\n  - {kind: base, stores: all, name: default}\n')

    def test_projects(self):
        self.check(5, "has no 'projects'", 'ids',
                   LEAST + 'projects:\n  - {name: a, stores: all}\n')
        self.check_rule('"all" is no id', 'kinds',
                        'stores: all\nprojects: all\n', 'projects')
        self.check_rule('"all" is no id', 'kinds',
                        'stores: all\nprojects: [all, p]\n', 'residency')

    def test_residency_of_all_projects(self):
        found = policy_text.policy_of(
            LEAST + 'residency:\n  - {name: a, projects: all, '
            'stores: group:central}\n')
        self.assertIsNone(found.residencies[0].projects)

    def test_residency_knows_no_kind(self):
        # A user may change it.
        self.check_rule("'kind' is nothing that a residency may have",
                        'write one of',
                        'stores: all\nprojects: p\nkind: base\n', 'residency')

    def test_group(self):
        text = LEAST + ('groups: {emea: dcn0}\nkinds:\n  - name: a\n'
                        '    kind: base\n    stores: group:eema\n')
        self.check(8, "there is no group 'eema'",
                   'one of emea, central, edge, or add', text)

    def test_groups_of_ours(self):
        for name in ('central', 'edge'):
            self.check(4, f'the group {name} is always there', 'another name',
                       LEAST + f'groups: {{{name}: [dcn0]}}\n')

    def test_no_name_of_a_store(self):
        for text in ('all', 'none', 'group:emea', '"a b"', '"a,b"',
                     'x' * 256):
            self.check(4, 'is no name of a store', 'enabled_backends',
                       LEAST + f'groups: {{emea: [{text}]}}\n')

    def test_words_stand_alone(self):
        for word in ('all', 'none'):
            self.check_rule(f'"{word}" stands beside others', 'alone',
                            f'kind: base\nstores: [dcn0, {word}]\n')

    def test_all_faults_are_told_in_their_order(self):
        faults = faults_of('''\
            version: 3
            central: []
            kinds:
              - name: a
                kind: bases
                stores: group:x
                within: soon
            ''')
        self.assertEqual([1, 1, 2, 5, 6, 7], [f.line for f in faults])
        text = str(exceptions.InvalidPolicy('/etc/p.yaml', faults))
        self.assertIn('/etc/p.yaml: line 1: the policy has no', text)
        self.assertIn("line 7: within 'soon' is no length of time: write a "
                      'whole number', text)

    @hypothesis.given(strategies.text(policies.SIGNS, max_size=20),
                      strategies.data())
    def test_any_text_is_a_policy_or_a_fault(self, noise, data):
        position = data.draw(strategies.integers(0, len(policies.TEXT)))
        end = data.draw(strategies.integers(position, len(policies.TEXT)))
        text = policies.TEXT[:position] + noise + policies.TEXT[end:]
        try:
            found = policy_text.policy_of(text)
        except exceptions.InvalidPolicy as exc:
            lines = text.count('\n') + text.count('\r') + 1 + sum(
                map(text.count, '\x85\u2028\u2029'))
            for fault in exc.faults:
                self.assertTrue(1 <= fault.line <= lines + 1, fault)
                self.assertTrue(fault.reason and fault.remedy)
        else:
            self.assertIsInstance(found, policy.Policy)


class EvictTest(TextCase):
    """The entries of ``evict``."""

    def check_entry(self, reason, remedy, entry):
        self.check_rule(reason, remedy, entry, 'evict')

    def test_without_it_nothing_leaves(self):
        found = policies.POLICY
        self.assertEqual((), found.evictions)
        self.assertIsNone(found.eviction_of('dcn0', policies.STORES))

    def test_everything_of_an_entry(self):
        found = policy_text.policy_of(policies.TEXT + textwrap.dedent('''\
            evict:
              - {name: small, stores: dcn2, quota: 10G, quota_takes: wanted}
              - name: edge
                stores: group:edge
                leave: [expired, forbidden]
                unused_for: 7d
            '''))
        small, edge = found.evictions
        self.assertEqual(policy.Eviction(
            'small', 32, policy.Choice(frozenset(['dcn2'])), frozenset(),
            10 << 30, True, 3600), small)
        self.assertEqual(policy.Eviction(
            'edge', 33, policy.Choice(groups=frozenset(['edge'])),
            frozenset(['expired', 'forbidden']), None, False, 7 * 86400),
            edge)
        self.assertEqual([None, edge, small], [
            found.eviction_of(store, policies.STORES)
            for store in ('central', 'dcn0', 'dcn2')])

    def test_mistakes(self):
        self.check(5, 'nothing would ever be removed', 'a "quota"',
                   LEAST + 'evict:\n  - {name: a, stores: all}\n')
        self.check(5, "an entry of evict has no 'stores'", 'name stores',
                   LEAST + 'evict:\n  - {name: a, quota: 1G}\n')
        self.check_entry("'pinned' is no leave", 'write one of ',
                         'stores: all\nleave: pinned\n')
        self.check_entry("quota '5' is no size", 'like 500G',
                         'stores: all\nquota: 5\n')
        self.check_entry("quota '0G' is no size", 'between 1M',
                         'stores: all\nquota: 0G\n')
        self.check_entry("'all' is no quota_takes", 'unwanted',
                         'stores: all\nquota: 1G\nquota_takes: all\n')
        self.check_entry('unused_for \'x\' is no length', '30d',
                         'stores: all\nquota: 1G\nunused_for: x\n')
        self.check_entry("there is no group 'x'", 'central',
                         'quota: 1G\nstores: group:x\n')
        self.check_entry('nothing is flattened', 'remove the line',
                         'stores: all\nquota: 1G\nflatten: yes\n')
        self.check_entry("'ttl' is nothing that an entry of evict may have",
                         'write one of ', 'stores: all\nquota: 1G\nttl: 1d\n')
