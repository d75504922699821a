// Runs what it is sent on a database of its bindings: a statement that reads, or a batch.

/// Bytes travel as `{ "bytes": [0, 255] }`.
const given = (value) => (value?.bytes ? new Uint8Array(value.bytes) : value);
const told = (value) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);

const rows = ({ results, meta }) => ({
  columns: Object.keys(results[0] ?? {}),
  rows: results.map((row) => Object.values(row).map(told)),
  changes: meta.changes,
});

export default {
  async fetch(request, env) {
    const { database, reads, statements } = await request.json();
    const db = env[database];
    try {
      const prepared = statements.map(({ sql, params }) => db.prepare(sql).bind(...params.map(given)));
      if (!reads) return Response.json({ results: (await db.batch(prepared)).map(rows) });
      // Rows as lists: two columns may have one name.
      const [columns, ...all] = await prepared[0].raw({ columnNames: true });
      return Response.json({ results: [{ columns, rows: all.map((row) => row.map(told)), changes: 0 }] });
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};
