// SPDX-License-Identifier: Apache-2.0
//! An upgrade that changes the layout of jobs and operators while jobs are in flight. The runtime under test plays the version after the
//! upgrade: storage is cut back to a layout without the last fields, and the tests make the steps. `e2e/governance` has a chain vote for
//! such an upgrade and run it.
use crate::{
    chain::{begin_epoch, dev, run_block, run_blocks, signed, validate},
    market::{
        account, answer, audit_and_reveal, by_root, job, open_market, submit, submit_prompt, wait_for, OPERATORS,
    },
};
use ergon_primitives::{traits::Parameters as _, JobId};
use ergon_runtime::{
    check_invariants,
    migrations::{id, report_job, report_operator, Append, Appended},
    AccountId, Block, BlockNumber, Clock, Jobs, MultiBlockMigrations, Runtime, RuntimeCall, RuntimeEvent, System,
};
use ergon_runtime_api::JobState;
use frame_support::{
    assert_storage_noop,
    migrations::{
        FailedMigrationHandler, FailedMigrationHandling, MigrationId, MultiStepMigrator, SteppedMigration,
        SteppedMigrationError,
    },
    storage::{unhashed, StoragePrefixedMap},
    weights::{Weight, WeightMeter},
};
use pallet_jobs::JobParameters;
use pallet_migrations::{ActiveCursor, Cursor, MigrationCursor};
use sp_runtime::{
    traits::BlockNumberProvider,
    transaction_validity::{TransactionSource, UnknownTransaction},
};

/// The jobs, as if `credited` were new.
struct AllJobs;

impl Appended for AllJobs {
    type Value = pallet_jobs::Job<AccountId, BlockNumber>;
    type Map = pallet_jobs::Jobs<Runtime>;
    const ID: MigrationId<7> = id(b"jobs   ");
    const FIELD: &'static [u8] = &[0; 8];

    fn report(key: &[u8]) {
        report_job(key);
    }
}

/// The operators, as if `off_lists` were new.
struct AllOperators;

impl Appended for AllOperators {
    type Value = pallet_workers::Operator<AccountId, BlockNumber>;
    type Map = pallet_workers::Operators<Runtime>;
    const ID: MigrationId<7> = id(b"workers");
    const FIELD: &'static [u8] = &[0; 4];

    fn report(key: &[u8]) {
        report_operator(key);
    }
}

fn entries(prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let next = |key: &Vec<u8>| sp_io::storage::next_key(key).filter(|key| key.starts_with(prefix));
    std::iter::successors(next(&prefix.to_vec()), next)
        .map(|key| (key.clone(), unhashed::get_raw(&key).unwrap()))
        .collect()
}

/// All that the pallets keep whose hooks consensus can do without.
fn kept_by_others() -> Vec<(Vec<u8>, Vec<u8>)> {
    let others = [
        "Models",
        "Workers",
        "Audits",
        "Jobs",
        "Quota",
        "Scheduler",
        "Preimage",
        "RankedPolls",
        "RankedCollective",
    ];
    let prefixes = others.map(|pallet| sp_io::hashing::twox_128(pallet.as_bytes()));
    prefixes.iter().flat_map(|prefix| entries(prefix)).collect()
}

/// Cuts all values of a map back to the layout of the version before.
fn cut_back<Map: Appended>() {
    for (key, value) in entries(&Map::Map::final_prefix()) {
        unhashed::put_raw(&key, value.strip_suffix(Map::FIELD).unwrap());
    }
}

fn unit() -> Weight {
    <Runtime as frame_system::Config>::DbWeight::get().reads_writes(2, 1)
}

/// Makes all steps of a migration, with a block after each; returns how many.
fn migrate<Map: Appended>(mut block: impl FnMut()) -> u32 {
    let (mut cursor, mut steps) = (None, 0);
    loop {
        let mut meter = WeightMeter::with_limit(unit() * 3);
        cursor = Append::<Map>::step(cursor, &mut meter).unwrap();
        assert!(meter.consumed().all_lte(unit() * 3));
        steps += 1;
        if cursor.is_none() {
            return steps;
        }
        block();
    }
}

/// Closes the next blocks.
fn close() {
    Cursor::<Runtime>::put(MigrationCursor::Stuck);
}

/// Opens the next blocks.
fn open() {
    Cursor::<Runtime>::kill();
    check_invariants().unwrap();
}

