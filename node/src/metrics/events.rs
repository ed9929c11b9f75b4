// SPDX-License-Identifier: Apache-2.0
//! Names of the events of a block, read by the metadata of the runtime that executed it. So a runtime upgrade needs no other node.
use codec::{Compact, Decode};
use frame_metadata::{
    v16::{RuntimeMetadataV16, StorageEntryType},
    RuntimeMetadata, RuntimeMetadataPrefixed,
};
use scale_decode::visitor::{decode_with_visitor, IgnoreVisitor};
use scale_info::{form::PortableForm, PortableRegistry, TypeDef, Variant};

/// Version of the metadata that this module reads.
pub const METADATA_VERSION: u32 = 16;

/// What is needed of a runtime's metadata.
pub struct Layout {
    types: PortableRegistry,
    /// Types of a record's fields before the event, of the event, and of the fields after it.
    before: Vec<u32>,
    event: u32,
    after: Vec<u32>,
    /// Pallet, index of the event in it, name of the event.
    names: Vec<(u8, String, u8, String)>,
    /// The view function `Jobs.waiting`.
    waiting: Option<[u8; 32]>,
}

impl Layout {
    /// Reads encoded metadata; `None` unless it is of [`METADATA_VERSION`] and has `System.Events` as every runtime has it.
    pub fn new(mut encoded: &[u8]) -> Option<Self> {
        let RuntimeMetadata::V16(metadata) = RuntimeMetadataPrefixed::decode(&mut encoded).ok()?.1 else {
            return None;
        };
        let record = record_type(&metadata)?;
        let TypeDef::Composite(record) = &metadata.types.resolve(record)?.type_def else {
            return None;
        };
        let position = record
            .fields
            .iter()
            .position(|field| field.name.as_deref() == Some("event"))?;
        let types = |fields: &[scale_info::Field<PortableForm>]| fields.iter().map(|field| field.ty.id).collect();
        let names = metadata.pallets.iter().flat_map(|pallet| {
            let variants = pallet
                .event
                .as_ref()
                .map_or(&[][..], |event| variants(&metadata.types, event.ty.id));
            variants
                .iter()
                .map(|event| (pallet.index, pallet.name.clone(), event.index, event.name.clone()))
        });
        let functions = metadata.pallets.iter().filter(|pallet| pallet.name == "Jobs");
        Some(Self {
            before: types(&record.fields[..position]),
            event: record.fields[position].ty.id,
            after: types(&record.fields[position + 1..]),
            names: names.collect(),
            waiting: functions
                .flat_map(|pallet| &pallet.view_functions)
                .find_map(|function| (function.name == "waiting").then_some(function.id)),
            types: metadata.types,
        })
    }

    /// Id of the view function `Jobs.waiting`, which takes a model's id and gives a `u32`; `None` if the runtime has none.
    pub fn waiting(&self) -> Option<[u8; 32]> {
        self.waiting
    }

    /// Pallet and name of every event that the runtime can deposit.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names
            .iter()
            .map(|(_, pallet, _, event)| (pallet.as_str(), event.as_str()))
    }

    /// Pallet and name of each event in `System.Events`; `None` if the bytes don't fit the metadata.
    pub fn read(&self, mut bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
        let Compact(count) = Compact::<u32>::decode(&mut bytes).ok()?;
        let mut names = Vec::new();
        for _ in 0..count {
            self.skip(&mut bytes, &self.before)?;
            let (pallet, event) = (*bytes.first()?, *bytes.get(1)?);
            self.skip(&mut bytes, &[self.event])?;
            self.skip(&mut bytes, &self.after)?;
            let name = |entry: &&(u8, String, u8, String)| (entry.0, entry.2) == (pallet, event);
            let (_, pallet, _, event) = self.names.iter().find(name)?;
            names.push((pallet.as_str(), event.as_str()));
        }
        bytes.is_empty().then_some(names)
    }

    fn skip(&self, bytes: &mut &[u8], types: &[u32]) -> Option<()> {
        types
            .iter()
            .try_for_each(|id| decode_with_visitor(bytes, *id, &self.types, IgnoreVisitor::new()))
            .ok()
    }
}

/// Type of an element of `System.Events`.
fn record_type(metadata: &RuntimeMetadataV16) -> Option<u32> {
    let system = metadata.pallets.iter().find(|pallet| pallet.name == "System")?;
    let entry = system
        .storage
        .as_ref()?
        .entries
        .iter()
        .find(|entry| entry.name == "Events")?;
    let StorageEntryType::Plain(list) = &entry.ty else {
        return None;
    };
    match &metadata.types.resolve(list.id)?.type_def {
        TypeDef::Sequence(list) => Some(list.type_param.id),
        _ => None,
    }
}

fn variants(types: &PortableRegistry, id: u32) -> &[Variant<PortableForm>] {
    match types.resolve(id).map(|ty| &ty.type_def) {
        Some(TypeDef::Variant(ty)) => &ty.variants,
        _ => &[],
    }
}
