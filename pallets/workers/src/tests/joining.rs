// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, BroughtBy, Call, Endpoint, Error, Event, HotKeys, Operators, ServedModels, Sponsored, Status};
use codec::Encode;
use ergon_primitives::{
    hash,
    quota::Newcomers as _,
    ticket::{
        code::{ALREADY_SPONSORED, REGISTRATION_REFUSED, TICKET_EXPIRED, TICKET_FROM_THE_FUTURE, TOO_LITTLE_WORK},
        join_message, Ticket,
    },
    traits::Workers as _,
    H256,
};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, traits::Authorize};
use frame_system::RawOrigin;
use sp_runtime::{
    testing::TestSignature,
    transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction},
    DispatchError,
};

/// Nobody has sponsored it.
pub(super) const STRANGER: u64 = SPONSORED + 1;

/// What somebody wants to join with.
#[derive(Clone)]
pub(super) struct Join {
    operator: u64,
    hot: u64,
    endpoint: Endpoint,
    models: ServedModels,
    ticket: Ticket,
    signature: TestSignature,
}

/// Makes a call another one.
type Change = fn(&mut Join);

/// A stranger's call, with a ticket bound to block 1.
pub(super) fn join() -> Join {
    signed_by(
        STRANGER,
        Join {
            operator: STRANGER,
            hot: hot(STRANGER),
            endpoint: endpoint(),
            models: served(&MODELS[..1]),
            ticket: Ticket {
                block: 1,
                nonce: STRANGER,
            },
            signature: TestSignature(STRANGER, vec![]),
        },
    )
}

fn message(join: &Join) -> H256 {
    let Join {
        operator, hot, ticket, ..
    } = join;
    Workers::join_message(operator, hot, &join.endpoint, &join.models, ticket)
}

fn signed_by(signer: u64, join: Join) -> Join {
    let signature = TestSignature(signer, message(&join).as_bytes().to_vec());
    Join { signature, ..join }
}

fn call(join: Join) -> Call<Test> {
    Call::join {
        operator: join.operator,
        hot: join.hot,
        endpoint: join.endpoint,
        models: join.models,
        ticket: join.ticket,
        signature: join.signature,
    }
}

/// What the transaction pool hears.
fn authorize(join: Join) -> Result<ValidTransaction, TransactionValidityError> {
    let heard = call(join).authorize(TransactionSource::External);
    heard.expect("the call authorizes itself").map(|(validity, _)| validity)
}

