// SPDX-License-Identifier: Apache-2.0
//! Which calls go before others: only what is owed, and only if it succeeds.
use crate::{mock::*, Call, State};
use ergon_primitives::{
    commitment::{sealed, Header, Outcome, RejectReason},
    request::MAX_OUTPUT_BYTES,
    JobId, H256,
};
use frame_support::{assert_ok, storage::with_transaction, traits::UnfilteredDispatchable};
use sp_runtime::{DispatchResult, TransactionOutcome};

/// Whether the call is due; nothing is changed, and it is exactly when the call succeeds.
fn due(hot: u64, call: &Call<Test>) -> bool {
    let result: DispatchResult = with_transaction(|| {
        let result = call.clone().dispatch_bypass_filter(signed(hot));
        TransactionOutcome::Rollback(result.map(|_| ()).map_err(|error| error.error))
    });
    let due = Jobs::is_due(&hot, call);
    assert_eq!(due, result.is_ok(), "{call:?} by {hot}: {result:?}");
    due
}

fn result(job: JobId, output: &[u8], header: &Header) -> Call<Test> {
    Call::submit_result {
        job,
        output: output.to_vec().try_into().unwrap(),
        prompt_tokens: header.prompt_tokens,
        output_tokens: header.output_tokens,
        outcome: header.outcome,
        sealed: sealed(&SEAL, &header.root()),
    }
}

fn reveal(job: JobId, seal: H256, header: &Header) -> Call<Test> {
    Call::reveal {
        job,
        seal,
        header: header.clone(),
    }
}

#[test]
fn an_answer_and_its_reveal_are_due_from_the_executor_each_once_and_in_its_time() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let (hot, header) = (hot(executor(id)), honest_header(id));
        let both = || {
            (
                due(hot, &result(id, OUTPUT, &header)),
                due(hot, &reveal(id, SEAL, &header)),
            )
        };
        assert_eq!(both(), (true, false));
        assert_ok!(answer(id));
        assert_eq!(both(), (false, false));
        run_to(6);
        assert_eq!((state(id), both()), (State::Auditing, (false, false)));
        attest_all(id, &header);
        assert_eq!(both(), (false, true));
        assert_ok!(crate::mock::reveal(id));
        assert_eq!(both(), (false, false));
        assert!(!Jobs::is_due(&hot, &Call::cancel { job: id }));
    });
}

#[test]
fn an_answer_is_due_only_from_hot_keys_of_the_executor_and_if_it_is_right() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let header = honest_header(id);
        let right = result(id, OUTPUT, &header);
        assert!((1..=9).all(|who| due(hot(who), &right) == (who == executor(id))));
        let hot = hot(executor(id));
        assert!(!due(executor(id), &right) && !due(REQUESTER, &right));
        assert!(!due(hot, &result(id + 1, OUTPUT, &header)));
        assert!(!due(hot, &result(id, &[b'x'; MAX_OUTPUT_BYTES as usize + 1], &header)));
        let rejected = Outcome::Rejected(RejectReason::InvalidPrompt);
        for (prompt_tokens, output_tokens, outcome, output) in [
            (0, 2, COMPLETED, OUTPUT),
            (9, 2, COMPLETED, OUTPUT),
            (5, 0, COMPLETED, OUTPUT),
            (5, u32::MAX, COMPLETED, OUTPUT),
            (0, 0, rejected, OUTPUT),
            (1, 0, rejected, b""),
            (0, 1, rejected, b""),
        ] {
            let wrong = Header {
                prompt_tokens,
                output_tokens,
                outcome,
                ..header.clone()
            };
            assert!(!due(hot, &result(id, output, &wrong)));
        }
        assert!(due(hot, &right));
    });
}

#[test]
fn a_reveal_is_due_only_if_it_fits_what_was_sealed_and_published() {
    Chain::default().build_and_execute(|| {
        // It has sealed a header that doesn't say what it has published.
        let id = assigned();
        let hot = hot(executor(id));
        let header = honest_header(id);
        let other = Header {
            output_hash: H256::zero(),
            ..header.clone()
        };
        assert_ok!(answer_as(hot, id, &other));
        run_to(System::block_number() + 3);
        attest_all(id, &other);
        assert!(!due(hot, &reveal(id, SEAL, &other)));
        assert!(!due(hot, &reveal(id, SEAL, &header)));

        let id = attested();
        let (hot, header) = (crate::mock::hot(executor(id)), honest_header(id));
        assert!(!due(hot, &reveal(id, H256::zero(), &header)));
        assert!(!due(hot, &reveal(id + 1, SEAL, &header)));
        assert!(auditors(id)
            .into_iter()
            .all(|who| !due(crate::mock::hot(who), &reveal(id, SEAL, &header))));
        assert!(due(hot, &reveal(id, SEAL, &header)));
    });
}
