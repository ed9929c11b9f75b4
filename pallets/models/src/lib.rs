// SPDX-License-Identifier: Apache-2.0
//! The registry of models.
//!
//! A model is its [`Manifest`]; its name on chain is the manifest's hash ([`Manifest::id`]), so nothing but prices and
//! status can ever change.
//!
//! # Rules
//!
//! 1. Only [`Config::GovernanceOrigin`] registers, retires and prices models. A few may be part of genesis.
//! 2. A manifest must pass [`Manifest::check`], and its name must be UTF-8 that is not empty. Prices default to
//!    [`Manifest::default_prices`]; tokens can't be free, since units would then say nothing about work, and none may cost more than
//!    [`MAX_PRICE_FACTOR`] times the default: work is credited at these prices, so setting them could mint vote weight.
//! 3. A model's **rate** is how many output tokens any device that serves it is expected to decode in a block: deadlines and operators'
//!    budgets follow from it. It is 1 to [`MAX_TOKENS_PER_BLOCK`], and [`Config::TokensPerBlock`] unless another is given: one that is too high
//!    makes operators with small devices miss deadlines, and one that is too low lets dead operators hold jobs up for long. A full budget
//!    takes a device that decodes exactly at the rate until the deadlines. So register about 60 % of what the slowest device that is to serve
//!    the model was measured at: then a budget is done in 6 of the 10 blocks of the margin, and 4 are left for inclusion and finality.
//! 4. A retired model takes no new jobs; those under way keep the terms that they were submitted under. Its manifest stays for disputes
//!    about them. As long as it does, the model can't be registered again.
//! 5. The last active model can't be retired: a chain without one credits no work, and nobody could vote for another.
//! 6. There are at most [`Config::MaxModels`]. A model that is registered when there are as many takes the place of the one that retired first, if that
//!    is [`Config::Retention`] blocks ago. So only what is in service, or may still be evidence, keeps others out.
//!
//! The pallet implements [`Models`](ergon_primitives::traits::Models) for the others.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use ergon_primitives::{
    manifest::{Manifest, ManifestError},
    traits::ModelTerms,
    units::Prices,
    ModelId,
};
pub use pallet::*;
pub use types::{Model, Status};
pub use weights::WeightInfo;

/// Most times its default that each of a model's prices may be: room for what multiply-accumulates don't show, such as memory.
pub const MAX_PRICE_FACTOR: u64 = 16;

