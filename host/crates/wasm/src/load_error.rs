use std::{io, path::PathBuf};

/// Why a function app cannot be loaded. The text says which file, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A component's file cannot be read, or its bytes cannot be kept.
    #[error("{}: {source}", path.display())]
    File {
        /// The component.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not a component that this host can run.
    #[error("{}: {why}", path.display())]
    Component {
        /// The component.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// Two functions have one name.
    #[error(
        "two functions are named '{name}': one in {} and one in {}; names are compared without regard to case: rename one",
        first.display(), second.display()
    )]
    DuplicateFunction {
        /// The name, as the second one has it.
        name: String,
        /// The component of the first one.
        first: PathBuf,
        /// The component of the second one.
        second: PathBuf,
    },
    /// The data folder cannot be used.
    #[error("data folder {}: {source}", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The WebAssembly engine cannot be made: often there is too little address space for its pool.
    #[error(
        "the WebAssembly engine cannot be started: {0}; fewer concurrent functions or orchestrators need less"
    )]
    Engine(String),
}

impl LoadError {
    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}
