// SPDX-License-Identifier: Apache-2.0
//! Devices that fail, and servers that stop.
use super::*;
use crate::backend::{Cache, Position, Run};
use std::sync::atomic::{AtomicI64, Ordering};

#[test]
fn a_server_that_is_dropped_ends_its_requests() {
    let backend = backend();
    let server = Server::start(backend, Config::default()).unwrap();
    let mut long = request(&[1], 250, 1);
    long.settings.temperature_milli = 0;
    let handles: Vec<Handle> = (0..20).map(|_| server.submit(long.clone().into()).unwrap()).collect();
    drop(server);
    for handle in handles {
        let ended = handle.wait();
        assert!(matches!(ended, Ok(_) | Err(GenerateError::Cancelled)), "{ended:?}");
    }
}

/// A backend whose caches fail after so many calls in all.
struct Failing {
    inner: Arc<CpuBackend>,
    calls: Arc<AtomicI64>,
    error: Error,
}

struct FailingCache {
    inner: Box<dyn Cache>,
    calls: Arc<AtomicI64>,
    error: Error,
}

impl Backend for Failing {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn model(&self) -> &Arc<Model> {
        self.inner.model()
    }

    fn cache(&self, pages: usize) -> Result<Box<dyn Cache>, Error> {
        Ok(Box::new(FailingCache {
            inner: self.inner.cache(pages)?,
            calls: self.calls.clone(),
            error: self.error.clone(),
        }))
    }
}

impl Cache for FailingCache {
    fn forward(&mut self, batch: &[Run<'_>]) -> Result<Vec<Vec<Position>>, Error> {
        match self.calls.fetch_sub(1, Ordering::Relaxed) {
            ..=0 => Err(self.error.clone()),
            _ => self.inner.forward(batch),
        }
    }
}

fn failing(calls: i64, error: Error) -> Failing {
    Failing {
        inner: backend(),
        calls: Arc::new(AtomicI64::new(calls)),
        error,
    }
}

fn lost() -> Error {
    Error::DeviceLost("the adapter was lost".into())
}

#[test]
fn requests_go_on_with_the_same_bits_on_another_device() {
    let config = Config {
        kv_bytes: 20 * page_bytes(&testing::DIMENSIONS),
        ..CONFIG
    };
    for calls in [0, 3, 9, 20, 40] {
        let again = backend();
        let (spare, mut spares) = (again.clone(), 0);
        let server = Server::start_with(Arc::new(failing(calls, lost())), config, move |error| {
            assert_eq!(*error, lost());
            spares += 1;
            (spares < 2).then(|| spare.clone() as Arc<dyn Backend>)
        })
        .unwrap();
        let requests: Vec<Request> = (0..6)
            .map(|key| request(&prompt(u64::from(key) / 2, 70), 20, key))
            .collect();
        let handles: Vec<Handle> = requests
            .iter()
            .map(|request| server.submit(request.clone().into()).unwrap())
            .collect();
        for (handle, request) in handles.into_iter().zip(&requests) {
            check(handle, &alone(&*again, request), None).unwrap();
        }
    }
}

#[test]
fn without_another_device_requests_end_with_the_error() {
    let server = Server::start(Arc::new(failing(2, lost())), Config::default()).unwrap();
    let ended = server.submit(request(&[1], 100, 1).into()).unwrap().wait();
    assert_eq!(ended, Err(GenerateError::Backend(lost())));
    // The server closes its queue right after.
    let refused = (0..1000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        server.submit(request(&[1], 100, 1).into()).err()
    });
    assert_eq!(refused, Some(SubmitError::Stopped));
}

#[test]
fn a_failure_that_may_pass_ends_the_running_requests_only() {
    let device = failing(1, Error::Device("out of memory".into()));
    let calls = device.calls.clone();
    let server = Server::start(Arc::new(device), Config::default()).unwrap();
    let ended = server.submit(request(&[1], 100, 1).into()).unwrap().wait();
    assert!(
        matches!(ended, Err(GenerateError::Backend(Error::Device(_)))),
        "{ended:?}"
    );
    calls.store(i64::MAX, Ordering::Relaxed);
    assert!(server.submit(request(&[1], 5, 1).into()).unwrap().wait().is_ok());
}
