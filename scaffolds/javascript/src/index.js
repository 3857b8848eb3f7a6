// A component of wasi:http: each request is an event, as in a service worker.
addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname } = new URL(request.url);
  console.error(`answered a ${request.method}`);
  return new Response(`Hello from JavaScript at ${pathname}\n`, { headers: { 'content-type': 'text/plain' } });
}
