//! An HTTP function without an orchestration.
//!
//! ```text
//! curl http://127.0.0.1:7071/api/hello/Ada
//! ```

use durance_sdk::prelude::*;

#[http_trigger(name = "Hello", auth = "anonymous", methods("get"), route = "hello/{name?}")]
fn hello(request: Request) -> Response {
    let name = request.param("name").unwrap_or("world");
    Response::text(format!("Hello {name}!"))
}
