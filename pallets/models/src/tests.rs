// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Error, Event, Models as Registry, Retired, MAX_PRICE_FACTOR, MAX_TOKENS_PER_BLOCK};
use ergon_primitives::{
    manifest::{Architecture, Manifest},
    traits::{ModelTerms, Models as _},
    units::Prices,
    ModelId, H256,
};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

fn register(manifest: Manifest) -> Result<(), DispatchError> {
    Models::register(RuntimeOrigin::root(), manifest, None, None)
}

fn retire(name: &str) -> Result<(), DispatchError> {
    Models::retire(RuntimeOrigin::root(), manifest(name).id())
}

fn genesis_model() -> ModelId {
    manifest("genesis").id()
}

#[test]
fn a_registered_model_is_active_with_its_default_prices() {
    build_and_execute(|| {
        let new = manifest("new");
        let (model, prices) = (new.id(), new.default_prices());
        assert_eq!(Models::active(&model), None);
        assert_ok!(register(new));
        System::assert_last_event(Event::Registered { model, prices }.into());
        let rate = prices.output_token * 40 / 1_000_000;
        let terms = ModelTerms {
            prices,
            context: 512,
            rate: rate.max(1),
        };
        assert_eq!(Models::active(&model), Some(terms));
    });
}

#[test]
fn every_architecture_that_continues_a_text_is_registered() {
    for architecture in [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3] {
        build_and_execute(|| {
            let new = Manifest {
                architecture,
                ..manifest("new")
            };
            assert_ok!(register(new.clone()));
            assert!(Models::active(&new.id()).is_some());
        });
    }
}

#[test]
fn prices_given_at_registration_stand() {
    build_and_execute(|| {
        let model = manifest("new").id();
        assert_ok!(Models::register(
            RuntimeOrigin::root(),
            manifest("new"),
            Some(PRICES),
            None
        ));
        assert_eq!(Models::active(&model).unwrap().prices, PRICES);
    });
}

#[test]
fn genesis_models_are_registered() {
    genesis(vec![(manifest("a"), None), (manifest("b"), Some(PRICES))]).execute_with(|| {
        assert_eq!(
            Models::active(&manifest("a").id()).unwrap().prices,
            manifest("a").default_prices()
        );
        assert_eq!(Models::active(&manifest("b").id()).unwrap().prices, PRICES);
        assert_eq!(Registry::<Test>::count(), 2);
        Models::do_try_state().unwrap();
    });
}

#[test]
#[should_panic(expected = "genesis model twin")]
fn a_genesis_that_breaks_the_rules_is_refused() {
    genesis(vec![(manifest("twin"), None), (manifest("twin"), None)]);
}

#[test]
fn a_retired_model_takes_no_jobs_and_keeps_its_terms() {
    build_and_execute(|| {
        let model = genesis_model();
        assert_ok!(register(manifest("other")));
        let terms = Models::active(&model);
        assert_ok!(Models::retire(RuntimeOrigin::root(), model));
        System::assert_last_event(Event::Retired { model }.into());
        assert_eq!(Models::active(&model), None);
        assert_eq!(Registry::<Test>::get(model).map(|entry| entry.terms()), terms);
    });
}

#[test]
fn new_prices_replace_the_old_ones() {
    build_and_execute(|| {
        let model = genesis_model();
        assert_ok!(Models::set_prices(RuntimeOrigin::root(), model, PRICES));
        System::assert_last_event(Event::PricesSet { model, prices: PRICES }.into());
        assert_eq!(Models::active(&model).unwrap().prices, PRICES);
    });
}

#[test]
fn a_rate_is_what_devices_decode_in_a_block_at_the_prices_in_force() {
    build_and_execute(|| {
        let (model, dear) = (
            genesis_model(),
            Prices {
                output_token: manifest("genesis").default_prices().output_token * 16,
                ..manifest("genesis").default_prices()
            },
        );
        assert_ok!(Models::set_rate(RuntimeOrigin::root(), model, MAX_TOKENS_PER_BLOCK));
        System::assert_last_event(
            Event::RateSet {
                model,
                tokens_per_block: MAX_TOKENS_PER_BLOCK,
            }
            .into(),
        );
        assert_ok!(Models::set_prices(RuntimeOrigin::root(), model, dear));
        let rate = dear.output_token * u64::from(MAX_TOKENS_PER_BLOCK) / 1_000_000;
        assert_eq!(Models::active(&model).unwrap().rate, rate);
    });
}

