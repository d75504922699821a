// Passes events to Workers: one binding per version, named by its id.
const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function message({ id, timestamp, format, body, attempts }) {
  const head = { id, timestamp: new Date(timestamp), attempts };
  const raw = bytes(body);
  switch (format) {
    case "text": return { ...head, body: new TextDecoder().decode(raw) };
    case "json": return { ...head, body: JSON.parse(new TextDecoder().decode(raw)) };
    case "bytes": return { ...head, body: raw };
    default: return { ...head, serializedBody: raw };
  }
}

async function run(target, event) {
  if (event.kind === "scheduled") {
    return target.scheduled({ cron: event.cron, scheduledTime: new Date(event.time) });
  }
  const { count, bytes, oldest } = event.backlog;
  const metrics = { backlogCount: count, backlogBytes: bytes };
  if (oldest !== null) metrics.oldestMessageTimestamp = new Date(oldest);
  return target.queue(event.queue, event.messages.map(message), { metrics });
}

export default {
  async fetch(request, env) {
    const target = env[request.headers.get("x-clodo-version")];
    if (target === undefined) return new Response(null, { status: 404 });
    try {
      return Response.json(await run(target, await request.json()));
    } catch (error) {
      return Response.json({ outcome: "exception", error: String(error) });
    }
  },
};
