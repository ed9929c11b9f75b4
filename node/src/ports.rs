// SPDX-License-Identifier: Apache-2.0
//! Ports are those that the operator asked for. The framework would take a random one for JSON-RPC, share the network's with another node, and
//! go without metrics, each without a word; here a port that is taken ends the start with a message that says which, and how to choose another.
use sc_network::{multiaddr::Protocol, Multiaddr};
use sc_service::Configuration;
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener},
};

/// Lets JSON-RPC listen at its own port only.
pub fn insist(config: &mut Configuration) {
    for endpoint in config.rpc.addr.iter_mut().flatten() {
        endpoint.retry_random_port = false;
    }
}

/// Fails with a message if the node can't listen where it is to.
pub fn check(config: &Configuration) -> Result<(), String> {
    for endpoint in config
        .rpc
        .addr
        .iter()
        .flatten()
        .filter(|endpoint| !endpoint.is_optional)
    {
        free(endpoint.listen_addr, "JSON-RPC", "--rpc-port")?;
    }
    for address in &config.network.listen_addresses {
        if let Some(address) = tcp(address) {
            free(address, "the network", "--port")?;
        }
    }
    if let Some(prometheus) = &config.prometheus_config {
        free(
            prometheus.port,
            "Prometheus",
            "--prometheus-port, or have none with --no-prometheus",
        )?;
    }
    Ok(())
}

/// The socket of an address like `/ip4/0.0.0.0/tcp/30333`.
fn tcp(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Tries to listen, as nobody else may at the same time, and stops at once. Port 0 is always free.
fn free(address: SocketAddr, purpose: &str, option: &str) -> Result<(), String> {
    match TcpListener::bind(address).map_err(|error| error.kind()) {
        Err(ErrorKind::AddrInUse) => Err(format!(
            "port {} for {purpose} is taken: another process, perhaps another node, listens at {address}. End it, or choose another port \
             with {option}.",
            address.port()
        )),
        Err(ErrorKind::PermissionDenied) => Err(format!(
            "port {} for {purpose} may not be used by this user; choose one above 1023 with {option}.",
            address.port()
        )),
        Err(ErrorKind::AddrNotAvailable) => Err(format!("{address} for {purpose} is no address of this machine.")),
        // A machine without IPv6, for one, which the network does without.
        Ok(_) | Err(_) => Ok(()),
    }
}
