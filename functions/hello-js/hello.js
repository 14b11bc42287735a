// An HTTP function in JavaScript: a `wasi:http` component, which any host of those serves.
//
//   make foreign
//   ./target/release/durance start functions/hello-js
//   curl http://127.0.0.1:7071/api/hello-js/Ada

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const name = decodeURIComponent(new URL(request.url).pathname.split("/")[3] ?? "world");
  if (request.method !== "POST") {
    return new Response(`Hello ${name} from JavaScript!`);
  }
  // What comes in goes out again while it is still coming in.
  return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
}
