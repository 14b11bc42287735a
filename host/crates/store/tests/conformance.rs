//! Both stores keep every promise.

use durance_store::{EmbeddedStore, MemoryStore, StoreOptions, conformance_tests};
use tempfile::TempDir;

conformance_tests!(memory, crate::in_memory);
conformance_tests!(embedded, crate::in_a_folder);

fn in_memory() -> ((), MemoryStore) {
    ((), MemoryStore::new(4))
}

fn in_a_folder() -> (TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = EmbeddedStore::open(folder.path(), StoreOptions { partition_count: 4 });
    (folder, store.expect("an empty folder can be opened"))
}