/// Most output tokens that every device may be expected to decode in a block.
pub const MAX_TOKENS_PER_BLOCK: u32 = 4_096;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::{pallet_prelude::*, traits::EnsureOrigin};
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::{BlockNumberProvider, Saturating};

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The time, in blocks. It stands still while nobody can do anything.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumberFor<Self>>;
        /// Who may change the registry.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Most models, retired ones included.
        #[pallet::constant]
        type MaxModels: Get<u32>;
        /// Rate of a model for which no other is given.
        #[pallet::constant]
        type TokensPerBlock: Get<u32>;
        /// Blocks for which a retired model is kept at least: longer than any of its jobs is.
        #[pallet::constant]
        type Retention: Get<BlockNumberFor<Self>>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// Every model by its name, which is a hash, so that the key needs none.
    #[pallet::storage]
    pub type Models<T: Config> = CountedStorageMap<_, Identity, ModelId, Model>;

    /// The retired models and when they retired, first come first.
    #[pallet::storage]
    pub type Retired<T: Config> = StorageValue<_, BoundedVec<(ModelId, BlockNumberFor<T>), T::MaxModels>, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A model takes jobs from now on.
        Registered {
            /// Its name.
            model: ModelId,
            /// Its prices.
            prices: Prices,
        },
        /// A model takes no new jobs any more.
        Retired {
            /// Its name.
            model: ModelId,
        },
        /// A retired model gave its place to another.
        Forgotten {
            /// Its name.
            model: ModelId,
        },
        /// Jobs that are submitted from now on have these prices.
        PricesSet {
            /// The model's name.
            model: ModelId,
            /// The new prices.
            prices: Prices,
        },
        /// Jobs that are submitted from now on have this rate.
        RateSet {
            /// The model's name.
            model: ModelId,
            /// Output tokens that any device is expected to decode in a block.
            tokens_per_block: u32,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// A dimension is zero, inconsistent, or beyond what the exact arithmetic is proven for.
        UnsupportedDimensions,
        /// The version of the exact arithmetic is not the one that this chain computes.
        UnknownArithmeticVersion,
        /// An end-of-sequence token is not in the vocabulary.
        InvalidEndOfSequence,
        /// The name is empty or not UTF-8.
        InvalidName,
        /// A prompt or output token would be free.
        FreeTokens,
        /// A model with this manifest is registered already, and maybe retired.
        AlreadyRegistered,
        /// There is no room for another model: none retired so long ago that it could be forgotten.
        TooManyModels,
        /// No model has this name.
        UnknownModel,
        /// The model is retired, so that its terms can't change any more.
        AlreadyRetired,
        /// The architecture gives embeddings and no text, so no job could be answered with it.
        NotADecoder,
        /// A price is more than [`MAX_PRICE_FACTOR`] times the default one.
        PriceTooHigh,
        /// The rate is 0 or more than [`MAX_TOKENS_PER_BLOCK`].
        RateOutOfRange,
        /// No other model is active, so this one can't be retired.
        LastActiveModel,
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Models of the first block, each with its prices or `None` for the default ones.
        pub models: Vec<(Manifest, Option<Prices>)>,
        /// Only for the type.
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// # Panics
        /// If a model breaks a rule of the registry: there must be no chain with such a genesis.
        fn build(&self) {
            for (manifest, prices) in &self.models {
                if let Err(error) = Pallet::<T>::do_register(manifest.clone(), *prices, None) {
                    panic!(
                        "genesis model {}: {error:?}",
                        alloc::string::String::from_utf8_lossy(&manifest.name)
                    );
                }
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::MaxModels::get() > 0, "MaxModels: there must be room for a model");
            assert!(Self::is_rate(T::TokensPerBlock::get()), "TokensPerBlock: out of range");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = T::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Registers a model, with its default prices and rate unless others are given. By [`Config::GovernanceOrigin`].
        ///
        /// Emits [`Event::Registered`], and [`Event::Forgotten`] if a retired model had to make room. Fails as
        /// [the rules](self) say, each with its own error. Complexity: O([`Config::MaxModels`]).
        #[pallet::call_index(0)]
        pub fn register(
            origin: OriginFor<T>,
            manifest: Manifest,
            prices: Option<Prices>,
            tokens_per_block: Option<u32>,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_register(manifest, prices, tokens_per_block)
        }

        /// Takes a model out of service for good. By [`Config::GovernanceOrigin`].
        ///
        /// Emits [`Event::Retired`]. Fails with [`Error::UnknownModel`], [`Error::AlreadyRetired`], or [`Error::LastActiveModel`].
        /// Complexity: O([`Config::MaxModels`]).
        #[pallet::call_index(1)]
        pub fn retire(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::try_change(&model, |entry| {
                let active = Models::<T>::count().saturating_sub(Retired::<T>::decode_len().unwrap_or(0) as u32);
                ensure!(active > 1, Error::<T>::LastActiveModel);
                entry.status = Status::Retired;
                let now = T::BlockNumberProvider::current_block_number();
                Retired::<T>::mutate(|retired| retired.force_push((model, now)));
                Ok(())
            })?;
            Self::deposit_event(Event::Retired { model });
            Ok(())
        }

        /// Sets the prices of a model that is in service. Complexity: O(1).
        #[pallet::call_index(2)]
        pub fn set_prices(origin: OriginFor<T>, model: ModelId, prices: Prices) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::try_change(&model, |entry| {
                Self::check_prices(&entry.manifest, &prices)?;
                entry.prices = prices;
                Ok(())
            })?;
            Self::deposit_event(Event::PricesSet { model, prices });
            Ok(())
        }

        /// Sets the rate of a model that is in service. Complexity: O(1).
        #[pallet::call_index(3)]
        pub fn set_rate(origin: OriginFor<T>, model: ModelId, tokens_per_block: u32) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::try_change(&model, |entry| {
                ensure!(Self::is_rate(tokens_per_block), Error::<T>::RateOutOfRange);
                entry.tokens_per_block = tokens_per_block;
                Ok(())
            })?;
            Self::deposit_event(Event::RateSet {
                model,
                tokens_per_block,
            });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        pub(crate) fn do_register(
            manifest: Manifest,
            prices: Option<Prices>,
            tokens_per_block: Option<u32>,
        ) -> DispatchResult {
            manifest.check().map_err(|error| match error {
                ManifestError::Dimensions => Error::<T>::UnsupportedDimensions,
                ManifestError::ArithmeticVersion => Error::<T>::UnknownArithmeticVersion,
                ManifestError::EndOfSequence => Error::<T>::InvalidEndOfSequence,
            })?;
            ensure!(manifest.architecture.is_decoder(), Error::<T>::NotADecoder);
            let named = core::str::from_utf8(&manifest.name).is_ok_and(|name| !name.trim().is_empty());
            ensure!(named, Error::<T>::InvalidName);
            let prices = prices.unwrap_or_else(|| manifest.default_prices());
            Self::check_prices(&manifest, &prices)?;
            let tokens_per_block = tokens_per_block.unwrap_or_else(T::TokensPerBlock::get);
            ensure!(Self::is_rate(tokens_per_block), Error::<T>::RateOutOfRange);
            let model = manifest.id();
            ensure!(!Models::<T>::contains_key(model), Error::<T>::AlreadyRegistered);
            Self::make_room()?;
            Models::<T>::insert(
                model,
                Model {
                    manifest,
                    prices,
                    tokens_per_block,
                    status: Status::Active,
                },
            );
            Self::deposit_event(Event::Registered { model, prices });
            Ok(())
        }

        fn is_rate(tokens_per_block: u32) -> bool {
            (1..=MAX_TOKENS_PER_BLOCK).contains(&tokens_per_block)
        }

        /// Forgets the model that retired first, if there is no room without it.
        fn make_room() -> DispatchResult {
            if Models::<T>::count() < T::MaxModels::get() {
                return Ok(());
            }
            let model = Retired::<T>::try_mutate(|retired| {
                let (_, since) = retired.first().ok_or(Error::<T>::TooManyModels)?;
                let end = since.saturating_add(T::Retention::get());
                ensure!(
                    end <= T::BlockNumberProvider::current_block_number(),
                    Error::<T>::TooManyModels
                );
                Ok::<_, Error<T>>(retired.remove(0).0)
            })?;
            Models::<T>::remove(model);
            Self::deposit_event(Event::Forgotten { model });
            Ok(())
        }

        fn check_prices(manifest: &Manifest, prices: &Prices) -> DispatchResult {
            ensure!(
                prices.prompt_token > 0 && prices.output_token > 0,
                Error::<T>::FreeTokens
            );
            let default = manifest.default_prices();
            let in_range = [
                (prices.prompt_token, default.prompt_token),
                (prices.output_token, default.output_token),
                (prices.attended_position, default.attended_position),
            ]
            .into_iter()
            .all(|(price, default)| price <= default.saturating_mul(MAX_PRICE_FACTOR));
            ensure!(in_range, Error::<T>::PriceTooHigh);
            Ok(())
        }

        /// Changes a model that is in service.
        fn try_change(model: &ModelId, change: impl FnOnce(&mut Model) -> DispatchResult) -> DispatchResult {
            Models::<T>::try_mutate(model, |entry| {
                let entry = entry.as_mut().ok_or(Error::<T>::UnknownModel)?;
                ensure!(entry.status == Status::Active, Error::<T>::AlreadyRetired);
                change(entry)
            })
        }

        /// Checks that every model is stored under its own name, has prices and a rate in range, is counted, and is on the list of the
        /// retired ones exactly if it is one; and that one is active if there are any.
        #[cfg(any(feature = "std", feature = "try-runtime"))]
        pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
            let (mut found, retired) = (0, Retired::<T>::get());
            for (model, entry) in Models::<T>::iter() {
                let listed = retired.iter().filter(|(listed, _)| *listed == model).count();
                ensure!(
                    listed == usize::from(entry.status == Status::Retired),
                    "models: the retired ones are not those on the list"
                );
                ensure!(
                    model == entry.manifest.id(),
                    "models: a model is not stored under its own name"
                );
                Self::check_prices(&entry.manifest, &entry.prices)?;
                ensure!(Self::is_rate(entry.tokens_per_block), "models: a rate is out of range");
                found += 1;
            }
            ensure!(
                found == Models::<T>::count(),
                "models: the count is not the number of models"
            );
            ensure!(found <= T::MaxModels::get(), "models: there are more than the maximum");
            ensure!(
                found == 0 || found as usize > retired.len(),
                "models: none of them is active"
            );
            ensure!(
                retired.windows(2).all(|pair| pair[0].1 <= pair[1].1),
                "models: the retired ones are out of order"
            );
            Ok(())
        }
    }
}

impl<T: Config> ergon_primitives::traits::Models for Pallet<T> {
    fn active(model: &ModelId) -> Option<ModelTerms> {
        Models::<T>::get(model)
            .filter(|entry| entry.status == Status::Active)
            .map(|entry| entry.terms())
    }
}
