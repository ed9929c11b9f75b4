// SPDX-License-Identifier: Apache-2.0
//! A migration step by step. `e2e/governance` has a chain vote for it and run it.
use crate::chain::dev;
use ergon_runtime::{migrations::EndpointsWithoutSlash, AccountId, MultiBlockMigrations, Runtime};
use frame_support::{
    migrations::{
        FailedMigrationHandler, FailedMigrationHandling, MultiStepMigrator, SteppedMigration, SteppedMigrationError,
    },
    weights::{Weight, WeightMeter},
};
use pallet_workers::{Operator, Operators, Status};

/// Weight of one operator.
fn unit() -> Weight {
    <Runtime as frame_system::Config>::DbWeight::get().reads_writes(1, 1)
}

fn put(account: u8, endpoint: &str) {
    let operator = Operator {
        hot_keys: Default::default(),
        endpoint: endpoint.as_bytes().to_vec().try_into().unwrap(),
        models: Default::default(),
        status: Status::Active,
        executing: 0,
        auditing: 0,
        obligations: 2,
        misses_in_row: 3,
        kept: 4,
        missed: 5,
        kept_since: 0,
        suspensions: 0,
        resumable: 0,
        off_lists: 0,
    };
    Operators::<Runtime>::insert(AccountId::new([account; 32]), operator);
}

fn endpoint(account: u8) -> String {
    let operator = Operators::<Runtime>::get(AccountId::new([account; 32])).unwrap();
    assert_eq!(
        (operator.status, operator.kept, operator.missed),
        (Status::Active, 4, 5)
    );
    String::from_utf8(operator.endpoint.to_vec()).unwrap()
}

#[test]
fn slashes_at_the_end_of_endpoints_go_in_steps_of_what_there_is_weight_for() {
    dev().execute_with(|| {
        let before = [
            "https://a.example/",
            "",
            "https://b.example/x//",
            "///",
            "https://c.example",
            "/",
            "http://d/",
        ];
        let after = [
            "https://a.example",
            "",
            "https://b.example/x",
            "",
            "https://c.example",
            "",
            "http://d",
        ];
        for (account, text) in (0..).zip(before) {
            put(account, text);
        }
        let mut cursor = None;
        let mut steps = 0;
        loop {
            let mut meter = WeightMeter::with_limit(unit() * 3);
            cursor = EndpointsWithoutSlash::step(cursor, &mut meter).unwrap();
            steps += 1;
            assert!(meter.consumed().all_lte(unit() * 3));
            if cursor.is_none() {
                break;
            }
            let changed = (0..)
                .zip(before)
                .filter(|(account, text)| endpoint(*account) != *text)
                .count();
            assert!(changed <= steps * 3, "{changed} in {steps} steps");
        }
        assert_eq!(steps, 3);
        assert_eq!((0..7).map(endpoint).collect::<Vec<_>>(), after);
        // An operator that has none is left alone, and a second run changes nothing.
        let mut meter = WeightMeter::new();
        frame_support::assert_storage_noop!(EndpointsWithoutSlash::step(None, &mut meter).unwrap());
    });
}

#[test]
fn a_step_without_weight_for_one_operator_changes_nothing() {
    dev().execute_with(|| {
        put(0, "https://a.example/");
        let mut meter = WeightMeter::with_limit(unit() - Weight::from_parts(1, 0));
        let refused = EndpointsWithoutSlash::step(None, &mut meter);
        assert_eq!(
            refused,
            Err(SteppedMigrationError::InsufficientWeight { required: unit() })
        );
        assert_eq!(
            (meter.consumed(), endpoint(0).as_str()),
            (Weight::zero(), "https://a.example/")
        );
    });
}

#[test]
fn a_failed_migration_keeps_the_chain_closed() {
    dev().execute_with(|| {
        assert!(!MultiBlockMigrations::ongoing());
        type Handler = <Runtime as pallet_migrations::Config>::FailedMigrationHandler;
        assert_eq!(Handler::failed(Some(0)), FailedMigrationHandling::KeepStuck);
        pallet_migrations::Cursor::<Runtime>::put(pallet_migrations::MigrationCursor::Stuck);
        crate::chain::run_blocks(2);
        assert!(MultiBlockMigrations::ongoing());
    });
}