#[test]
fn rates_that_nobody_or_every_ghost_could_keep_are_refused() {
    build_and_execute(|| {
        for rate in [0, MAX_TOKENS_PER_BLOCK + 1] {
            let registered = Models::register(RuntimeOrigin::root(), manifest("new"), None, Some(rate));
            assert_noop!(registered, Error::<Test>::RateOutOfRange);
            assert_noop!(
                Models::set_rate(RuntimeOrigin::root(), genesis_model(), rate),
                Error::<Test>::RateOutOfRange
            );
        }
    });
}

#[test]
fn only_governance_changes_the_registry() {
    build_and_execute(|| {
        let signed = || RuntimeOrigin::signed(1);
        assert_noop!(
            Models::register(signed(), manifest("new"), None, None),
            DispatchError::BadOrigin
        );
        assert_noop!(Models::retire(signed(), genesis_model()), DispatchError::BadOrigin);
        assert_noop!(
            Models::set_prices(signed(), genesis_model(), PRICES),
            DispatchError::BadOrigin
        );
        assert_noop!(Models::set_rate(signed(), genesis_model(), 1), DispatchError::BadOrigin);
    });
}

#[test]
fn a_bad_manifest_is_refused_with_what_is_wrong() {
    build_and_execute(|| {
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = manifest("new");
            change(&mut manifest);
            register(manifest)
        };
        assert_noop!(with(|m| m.dimensions.layers = 0), Error::<Test>::UnsupportedDimensions);
        assert_noop!(
            with(|m| m.arithmetic_version = 0),
            Error::<Test>::UnknownArithmeticVersion
        );
        assert_noop!(
            with(|m| m.end_of_sequence[0] = 256),
            Error::<Test>::InvalidEndOfSequence
        );
        assert_noop!(
            with(|m| m.architecture = Architecture::Bert),
            Error::<Test>::NotADecoder
        );
        assert_noop!(with(|m| m.name = Default::default()), Error::<Test>::InvalidName);
        assert_noop!(
            with(|m| m.name = vec![b' '].try_into().unwrap()),
            Error::<Test>::InvalidName
        );
        assert_noop!(
            with(|m| m.name = vec![0xff].try_into().unwrap()),
            Error::<Test>::InvalidName
        );
    });
}

#[test]
fn tokens_can_not_be_free() {
    build_and_execute(|| {
        for free in [
            Prices {
                prompt_token: 0,
                ..PRICES
            },
            Prices {
                output_token: 0,
                ..PRICES
            },
        ] {
            let registered = Models::register(RuntimeOrigin::root(), manifest("new"), Some(free), None);
            assert_noop!(registered, Error::<Test>::FreeTokens);
            assert_noop!(
                Models::set_prices(RuntimeOrigin::root(), genesis_model(), free),
                Error::<Test>::FreeTokens
            );
        }
    });
}

#[test]
fn no_price_is_more_than_so_many_times_the_default() {
    build_and_execute(|| {
        let default = manifest("new").default_prices();
        let most = Prices {
            prompt_token: MAX_PRICE_FACTOR * default.prompt_token,
            output_token: MAX_PRICE_FACTOR * default.output_token,
            attended_position: MAX_PRICE_FACTOR * default.attended_position,
        };
        for too_high in [
            Prices {
                prompt_token: most.prompt_token + 1,
                ..most
            },
            Prices {
                output_token: most.output_token + 1,
                ..most
            },
            Prices {
                attended_position: u64::MAX,
                ..most
            },
        ] {
            let registered = Models::register(RuntimeOrigin::root(), manifest("new"), Some(too_high), None);
            assert_noop!(registered, Error::<Test>::PriceTooHigh);
            assert_noop!(
                Models::set_prices(RuntimeOrigin::root(), genesis_model(), too_high),
                Error::<Test>::PriceTooHigh
            );
        }
        assert_ok!(Models::register(
            RuntimeOrigin::root(),
            manifest("new"),
            Some(most),
            None
        ));
        assert_ok!(Models::set_prices(RuntimeOrigin::root(), genesis_model(), most));
    });
}

#[test]
#[should_panic(expected = "PriceTooHigh")]
fn a_genesis_with_too_high_a_price_is_refused() {
    let price = Prices {
        output_token: u64::MAX,
        ..PRICES
    };
    genesis(vec![(manifest("dear"), Some(price))]);
}

