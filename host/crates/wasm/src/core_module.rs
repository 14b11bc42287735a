//! Core modules that carry the description of a component: what toolchains make that leave the last step to others.

use crate::component::Unusable;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

/// Makes a component of a core module. One of WASI 0.1 is adapted to 0.2.
pub(crate) fn to_component(module: &[u8]) -> Result<Vec<u8>, Unusable> {
    let described = wit_component::metadata::decode(module);
    let (Some(_), _) = described.map_err(|error| format!("it is not a valid core module: {error:#}"))? else {
        return Err("it is a core module and not a component: build it for the target wasm32-wasip2, or wrap it with \
                    `wasm-tools component new`"
            .to_owned());
    };
    let wrap = || {
        let mut encoder = ComponentEncoder::default();
        encoder.module(module)?;
        encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
        encoder.encode()
    };
    wrap().map_err(|error| format!("it is a core module, and no component can be made of it: {error:#}"))
}
