# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_removal
from dcn_plugins.glance import evictor
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import image_import
from dcn_plugins.placement import job
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import removal as steps
from tests.unit.glance import placement_case
from tests.unit.placement import policies

WAIT_SECONDS = 30
EVICT = '''\
evict:
  - {name: all of it, stores: all, leave: [unwanted, forbidden, expired]}
'''
QUOTA = 'evict: [{name: small, stores: all, quota: 1M, quota_takes: wanted}]\n'


class Users:
    """Stores of a glance-api, and what was cloned from their copies."""

    def __init__(self):
        self.used = set()
        self.away = set()

    def check(self, image_id, store):
        self.reach(image_id, store)
        if (image_id, store) in self.used:
            raise exceptions.RemovalRefused(image_id, store, 'in use', True)

    def reach(self, image_id, store):
        if store in self.away:
            raise exceptions.RemovalRefused(image_id, store, 'away',
                                            is_away=True)


class Killed(BaseException):
    """A process is gone, in the middle of whatever it did."""


class EvictorCase(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.users = Users()
        self.use(EVICT)
        self.worker = self.made('one')

    def use(self, text):
        self.policy = policy_text.policy_of(policies.TEXT + text)

    def made(self, name, own=policies.STORES, most=1000):
        found = self.process(name)
        return evictor.Evictor(
            found, self.api, lambda: self.policy, own,
            copy_removal.CopyRemover(
                found.removals, self.api, self.users, lambda: self.policy,
                name, self.clock, self.clock),
            300, most, self.clock, self.clock)

    def add_copies(self, image_id='image-1', stores='central,dcn0,dcn1',
                   **values):
        return self.add_image(image_id, stores=stores, **values)

    def rounds(self, count=2, worker=None, seconds=3600.0):
        for _number in range(count):
            self.now += seconds
            (worker or self.worker).round()
        self.assertNotIn('has failed', self.log.output)

    def stores_of(self, image_id='image-1'):
        return self.api.images[image_id]['stores']

    def notes(self, store='dcn0'):
        return self.worker._found.removals.notes(store)

    def left(self):
        """Return the keys of etcd that are about removals."""
        return [key for key in self.etcd.store.keys()
                if key.startswith(('/t/e/', '/t/u/'))]


class EvictorTest(EvictorCase):

    def test_what_nobody_wants_leaves(self):
        self.add_copies()
        self.rounds(1)
        # What is seen for the first time stays for a while.
        self.assertEqual([], self.api.removed)
        self.assertEqual({'image-1': copy_note.Note(self.now)}, self.notes())
        self.rounds(1)
        self.assertEqual('central', self.stores_of())
        self.assertEqual([], self.left())
        self.rounds(3)
        self.assertEqual(2, len(self.api.removed))
        self.assertIn("INFO Image image-1 has left dcn0: no rule wants it "
                      "there ('all of it', line 32)", self.log.output)

    def test_without_evict_nothing_leaves(self):
        self.policy = policies.POLICY
        self.add_copies(owner='project-x', kind='snapshot')
        self.rounds(5)
        self.assertEqual(([], []), (self.api.removed, self.left()))
        self.assertEqual(0, sum(path == '/kv/range' and 'limit' not in body
                                for path, body in self.etcd.calls))

    def test_without_a_policy_nothing_leaves(self):
        self.policy = None
        self.add_copies()
        self.rounds(3)
        self.assertEqual([], self.api.removed)

    def test_what_is_forbidden_leaves_when_another_copy_may_stay(self):
        self.add_copies(owner='project-x', stores='central')
        self.rounds()
        self.assertEqual('central', self.stores_of())
        self.api.images['image-1']['stores'] = 'central,dcn1'
        self.rounds(1)
        self.assertEqual('dcn1', self.stores_of())

    def test_last_copy_in_a_store_that_is_known(self):
        self.add_copies(stores='unknown,dcn0')
        self.rounds(3)
        self.assertEqual([], self.api.removed)

    def test_copy_that_is_in_use(self):
        self.add_copies(stores='central,dcn0')
        self.users.used = {('image-1', 'dcn0')}
        self.rounds(2)
        note = self.notes()['image-1']
        self.assertEqual(('in use', 1, self.now),
                         (note.reason, note.tries, note.used_at))
        self.assertEqual([], self.worker._found.removals.all())
        self.users.used = set()
        self.rounds(1, seconds=299)
        self.assertEqual([], self.api.removed)
        self.rounds(1)
        self.assertEqual('central', self.stores_of())

    def test_glance_that_refuses(self):
        self.add_copies(stores='central,dcn0')
        self.rounds(1)
        ask = self.api.remove_copy
        self.api.remove_copy = lambda *place: (_ for _ in ()).throw(
            exceptions.RemovalRefused(*place, '409 InUse', True))
        self.rounds(1)
        self.assertEqual('409 InUse', self.notes()['image-1'].reason)
        self.assertIn('INFO Image image-1 stays in dcn0: 409',
                      self.log.output)
        self.api.remove_copy = ask
        self.rounds(2)
        self.assertEqual(('central', []), (self.stores_of(), self.left()))

    def unanswered(self, is_done=False):
        """Have Glance not answer; return whether it will have done it."""
        self.add_copies()
        self.use('evict: [{name: e, stores: [dcn0], leave: unwanted}]\n')
        self.rounds(1)
        ask = self.api.remove_copy

        def remove_copy(image_id, store):
            if is_done:
                ask(image_id, store)
            raise exceptions.RemovalUnanswered(image_id, store, 'silence')

        self.api.remove_copy = remove_copy
        self.rounds(1)
        self.api.remove_copy = ask
        self.assertEqual(1, len(self.worker._found.removals.all()))
        self.assertIn('WARNING Glance has not answered', self.log.output)

    def test_silence_of_glance_that_has_done_it(self):
        self.unanswered(is_done=True)
        self.rounds(2, seconds=800)
        self.assertEqual(1, len(self.worker._found.removals.all()))
        self.rounds(1, seconds=300)
        self.assertEqual(('central,dcn1', []),
                         (self.stores_of(), self.left()))

    def test_silence_of_glance_that_has_not(self):
        self.unanswered()
        self.use('evict: [{name: e, stores: [dcn1], leave: unwanted}]\n')
        self.rounds(1, seconds=800)
        self.rounds(1, seconds=900)
        # Until it is known, no other copy leaves.
        self.assertEqual('central,dcn0,dcn1', self.stores_of())
        self.rounds(1, seconds=300)
        self.rounds(2)
        self.assertEqual('central,dcn0', self.stores_of())
        self.use(EVICT)
        self.rounds(3)
        self.assertEqual(('central', []), (self.stores_of(), self.left()))

    def test_silence_while_the_store_is_away(self):
        self.unanswered()
        self.users.away = {'dcn0'}
        self.rounds(3, seconds=1900)
        self.assertEqual(1, len(self.worker._found.removals.all()))
        self.users.away = set()
        self.rounds(1, seconds=1900)
        self.assertEqual([], self.worker._found.removals.all())

    def test_store_that_nobody_has_any_more(self):
        self.unanswered()
        other = self.made('other', frozenset(['dcn2']))
        self.rounds(1, other)
        self.assertEqual(1, len(self.worker._found.removals.all()))
        self.rounds(1, other, evictor.ABANDONED_SECONDS)
        self.assertEqual([], self.worker._found.removals.all())

    def test_policy_that_changes_between_plan_and_removal(self):
        self.add_copies(stores='central,dcn0')
        self.rounds(1)
        begin = self.worker._found.removals.begin

        def begin_late(removal):
            self.policy = policies.POLICY
            return begin(removal)

        self.worker._found.removals.begin = begin_late
        self.rounds(1)
        self.assertEqual([], self.api.removed)
        self.assertEqual([], self.worker._found.removals.all())
        self.rounds(1)
        self.assertEqual([], self.left())

    def test_image_that_changes_between_plan_and_removal(self):
        for number, change in enumerate((
                {'status': 'deactivated'}, {'stores': 'dcn0'},
                {'stores': 'central'}, {'visibility': 'public'},
                {image_import.TASK: 'task'})):
            image = self.add_copies(f'image-{number}', 'central,dcn0')
            self.rounds(1)
            begin = self.worker._found.removals.begin

            def begin_late(removal):
                image.update(change)
                return begin(removal)

            self.worker._found.removals.begin = begin_late
            self.rounds(1)
            self.worker._found.removals.begin = begin
            self.assertEqual([], self.api.removed, change)
            self.assertEqual([], self.worker._found.removals.all())
            del self.api.images[f'image-{number}']
        self.rounds(1)
        self.assertEqual([], self.left())

    def test_image_that_was_deleted_meanwhile(self):
        self.add_copies()
        self.rounds(1)
        begin = self.worker._found.removals.begin

        def begin_late(removal):
            self.api.images.clear()
            return begin(removal)

        self.worker._found.removals.begin = begin_late
        self.rounds(2)
        self.assertEqual(([], []), (self.api.removed, self.left()))

    def test_image_that_glance_has_in_hand(self):
        self.add_copies()[image_import.TASK] = 'task'
        self.rounds(3)
        self.assertEqual([], self.api.removed)

    def test_store_that_a_job_wants(self):
        self.add_copies(stores='central,dcn0')
        self.register('dcn0', is_asked=True)
        self.rounds(3)
        self.assertEqual([], self.api.removed)
        self.assertEqual([], self.worker._found.removals.all())

    def test_quota(self):
        for number in range(4):
            self.add_copies(f'image-{number}', 'central,dcn2', size=400 << 10)
        self.use(QUOTA)
        self.rounds(1)
        used = copy_note.Note(self.now + 5)
        self.worker._found.removals.write_notes('dcn2', {'image-0': used})
        self.rounds(1)
        self.assertEqual({
            'image-0': 'central,dcn2', 'image-1': 'central',
            'image-2': 'central', 'image-3': 'central,dcn2'}, {
            image_id: image['stores']
            for image_id, image in self.api.images.items()})
        # They are wanted there, and do not come back by themselves.
        for number in range(4):
            self.reconciler.reconcile(f'image-{number}')
        self.assertEqual(
            {('image-1', 'dcn2'): job.State.CANCELLED,
             ('image-2', 'dcn2'): job.State.CANCELLED}, {
                place: entry.job.state
                for place, entry in self.listed().items()})
        self.rounds(3)
        self.assertEqual(2, len(self.api.removed))

    def test_quota_that_cannot_be_kept(self):
        self.use('evict: [{name: small, stores: central, quota: 1M}]\n')
        self.add_copies(stores='central,dcn0', size=3 << 20)
        self.rounds(3)
        self.assertEqual(1, self.log.output.count(
            "WARNING Store central has 2.0M more than its quota ('small'"))

    def test_brake(self):
        self.worker = self.made('two', most=2)
        for number in range(5):
            self.add_copies(f'image-{number}', 'central,dcn0')
        self.rounds(1, seconds=0)
        self.rounds(1, seconds=3600)
        self.assertEqual(2, len(self.api.removed))
        self.assertIn('placement_removals_per_hour', self.log.output)
        self.rounds(1, seconds=400)
        self.assertEqual(2, len(self.api.removed))
        self.rounds(1, seconds=3600)
        self.assertEqual(4, len(self.api.removed))
        self.worker._most = 0
        self.rounds(3)
        self.assertEqual(4, len(self.api.removed))

    def test_one_of_two_processes_looks_after_a_store(self):
        other = self.made('other')
        self.add_copies()
        self.rounds(1)
        self.rounds(3, other)
        self.assertEqual([], self.api.removed)
        self.worker._found.close()
        self.rounds(1, other)
        self.assertEqual(2, len(self.api.removed))

    def test_each_process_looks_after_its_own_stores(self):
        self.worker = self.made('edge', frozenset(['dcn1']))
        self.add_copies()
        self.rounds(3)
        self.assertEqual('central,dcn0', self.stores_of())

    def test_notes_go_with_the_rules(self):
        self.add_copies()
        self.rounds(1)
        self.assertEqual(2, len(self.left()))
        self.use('evict: [{name: e, stores: dcn1, leave: unwanted}]\n')
        self.rounds(1, seconds=1)
        self.assertEqual(['/t/u/dcn1/image-1'], self.left())
        self.policy = policies.POLICY
        self.rounds(1, seconds=1)
        self.assertEqual([], self.left())

    def test_notes_go_with_the_copies(self):
        self.add_copies()
        self.rounds(1)
        self.api.images['image-1']['stores'] = 'central,dcn1'
        self.rounds(1, seconds=300)
        self.assertEqual(['/t/u/dcn1/image-1'], self.left())
        self.api.images.clear()
        self.rounds(1)
        self.assertEqual([], self.left())

    def test_store_that_is_away_is_asked_once(self):
        for number in range(3):
            self.add_copies(f'image-{number}', 'central,dcn0')
        self.users.away = {'dcn0'}
        self.rounds(2)
        self.assertEqual([1, 0, 0], sorted(
            (note.tries for note in self.notes().values()), reverse=True))
        self.assertEqual([], self.worker._found.removals.all())
        self.users.away = set()
        self.rounds(2)
        self.assertEqual(3, len(self.api.removed))

    def test_rule_that_changes_between_plan_and_removal(self):
        self.add_copies(stores='central,dcn0')
        self.rounds(1)
        begin = self.worker._found.removals.begin

        def begin_late(removal):
            self.use('evict: [{name: e, stores: all, leave: expired}]\n')
            return begin(removal)

        self.worker._found.removals.begin = begin_late
        self.rounds(1)
        self.assertEqual([], self.api.removed)

    def test_what_is_away(self):
        self.add_copies()
        self.away(2)
        self.rounds(1)
        self.api.errors = [exceptions.CopyPostponed('i', 'slow')]
        self.rounds(1)
        self.assertEqual(1, self.log.output.count(
            'WARNING The removal of copies waits'))
        self.rounds(3)
        self.assertEqual('central', self.stores_of())

    def test_mistake_of_ours_ends_nothing(self):
        self.worker._found.removals.all = lambda: 1 / 0
        self.worker.round()
        self.assertIn('has failed', self.log.output)


class RequestTest(EvictorCase):
    """What operators want to leave, without any rule."""

    def setUp(self):
        super().setUp()
        self.use('')
        # Notes of nothing that is to leave go when a policy is new.
        self.worker.round()
        self.removals = self.worker._found.removals

    def ask(self, store='dcn0', image_id='image-1'):
        held = self.removals.begin(steps.requested(
            image_id, store, 'operator', 'asked for', self.now))
        self.assertIsNotNone(held)
        return held

    def reason(self, store='dcn0'):
        return self.notes(store)['image-1'].reason

    def test_it_leaves(self):
        self.add_copies()
        self.ask()
        self.rounds(1, seconds=1)
        self.assertEqual([('image-1', 'dcn0')], self.api.removed)
        self.assertEqual([], self.left())
        self.assertIn('INFO Image image-1 has left dcn0: asked for',
                      self.log.output)

    def test_what_stays(self):
        self.add_copies(stores='dcn0')
        self.ask()
        self.rounds(1, seconds=1)
        self.assertEqual('it is the last copy, or the one that is wanted '
                         'most', self.reason())
        image = self.add_copies(**{image_import.TASK: 'task'})
        self.ask()
        self.rounds(1, seconds=1)
        self.assertIn('in hand', self.reason())
        del image[image_import.TASK]
        self.users.used.add(('image-1', 'dcn0'))
        self.ask()
        self.rounds(1, seconds=1)
        self.assertEqual('in use', self.reason())
        self.users.used.clear()
        image['status'] = 'deactivated'
        self.ask()
        self.rounds(1, seconds=1)
        self.assertIn('has changed', self.reason())
        image['status'] = 'active'
        self.policy = None
        self.ask()
        self.rounds(1, seconds=1)
        self.assertIn('no policy', self.reason())
        self.assertEqual([], self.api.removed)
        self.assertEqual([], [key for key in self.left()
                              if key.startswith('/t/e/')])

    def test_where_it_is_wanted_it_does_not_come_back(self):
        self.add_copies(stores='central,dcn2')
        self.ask('dcn2')
        self.rounds(1, seconds=1)
        self.assertEqual([('image-1', 'dcn2')], self.api.removed)
        found = self.listed()['image-1', 'dcn2'].job
        self.assertEqual((job.State.CANCELLED, 'asked for'),
                         (found.state, found.reason))

    def test_who_does_not_have_the_store_leaves_it(self):
        self.add_copies()
        self.ask()
        self.rounds(1, self.made('other', {'central'}), 1)
        self.assertEqual([], self.api.removed)
        self.assertEqual(['/t/e/image-1'], self.left())
        self.rounds(1, self.made('third', {'dcn0'}), 1)
        self.assertEqual([('image-1', 'dcn0')], self.api.removed)

    def test_nobody_thinks_of_it_any_more(self):
        self.add_copies()
        self.ask()
        self.rounds(1, seconds=steps.REQUEST_SECONDS)
        self.assertEqual(([], []), (self.api.removed, self.left()))

    def test_worker_that_dies_before_it_asks(self):
        self.add_copies()
        self.ask()
        check, self.users.check = self.users.check, self.die
        self.assertRaises(Killed, self.worker.round)
        self.users.check = check
        other = self.made('other')
        self.rounds(1, other, 1)
        self.assertEqual([], self.api.removed)
        self.rounds(1, other, steps.WORK_SECONDS)
        self.assertEqual([('image-1', 'dcn0')], self.api.removed)

    def die(self, *_place):
        raise Killed

    def test_worker_that_dies_after_it_has_asked(self):
        """Glance is not asked a second time."""
        self.add_copies()
        self.ask()
        remove, self.api.remove_copy = self.api.remove_copy, self.die
        self.assertRaises(Killed, self.worker.round)
        self.api.remove_copy = remove
        self.rounds(1, seconds=steps.QUIET_SECONDS)
        self.assertEqual([], self.api.removed)
        self.assertIn('has not', self.reason())


class AnyCallTest(EvictorCase):
    """Something happens at any of the calls of a process."""

    def setUp(self):
        super().setUp()
        self.countdown = 0
        self.happens = None
        for thing, name in ((self.etcd, 'call'), (self.api, 'get_image'),
                            (self.api, 'remove_copy'), (self.users, 'check')):
            setattr(thing, name, self.watched(name, getattr(thing, name)))

    def watched(self, name, function):
        def call(*arguments):
            self.countdown -= 1
            if self.countdown == 0:
                return self.happens(name, function, arguments)
            return function(*arguments)
        return call

    def check(self, happens, next_worker):
        """Check that it ends well at whatever call something happens.

        :param next_worker: called with the one that was there.
        """
        self.happens = happens
        number, is_reached = 1, True
        while is_reached:
            self.add_copies(stores='central,dcn0')
            worker = self.made(f'first {number}')
            self.rounds(1, worker)
            self.countdown = number
            try:
                self.rounds(1, worker)
            except Killed:
                self.assertEqual(0, self.countdown)
            is_reached = self.countdown <= 0
            self.countdown = 0
            self.assertIn(self.stores_of(), ('central', 'central,dcn0'))
            other = next_worker(worker, f'other {number}')
            self.rounds(8, other)
            self.assertEqual(('central', []),
                             (self.stores_of(), self.left()), number)
            other._found.close()
            number += 1
        self.assertGreater(number, 12)

    def test_death(self):
        def die(_name, _function, _arguments):
            raise Killed

        def other(worker, name):
            worker._found.session._renewal.end()
            self.etcd.expire(worker._found.session._renewal.lease.id)
            return self.made(name)

        self.check(die, other)

    def test_answer_that_is_lost(self):
        def lose(name, function, arguments):
            function(*arguments)
            raise {'call': exceptions.EtcdUnavailable('lost', True),
                   'get_image': exceptions.CopyPostponed('image-1', 'lost'),
                   'remove_copy': exceptions.RemovalUnanswered(
                       'image-1', 'dcn0', 'lost'),
                   'check': exceptions.RemovalRefused(
                       'image-1', 'dcn0', 'lost')}[name]

        self.check(lose, lambda worker, _name: worker)

    def test_request_that_never_arrives(self):
        def refuse(name, function, arguments):
            raise {'call': exceptions.EtcdUnavailable('away', False),
                   'get_image': exceptions.CopyRefused('image-1', ['s'], 'x'),
                   'remove_copy': exceptions.RemovalUnanswered(
                       'image-1', 'dcn0', 'away'),
                   'check': exceptions.RemovalRefused(
                       'image-1', 'dcn0', 'away')}[name]

        self.check(refuse, lambda worker, _name: worker)


class StandStillTest(EvictorCase):

    def test_process_that_stood_still_does_not_ask(self):
        self.add_copies(stores='central,dcn0')
        self.rounds(1)
        change = self.worker._remover._removals.change

        def change_slowly(*arguments):
            found = change(*arguments)
            self.now += 60
            return found

        self.worker._remover._removals.change = change_slowly
        self.rounds(1)
        self.assertEqual([], self.api.removed)
        self.assertIn('stood still', self.notes()['image-1'].reason)

    def test_process_that_was_taken_for_dead(self):
        self.add_copies(stores='central,dcn0')
        self.rounds(1)
        other = self.made('other')

        def check(*_place):
            self.users.check = lambda *_place: None
            self.now += steps.WORK_SECONDS
            other._finish()

        self.users.check = check
        self.rounds(1)
        self.assertEqual([], self.api.removed)
        self.assertIn('is no longer ours', self.log.output)
        self.rounds(1)
        self.assertEqual('central', self.stores_of())


class ThreadTest(EvictorCase):

    def test_thread(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.evictor.LOOK_SECONDS', 0.01))
        done = threading.Event()
        self.worker.round = done.set
        self.assertTrue(self.worker.stop(0))
        self.worker._stopped.clear()
        self.worker.start()
        self.worker.start()
        self.assertTrue(done.wait(WAIT_SECONDS))
        self.assertTrue(self.worker.stop(WAIT_SECONDS))