#[test]
fn a_model_is_registered_only_once_even_after_it_retired() {
    build_and_execute(|| {
        assert_noop!(register(manifest("genesis")), Error::<Test>::AlreadyRegistered);
        assert_ok!(register(manifest("other")));
        assert_ok!(retire("genesis"));
        assert_noop!(register(manifest("genesis")), Error::<Test>::AlreadyRegistered);
    });
}

#[test]
fn the_registry_is_bounded() {
    build_and_execute(|| {
        assert_ok!(register(manifest("two")));
        assert_ok!(register(manifest("three")));
        assert_noop!(register(manifest("four")), Error::<Test>::TooManyModels);
    });
}

#[test]
fn the_last_active_model_can_not_be_retired() {
    build_and_execute(|| {
        assert_noop!(retire("genesis"), Error::<Test>::LastActiveModel);
        assert_ok!(register(manifest("two")));
        assert_ok!(retire("genesis"));
        assert_noop!(retire("two"), Error::<Test>::LastActiveModel);
        assert!(Models::active(&manifest("two").id()).is_some());
    });
}

#[test]
fn a_full_registry_reuses_the_place_that_was_retired_first_once_nothing_needs_it() {
    build_and_execute(|| {
        assert_ok!(register(manifest("two")));
        assert_ok!(register(manifest("three")));
        assert_ok!(retire("two"));
        System::set_block_number(RETENTION / 2);
        assert_ok!(retire("genesis"));
        System::set_block_number(RETENTION);
        assert_noop!(register(manifest("four")), Error::<Test>::TooManyModels);
        System::set_block_number(RETENTION + 1);
        assert_noop!(register(manifest("two")), Error::<Test>::AlreadyRegistered);
        assert_ok!(register(manifest("four")));
        System::assert_has_event(
            Event::Forgotten {
                model: manifest("two").id(),
            }
            .into(),
        );
        assert!(!Registry::<Test>::contains_key(manifest("two").id()));
        assert!(Registry::<Test>::contains_key(genesis_model()), "it retired later");
        assert_noop!(register(manifest("five")), Error::<Test>::TooManyModels);
        // Whatever was forgotten may come back.
        System::set_block_number(2 * RETENTION);
        assert_ok!(register(manifest("two")));
        assert!(Models::active(&manifest("two").id()).is_some());
    });
}

#[test]
fn a_registry_with_room_forgets_nothing() {
    build_and_execute(|| {
        assert_ok!(register(manifest("two")));
        assert_ok!(retire("genesis"));
        System::set_block_number(10 * RETENTION);
        assert_ok!(register(manifest("three")));
        assert!(Registry::<Test>::contains_key(genesis_model()));
    });
}

#[test]
fn invariants_notice_a_retired_model_that_is_not_on_the_list() {
    build_and_execute(|| {
        assert_ok!(register(manifest("two")));
        assert_ok!(retire("genesis"));
        let list = Retired::<Test>::take();
        assert!(Models::do_try_state().is_err());
        Retired::<Test>::put(list);
    });
}

#[test]
fn unknown_models_can_not_be_changed() {
    build_and_execute(|| {
        let unknown = H256::repeat_byte(9);
        assert_noop!(
            Models::retire(RuntimeOrigin::root(), unknown),
            Error::<Test>::UnknownModel
        );
        assert_noop!(
            Models::set_prices(RuntimeOrigin::root(), unknown, PRICES),
            Error::<Test>::UnknownModel
        );
        assert_noop!(
            Models::set_rate(RuntimeOrigin::root(), unknown, 1),
            Error::<Test>::UnknownModel
        );
    });
}

#[test]
fn retired_models_can_not_be_changed() {
    build_and_execute(|| {
        let model = genesis_model();
        assert_ok!(register(manifest("other")));
        assert_ok!(Models::retire(RuntimeOrigin::root(), model));
        assert_noop!(
            Models::retire(RuntimeOrigin::root(), model),
            Error::<Test>::AlreadyRetired
        );
        assert_noop!(
            Models::set_prices(RuntimeOrigin::root(), model, PRICES),
            Error::<Test>::AlreadyRetired
        );
        assert_noop!(
            Models::set_rate(RuntimeOrigin::root(), model, 1),
            Error::<Test>::AlreadyRetired
        );
    });
}

#[test]
fn invariants_notice_a_model_under_another_name() {
    build_and_execute(|| {
        let entry = Registry::<Test>::get(genesis_model()).unwrap();
        Registry::<Test>::insert(H256::zero(), entry);
        assert!(Models::do_try_state().is_err());
        Registry::<Test>::remove(H256::zero());
    });
}
