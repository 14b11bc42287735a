# An HTTP function in Python: a `wasi:http` component, which any host of those serves.
#
#   make foreign
#   ./target/release/durance start functions/hello-python
#   curl http://127.0.0.1:7071/api/hello-python/Ada

from urllib.parse import unquote

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam

STREAM_BYTES_MAX = 4096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        segments = (request.path_with_query() or "/").split("?")[0].split("/")
        name = unquote(segments[3]) if len(segments) > 3 else "world"
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain; charset=utf-8")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        text = f"Hello {name} from Python!".encode()
        with body.write() as stream:
            for start in range(0, len(text), STREAM_BYTES_MAX):
                stream.blocking_write_and_flush(text[start : start + STREAM_BYTES_MAX])
        OutgoingBody.finish(body, None)
