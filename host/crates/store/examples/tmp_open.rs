use durance_store::{EmbeddedStore, StoreOptions};
fn cpu() -> u64 { let s = std::fs::read_to_string("/proc/self/schedstat").unwrap(); s.split(' ').next().unwrap().parse().unwrap() }
fn main() {
    let path = std::env::args().nth(1).unwrap();
    for _ in 0..3 {
        let t = std::time::Instant::now(); let c = cpu();
        let store = EmbeddedStore::open(path.as_ref(), StoreOptions::default()).unwrap();
        println!("wall {:?} main-thread cpu {} ms", t.elapsed(), (cpu() - c) as f64 / 1e6);
        std::process::exit(if std::env::args().nth(2).is_some() { drop(store); 0 } else { std::mem::forget(store); 0 });
    }
}
