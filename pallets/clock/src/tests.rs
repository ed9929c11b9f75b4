// SPDX-License-Identifier: Apache-2.0
use crate::{
    mock::{calls, counter::WEIGHT, run_block, Clock, Ongoing, System, Test},
    Closed, ClosedBlocks,
};
use frame_support::weights::{constants::RocksDbWeight, Weight};
use sp_runtime::traits::BlockNumberProvider;

fn now() -> u64 {
    Clock::current_block_number()
}

fn run_blocks(count: u32) {
    for _ in 0..count {
        run_block(|| {});
    }
}

fn weigh(reads: u64, writes: u64) -> Weight {
    RocksDbWeight::get().reads_writes(reads, writes)
}

#[test]
fn time_is_the_number_of_the_block_until_one_is_closed() {
    sp_io::TestExternalities::default().execute_with(|| {
        assert!(!Clock::is_closed() && now() == 0);
        run_blocks(3);
        assert_eq!((now(), Clock::is_closed()), (3, false));
        assert!(!Closed::<Test>::exists());
    });
}

#[test]
fn time_stands_still_from_the_first_closed_block_to_the_last_and_goes_on_by_one() {
    sp_io::TestExternalities::default().execute_with(|| {
        run_blocks(5);
        Ongoing::set(&true);
        run_blocks(3);
        assert_eq!((System::block_number(), now(), Clock::is_closed()), (8, 5, true));
        // The last step is made in the middle of a block.
        run_block(|| Ongoing::set(&false));
        assert_eq!((now(), Clock::is_closed()), (5, true));
        run_block(|| assert!(!Clock::is_closed()));
        assert_eq!((System::block_number(), now()), (10, 6));
        let closed = ClosedBlocks { count: 4, last: 9 };
        assert_eq!((Clock::closed_blocks(), Clock::now()), (closed, 6));
        Ongoing::set(&true);
        run_blocks(1);
        assert_eq!(Closed::<Test>::get(), ClosedBlocks { count: 5, last: 11 });
    });
}

#[test]
fn a_closed_block_runs_the_hooks_that_it_needs_and_no_other_even_after_the_last_step() {
    sp_io::TestExternalities::default().execute_with(|| {
        assert_eq!(run_block(|| {}), WEIGHT * 2 + weigh(2, 0));
        assert_eq!(calls(), [[1, 1, 1, 1]; 2]);
        Ongoing::set(&true);
        assert_eq!(run_block(|| {}), WEIGHT + weigh(2, 1));
        assert_eq!(calls(), [[2, 1, 1, 2], [1, 1, 1, 1]]);
        run_block(|| Ongoing::set(&false));
        assert_eq!(calls(), [[3, 2, 2, 3], [1, 1, 1, 1]]);
        run_block(|| {});
        assert_eq!(calls(), [[4, 3, 3, 4], [2, 2, 2, 2]]);
    });
}

#[test]
fn a_migration_that_begins_in_the_middle_of_a_block_closes_the_next_one() {
    sp_io::TestExternalities::default().execute_with(|| {
        run_block(|| Ongoing::set(&true));
        assert_eq!((now(), Clock::is_closed()), (1, false));
        run_block(|| {});
        assert_eq!((now(), Clock::is_closed()), (1, true));
    });
}

#[test]
fn setting_the_time_sets_the_block_that_has_it() {
    sp_io::TestExternalities::default().execute_with(|| {
        Closed::<Test>::put(ClosedBlocks { count: 2, last: 2 });
        Clock::set_block_number(7);
        assert_eq!((now(), System::block_number()), (7, 9));
    });
}
