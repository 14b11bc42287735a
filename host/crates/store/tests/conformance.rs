//! Both stores keep every promise.

use durance_store::{EmbeddedStore, MemoryStore, StoreOptions, conformance_tests};

conformance_tests!(memory, ((), MemoryStore::new(4)));

conformance_tests!(embedded, {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = EmbeddedStore::open(folder.path(), StoreOptions { partition_count: 4 });
    (folder, store.expect("an empty folder can be opened"))
});
