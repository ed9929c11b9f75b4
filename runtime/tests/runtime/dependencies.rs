// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Every crate of the umbrella crate `polkadot-sdk` 2609.2.0 with its version, from that crate's Cargo.toml.
const UMBRELLA: &str = include_str!("../umbrella-2609.2.0.txt");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");
const LOCK: &str = include_str!("../../../Cargo.lock");

/// How the framework's crates begin; ours that begin like this are paths.
const FRAMEWORK: [&str; 5] = ["frame-", "pallet-", "sc-", "sp-", "substrate-"];

fn umbrella() -> BTreeMap<&'static str, &'static str> {
    UMBRELLA
        .lines()
        .map(|line| line.split_once(" = ").expect("name = version"))
        .collect()
}

/// Crates that are named like the framework's and have versions of their own.
const ITS_OWN: [&str; 1] = ["frame-metadata"];

/// Packages of the lock file: name and version.
fn locked() -> Vec<(String, String)> {
    let lock: Table = LOCK.parse().unwrap();
    let field = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (field(p, "name"), field(p, "version")))
        .collect()
}

#[test]
fn framework_crates_are_pinned_to_the_versions_of_the_umbrella() {
    let workspace: Table = WORKSPACE.parse().unwrap();
    let umbrella = umbrella();
    let mut checked = 0;
    for (name, dependency) in workspace["workspace"]["dependencies"].as_table().unwrap() {
        let frameworks = FRAMEWORK.iter().any(|prefix| name.starts_with(prefix)) && !ITS_OWN.contains(&name.as_str());
        if dependency.get("path").is_some() || !frameworks {
            continue;
        }
        let pinned = dependency["version"].as_str().unwrap();
        let wanted = umbrella
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} is not in the umbrella's list"));
        assert_eq!(pinned, format!("={wanted}"), "{name}");
        checked += 1;
    }
    assert!(checked > 50, "only {checked} crates looked like the framework's");
}

#[test]
fn no_framework_crate_is_there_in_a_second_version() {
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for (name, version) in locked()
        .into_iter()
        .filter(|(name, _)| FRAMEWORK.iter().any(|p| name.starts_with(p)))
    {
        versions.entry(name).or_default().push(version);
    }
    versions.retain(|_, all| all.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}

#[test]
fn rocksdb_is_not_built() {
    let names: Vec<_> = locked().into_iter().map(|(name, _)| name).collect();
    assert!(
        names.iter().any(|name| name == "parity-db"),
        "the node's database must be in the lock file"
    );
    for name in ["librocksdb-sys", "rocksdb", "kvdb-rocksdb"] {
        assert!(
            !names.iter().any(|locked| locked == name),
            "{name} is in the tree: use sc-cli and sc-service without defaults"
        );
    }
}