fn due(id: JobId) -> BlockNumber {
    Jobs::job(id).unwrap().due.unwrap()
}

#[test]
fn jobs_in_flight_outlive_a_change_of_the_layout_of_jobs_and_operators() {
    dev().execute_with(|| {
        // Or the first deadline would pass before the last job is assigned.
        ergon_runtime::parameters::InForce::set(JobParameters::DEVELOPMENT);
        let model = open_market();
        let ids = ["audited", "answered", "assigned"].map(|prompt| submit_prompt(model, prompt, Some(1)));
        let [auditing, answered, assigned] = ids;
        wait_for(auditing, JobState::Assigned);
        let first = answer(auditing);
        wait_for(auditing, JobState::Auditing);
        wait_for(answered, JobState::Assigned);
        let second = answer(answered);
        wait_for(assigned, JobState::Assigned);
        let [jobs, operators] = [
            entries(&pallet_jobs::Jobs::<Runtime>::final_prefix()),
            entries(&pallet_workers::Operators::<Runtime>::final_prefix()),
        ];
        let (dues, time, height) = (ids.map(due), Clock::now(), System::block_number());

        close();
        cut_back::<AllJobs>();
        cut_back::<AllOperators>();
        assert_eq!(Jobs::job(assigned), None, "the old layout doesn't decode");
        let closed_block = || {
            let before = kept_by_others();
            run_block(vec![]);
            assert!(kept_by_others() == before && Clock::is_closed());
            assert_eq!(Clock::now(), time);
        };
        closed_block();
        assert_eq!(migrate::<AllJobs>(closed_block), 2);
        assert_eq!(migrate::<AllOperators>(closed_block), 2);
        let epoch = ergon_runtime::Session::current_index();
        let before = kept_by_others();
        begin_epoch();
        assert!(kept_by_others() == before && ergon_runtime::Session::current_index() == epoch + 1);
        (0..20).for_each(|_| closed_block());
        open();

        let closed = System::block_number() - height;
        assert_eq!((Clock::closed_blocks().count, ids.map(due)), (closed, dues));
        assert!(jobs == entries(&pallet_jobs::Jobs::<Runtime>::final_prefix()));
        assert!(operators == entries(&pallet_workers::Operators::<Runtime>::final_prefix()));
        assert!(
            System::block_number() > due(assigned),
            "by the blocks' numbers it is late"
        );
        let third = answer(assigned);
        audit_and_reveal(auditing, first);
        for (id, header) in [(answered, second), (assigned, third)] {
            wait_for(id, JobState::Auditing);
            audit_and_reveal(id, header);
        }
        assert_eq!(ids.map(|id| job(id).state), [JobState::Settled; 3]);
        for (operator, _) in OPERATORS {
            let entry = pallet_workers::Operators::<Runtime>::get(account(operator)).unwrap();
            assert_eq!((entry.missed, entry.obligations), (0, 0));
        }
    });
}

#[test]
fn a_deadline_passes_as_many_blocks_later_as_were_closed() {
    dev().execute_with(|| {
        let id = submit(open_market(), None);
        wait_for(id, JobState::Assigned);
        let due = due(id);
        run_blocks(1);
        close();
        run_blocks(7);
        open();
        run_blocks(due + 7 - 1 - System::block_number());
        assert_eq!(job(id).state, JobState::Assigned);
        run_blocks(1);
        assert_eq!((System::block_number(), Clock::now()), (due + 7, due));
        assert_eq!((job(id).state, job(id).missed.len()), (JobState::Queued, 1));
    });
}

#[test]
fn what_is_scheduled_waits_as_many_blocks_longer_as_were_closed() {
    dev().execute_with(|| {
        let call = frame_system::Call::set_storage {
            items: vec![(b"done".to_vec(), vec![1])],
        };
        let when = Clock::now() + 4;
        by_root(pallet_scheduler::Call::schedule {
            when,
            maybe_periodic: None,
            priority: 0,
            call: Box::new(RuntimeCall::from(call)),
        });
        close();
        run_blocks(9);
        open();
        run_blocks(when - 1 - Clock::now());
        assert_eq!(unhashed::get_raw(b"done"), None);
        run_blocks(1);
        assert_eq!(
            (unhashed::get_raw(b"done"), System::block_number()),
            (Some(vec![1]), when + 9)
        );
    });
}