fn refused(join: Join) -> InvalidTransaction {
    match authorize(join) {
        Err(TransactionValidityError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn custom(code: u8) -> InvalidTransaction {
    InvalidTransaction::Custom(code)
}

pub(super) fn execute(join: Join) -> DispatchResult {
    let Join { operator, hot, .. } = join;
    let origin = RawOrigin::Authorized.into();
    Workers::join(
        origin,
        operator,
        hot,
        join.endpoint,
        join.models,
        join.ticket,
        join.signature,
    )
}

#[test]
fn a_stranger_joins_by_a_ticket_without_anyones_leave() {
    build_and_execute(|| {
        let validity = authorize(join()).unwrap();
        assert_eq!(validity.provides, [("ergon/join", STRANGER).encode()]);
        assert_eq!(validity.longevity, u64::from(TICKET_LIFETIME));
        assert!(validity.propagate && (1 << 46..1 << 47).contains(&validity.priority));
        assert_ok!(execute(join()));
        System::assert_last_event(
            Event::Registered {
                operator: STRANGER,
                hot: hot(STRANGER),
            }
            .into(),
        );
        assert_eq!(Operators::<Test>::get(STRANGER).unwrap().status, Status::Active);
        assert_eq!((Workers::serving(&MODELS[0]), System::providers(&STRANGER)), (1, 1));
    });
}

#[test]
fn tickets_that_show_more_work_go_first_but_never_before_changed_votes() {
    build_and_execute(|| {
        let priority = |margin| {
            Margin::set(margin);
            authorize(join()).unwrap().priority
        };
        assert!(priority(1 << 20) > priority(1 << 16));
        assert!(priority(u64::MAX) < 1 << 47);
        assert!(priority(0) >= 1 << 46);
    });
}

#[test]
fn an_account_that_is_let_in_registers_by_itself_and_is_on_probation() {
    build_and_execute(|| {
        Workers::keep_alive(&STRANGER);
        let register = || Workers::register(signed(STRANGER), hot(STRANGER), endpoint(), served(&MODELS[..1]));
        assert_noop!(register(), Error::<Test>::NotSponsored);
        Workers::let_in(&STRANGER);
        assert_eq!(Workers::probation(&STRANGER), Some(0));
        assert_ok!(register());
        assert_eq!(refused(join()), custom(ALREADY_SPONSORED));
    });
}

#[test]
fn who_has_joined_may_leave_and_register_again() {
    build_and_execute(|| {
        assert_ok!(execute(join()));
        leave(STRANGER);
        register([STRANGER]);
    });
}

#[test]
fn a_replayed_ticket_is_refused() {
    build_and_execute(|| {
        assert_ok!(execute(join()));
        assert_eq!(refused(join()), custom(ALREADY_SPONSORED));
        assert_noop!(execute(join()), Error::<Test>::AlreadySponsored);
        leave(STRANGER);
        assert_eq!(refused(join()), custom(ALREADY_SPONSORED));
        assert_noop!(execute(join()), Error::<Test>::AlreadySponsored);
    });
}

#[test]
fn a_ticket_that_is_stale_early_wrong_or_too_much_for_this_block_is_refused() {
    build_and_execute(|| {
        let with = |ticket| signed_by(STRANGER, Join { ticket, ..join() });
        let early = Ticket {
            block: 2,
            ..join().ticket
        };
        let wrong = Ticket {
            nonce: 1,
            ..join().ticket
        };
        assert_eq!(refused(with(early)), custom(TICKET_FROM_THE_FUTURE));
        assert_noop!(execute(with(early)), Error::<Test>::TicketFromTheFuture);
        assert_eq!(refused(with(wrong)), custom(TOO_LITTLE_WORK));
        assert_noop!(execute(with(wrong)), Error::<Test>::TooLittleWork);
        Room::set(0);
        assert_eq!(refused(join()), InvalidTransaction::ExhaustsResources);
        assert_noop!(execute(join()), Error::<Test>::TooManyJoined);
        Room::set(1);
        System::set_block_number(1 + u64::from(TICKET_LIFETIME));
        assert_eq!(authorize(join()).unwrap().longevity, 0);
        System::set_block_number(2 + u64::from(TICKET_LIFETIME));
        assert_eq!(refused(join()), custom(TICKET_EXPIRED));
        assert_noop!(execute(join()), Error::<Test>::TicketExpired);
    });
}

#[test]
fn a_signature_of_anybody_else_is_refused() {
    build_and_execute(|| {
        assert_eq!(refused(signed_by(1, join())), InvalidTransaction::BadProof);
        assert_eq!(refused(signed_by(hot(STRANGER), join())), InvalidTransaction::BadProof);
    });
}

#[test]
fn nobody_can_use_anothers_ticket_with_other_arguments() {
    build_and_execute(|| {
        let changes: [Change; 4] = [
            |join| join.hot += 1,
            |join| join.endpoint = b"http://thief".to_vec().try_into().unwrap(),
            |join| join.models = served(&MODELS),
            // Another ticket of the same account.
            |join| join.ticket.block = 0,
        ];
        for change in changes {
            let mut changed = join();
            change(&mut changed);
            assert_eq!(refused(changed), InvalidTransaction::BadProof);
        }
        // Of another chain.
        let signed = join();
        frame_system::BlockHash::<Test>::insert(0, H256::repeat_byte(9));
        assert_eq!(refused(signed), InvalidTransaction::BadProof);
    });
}

#[test]
fn the_signed_message_is_that_of_the_primitives() {
    build_and_execute(|| {
        let Join {
            operator, hot, ticket, ..
        } = join();
        let genesis = System::block_hash(0);
        let models = join().models.into_inner();
        let made = join_message(&genesis, &operator, &hot, &endpoint(), &models, &ticket);
        assert_eq!(message(&join()), made);
        let bytes = (genesis, operator, hot, endpoint(), models, ticket).encode();
        assert_eq!(made, hash(&[b"ergon/join/1", &bytes]));
    });
}

#[test]
fn a_registration_that_would_fail_never_gets_into_a_block() {
    build_and_execute(|| {
        register([1]);
        let changes: [(Change, Error<Test>); 5] = [
            (|join| join.hot = hot(1), Error::KeyTaken),
            (|join| join.hot = 2, Error::KeyNotYours),
            (|join| join.models = served(&[]), Error::NoModels),
            (|join| join.models = served(&[RETIRED]), Error::ModelNotActive),
            (
                |join| join.endpoint = b"http://a b".to_vec().try_into().unwrap(),
                Error::InvalidEndpoint,
            ),
        ];
        for (change, error) in changes {
            let mut changed = join();
            change(&mut changed);
            let changed = signed_by(STRANGER, changed);
            assert_eq!(refused(changed.clone()), custom(REGISTRATION_REFUSED));
            assert_noop!(execute(changed), error);
        }
    });
}

#[test]
fn only_the_call_itself_authorizes_a_join() {
    build_and_execute(|| {
        for origin in [
            signed(STRANGER),
            signed(1),
            RuntimeOrigin::root(),
            RuntimeOrigin::none(),
        ] {
            let Join {
                operator, hot, ticket, ..
            } = join();
            let joined = Workers::join(
                origin,
                operator,
                hot,
                endpoint(),
                join().models,
                ticket,
                join().signature,
            );
            assert_noop!(joined, DispatchError::BadOrigin);
        }
    });
}

#[test]
fn a_stranger_that_somebody_has_bound_as_a_hot_key_joins_all_the_same() {
    build_and_execute(|| {
        register([1]);
        assert_ok!(Workers::add_hot_key(signed(1), STRANGER));
        assert_eq!(BroughtBy::<Test>::get(STRANGER), Some(1));
        assert_ok!(authorize(join()));
        assert_ok!(execute(join()));
        assert_eq!(HotKeys::<Test>::get(STRANGER), None);
        assert!(Sponsored::<Test>::contains_key(STRANGER));
        // And can't be bound again, not even when it is no operator any more.
        assert_noop!(Workers::add_hot_key(signed(1), STRANGER), Error::<Test>::KeyTaken);
        leave(STRANGER);
        assert_noop!(Workers::add_hot_key(signed(1), STRANGER), Error::<Test>::KeyNotYours);
    });
}
