// Every fetch() of a Worker passes here when the internet, or a private address, is allowed. LOCAL knows the hostnames of this cloud and what may be
// reached beside the internet; fetch() here is workerd's own, which connects to public addresses only, whatever a name resolves to.
// Redirects are followed by the Worker that asked, so that each hop passes here again.
function ask(request, env, question) {
  return env.LOCAL.fetch(new Request(request.url, { headers: { "x-clodo-ask": question } }));
}

export default {
  async fetch(request, env) {
    const known = await ask(request, env, "where");
    switch (known.status) {
      case 204:
        return env.LOCAL.fetch(request);
      case 202:
        return env.PRIVATE.fetch(request);
      case 404:
        if (!env.INTERNET) return env.LOCAL.fetch(request);
        break;
      default:
        return known;
    }
    try {
      return await fetch(request);
    } catch (error) {
      const why = await ask(request, env, "why");
      if (why.status !== 404) return why;
      throw error;
    }
  },
};
