//! Faults that any function can have, each as an HTTP function, an activity and an orchestrator.

use std::hint::black_box;

use durance_sdk::prelude::*;

const MEBIBYTE: usize = 1024 * 1024;

/// A function of each kind that does the same.
macro_rules! in_every_role {
    ($module:ident, $http:literal, $activity:literal, $orchestrator:literal) => {
        mod $module {
            use durance_sdk::prelude::*;

            #[http_trigger(name = $http, auth = "anonymous")]
            fn http() -> Result<Response> {
                super::$module().map(Response::text)
            }

            #[activity(name = $activity)]
            fn activity() -> Result<String> {
                super::$module()
            }

            #[orchestrator(name = $orchestrator)]
            async fn orchestrator(_ctx: OrchestrationContext) -> Result<String> {
                super::$module()
            }
        }
    };
}

in_every_role!(panic, "HttpPanic", "PanicActivity", "Panic");
in_every_role!(unreachable, "HttpUnreachable", "UnreachableActivity", "Unreachable");
in_every_role!(spin, "HttpSpin", "SpinActivity", "Spin");
in_every_role!(eat_memory, "HttpEatMemory", "EatMemoryActivity", "EatMemory");
in_every_role!(recurse, "HttpRecurse", "RecurseActivity", "Recurse");
in_every_role!(huge_output, "HttpHugeOutput", "HugeOutputActivity", "HugeOutput");
in_every_role!(print_a_lot, "HttpPrintALot", "PrintALotActivity", "PrintALot");
in_every_role!(fail, "HttpFail", "FailActivity", "Fail");

fn panic() -> Result<String> {
    panic!("this guest panics")
}

fn unreachable() -> Result<String> {
    core::arch::wasm32::unreachable()
}

fn spin() -> Result<String> {
    loop {
        black_box(());
    }
}

fn eat_memory() -> Result<String> {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; MEBIBYTE]));
    }
}

fn recurse() -> Result<String> {
    Ok(deeper(0).to_string())
}

#[expect(unconditional_recursion, reason = "it is the fault")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    deeper(depth + 1) + black_box(frame)[0]
}

fn huge_output() -> Result<String> {
    Ok("x".repeat(64 * MEBIBYTE))
}

fn print_a_lot() -> Result<String> {
    let line = "x".repeat(1000);
    for number in 0..100_000 {
        println!("{number} {line}");
    }
    Ok("printed".to_owned())
}

fn fail() -> Result<String> {
    let disk = Error::new("DiskFull", "no space is left");
    let save = Error::new("SaveFailed", "the order was not saved").caused_by(disk);
    let error = Error::non_retriable("OrderLost", "the order 7 is lost");
    Err(error.with_details("at order.rs, line 7").caused_by(save))
}
