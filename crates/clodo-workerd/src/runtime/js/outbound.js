// Every fetch() of a Worker passes here when the internet is allowed.
export default {
  async fetch(request, env) {
    const ask = new Request(request.url, { headers: { "x-clodo-ask": "1" } });
    const known = await env.LOCAL.fetch(ask);
    return known.status === 204 ? env.LOCAL.fetch(request) : fetch(request);
  },
};
