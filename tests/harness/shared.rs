//! Hosts that the tests of one program share while any of them runs: starting one for each would take most of the time.

use crate::{AppFolder, Host, Launch};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Small limits, so that a fault is over soon.
const GUEST_LIMITS: &str = "
[limits]
memory_bytes = 33554432
http_timeout_ms = 3000
activity_timeout_ms = 3000
turn_cpu_ms = 2000
";

static SAMPLES: Mutex<Weak<Host>> = Mutex::new(Weak::new());
static GUESTS: Mutex<Weak<Host>> = Mutex::new(Weak::new());

/// A host with the sample functions.
#[must_use]
pub fn samples() -> Arc<Host> {
    shared(&SAMPLES, AppFolder::samples)
}

/// A host with the guests that misbehave, the sample functions `Hello` and `HelloSequence` as their neighbours, and
/// limits that are soon reached.
#[must_use]
pub fn guests() -> Arc<Host> {
    shared(&GUESTS, guest_app)
}

fn guest_app() -> AppFolder {
    let app = AppFolder::temporary(GUEST_LIMITS).sample("hello.wasm").sample("hello_sequence.wasm");
    app.guest("client_calls.wasm").guest("misbehaving.wasm").guest("raw.wasm")
}

fn shared(place: &Mutex<Weak<Host>>, app: fn() -> AppFolder) -> Arc<Host> {
    let mut running = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = running.upgrade() {
        return host;
    }
    let host = Arc::new(Launch::of(&app()).start());
    *running = Arc::downgrade(&host);
    host
}