#[test]
fn the_block_of_the_last_step_is_closed_and_the_next_one_open() {
    dev().execute_with(|| {
        let id = submit(open_market(), None);
        // With no migration in this version, the first step is the last.
        let cursor = ActiveCursor {
            index: 0,
            inner_cursor: None,
            started_at: System::block_number(),
        };
        Cursor::<Runtime>::put(MigrationCursor::Active(cursor));
        let (before, time) = (kept_by_others(), Clock::now());
        run_block(vec![]);
        assert!(!MultiBlockMigrations::ongoing() && Clock::is_closed());
        assert!(kept_by_others() == before && Clock::now() == time);
        run_block(vec![]);
        assert!(!Clock::is_closed() && Clock::now() == time + 1);
        wait_for(id, JobState::Assigned);
    });
}

#[test]
fn a_job_that_does_not_decode_is_kept_by_the_migration_and_by_what_falls_due_and_reported_by_both() {
    dev().execute_with(|| {
        // Or the first deadline would pass before the last job is assigned.
        ergon_runtime::parameters::InForce::set(JobParameters::DEVELOPMENT);
        let model = open_market();
        let ids = ["spoilt", "whole"].map(|prompt| submit_prompt(model, prompt, Some(1)));
        let [spoilt, whole] = ids;
        cut_back::<AllJobs>();
        let key = pallet_jobs::Jobs::<Runtime>::hashed_key_for(spoilt);
        unhashed::put_raw(&key, b"spoilt");
        close();
        let reported = RuntimeEvent::Jobs(pallet_jobs::Event::Unreadable { job: spoilt });
        let reports = || {
            System::read_events_no_consensus()
                .filter(|record| record.event == reported)
                .count()
        };
        assert_eq!(reports(), 0);
        migrate::<AllJobs>(|| {});
        assert_eq!((reports(), unhashed::get_raw(&key)), (1, Some(b"spoilt".to_vec())));
        Cursor::<Runtime>::kill();
        assert!(Jobs::job(whole).is_some() && Jobs::job(spoilt).is_none());

        System::reset_events();
        let mut seen = 0;
        for number in System::block_number() + 1..System::block_number() + 5 {
            System::set_block_number(number);
            <Jobs as frame_support::traits::Hooks<BlockNumber>>::on_initialize(number);
            seen = reports();
        }
        assert_eq!((seen, unhashed::get_raw(&key)), (1, Some(b"spoilt".to_vec())));
        assert!(pallet_jobs::SetAside::<Runtime>::contains_key(spoilt));
        assert_eq!(job(whole).state, JobState::Assigned);
    });
}

#[test]
fn a_step_without_weight_for_one_entry_changes_nothing() {
    dev().execute_with(|| {
        open_market();
        cut_back::<AllOperators>();
        let mut meter = WeightMeter::with_limit(unit() - Weight::from_parts(1, 0));
        assert_storage_noop!({
            let refused = Append::<AllOperators>::step(None, &mut meter);
            assert_eq!(
                refused,
                Err(SteppedMigrationError::InsufficientWeight { required: unit() })
            );
        });
        assert_eq!(meter.consumed(), Weight::zero());
    });
}

#[test]
fn the_pool_bans_no_transaction_for_what_is_half_migrated() {
    use sp_transaction_pool::runtime_api::runtime_decl_for_tagged_transaction_queue::TaggedTransactionQueueV3;
    dev().execute_with(|| {
        run_block(vec![]);
        let remark = frame_system::Call::remark { remark: vec![] };
        let transaction = signed(&crate::chain::key("//Alice"), 0, remark.into());
        let asked = |transaction| {
            <Runtime as TaggedTransactionQueueV3<Block>>::validate_transaction(
                TransactionSource::External,
                transaction,
                System::parent_hash(),
            )
        };
        assert!(validate(transaction.clone()).is_ok());
        close();
        assert_eq!(asked(transaction), Err(UnknownTransaction::CannotLookup.into()));
    });
}

#[test]
fn a_failed_migration_keeps_the_chain_closed() {
    dev().execute_with(|| {
        assert!(!MultiBlockMigrations::ongoing());
        type Handler = <Runtime as pallet_migrations::Config>::FailedMigrationHandler;
        assert_eq!(Handler::failed(Some(0)), FailedMigrationHandling::KeepStuck);
        close();
        run_blocks(2);
        assert!(MultiBlockMigrations::ongoing() && Clock::is_closed());
        assert_eq!(Clock::current_block_number(), 0);
    });
}
