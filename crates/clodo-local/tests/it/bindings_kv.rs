//! `env.KV` on real workerd.

use crate::support::{ACCOUNT, World, binding, version};
use clodo_storage::NamespaceRef;
use clodo_workerd::ServedBinding;
use serde_json::{Value, json};

const NAMESPACE: &str = "0123456789abcdef0123456789abcdea";

async fn run(body: &str) -> Value {
    let world = World::new().await;
    let at = NamespaceRef { account: ACCOUNT.parse().unwrap(), id: NAMESPACE.parse().unwrap() };
    world.data.kv.create(&at).await.unwrap();
    let source = format!(
        "const thrown = async (work) => {{ try {{ return await work(); }} catch (e) {{ return e.message; }} }};
         export default {{ async fetch(request, env) {{ const KV = env.KV;
           try {{ {body} }} catch (e) {{ return Response.json({{ thrown: e.message }}); }} }} }};"
    );
    let mut worker = version("shop", "v1", &source);
    worker.bindings = vec![binding("KV", ServedBinding::Kv { namespace_id: NAMESPACE.into() })];
    world.deploy([worker]);
    world.get("shop.test", "/").await.json()
}

#[tokio::test]
async fn values_come_back_in_every_type() {
    let seen = run("
        await KV.put('text', 'ü');
        await KV.put('bytes', new Uint8Array([0, 255]).buffer);
        await KV.put('stream', new Response('streamed').body);
        await KV.put('json', '{\"a\":[1]}', { metadata: { m: 'é', n: [1] } });
        await KV.put('empty', '');
        await KV.put('gone', 'x');
        await KV.delete('gone');
        await KV.delete('never');
        const meta = await KV.getWithMetadata('json', 'json');
        return Response.json({
            text: await KV.get('text'),
            bytes: [...new Uint8Array(await KV.get('bytes', 'arrayBuffer'))],
            stream: await new Response(await KV.get('stream', 'stream')).text(),
            json: meta.value, metadata: meta.metadata,
            empty: await KV.get('empty'),
            gone: await KV.get('gone'),
            none: await KV.getWithMetadata('never'),
        });")
    .await;
    assert_eq!(
        seen,
        json!({
            "text": "ü", "bytes": [0, 255], "stream": "streamed",
            "json": {"a": [1]}, "metadata": {"m": "é", "n": [1]},
            "empty": "", "gone": null,
            "none": {"value": null, "metadata": null, "cacheStatus": null},
        })
    );
}

#[tokio::test]
async fn hostile_keys_keep_apart() {
    let seen = run(r#"
        const keys = ['a/b', 'a%2Fb', '../x', 'a b', 'a+b', '?q=1&x', '#h', 'ü 漢 🦀', 'nul\0', '"\\', 'bulk/get',
            'x'.repeat(512), ' ', '%', 'a//b/', '.a', 'null'];
        for (const key of keys) await KV.put(key, 'value of ' + key, { metadata: key });
        const wrong = [];
        for (const key of keys) {
            const { value, metadata } = await KV.getWithMetadata(key);
            if (value !== 'value of ' + key || metadata !== key) wrong.push([key, value, metadata]);
        }
        const listed = (await KV.list()).keys.map((k) => k.name);
        const missing = keys.filter((key) => !listed.includes(key));
        for (const key of keys) await KV.delete(key);
        return Response.json([wrong, missing, listed.length - keys.length, (await KV.list()).keys]);"#)
    .await;
    assert_eq!(seen, json!([[], [], 0, []]));
}

#[tokio::test]
async fn listings_page_by_prefix_and_cursor() {
    let seen = run("
        for (const key of ['a1', 'a2', 'a3', 'b1', 'a\\u{10ffff}']) await KV.put(key, 'x', { metadata: { key } });
        await KV.put('a4', 'x', { expirationTtl: 600 });
        const one = await KV.list({ prefix: 'a', limit: 2 });
        const two = await KV.list({ prefix: 'a', limit: 2, cursor: one.cursor });
        const three = await KV.list({ prefix: 'a', limit: 2, cursor: two.cursor });
        const names = (page) => [page.keys.map((k) => k.name), page.list_complete, !!page.cursor];
        return Response.json({ one: names(one), two: names(two), three: names(three),
            metadata: one.keys[0].metadata, expires: typeof two.keys[1].expiration });")
    .await;
    assert_eq!(
        seen,
        json!({
            "one": [["a1", "a2"], false, true],
            "two": [["a3", "a4"], false, true],
            "three": [["a\u{10ffff}"], true, false],
            "metadata": {"key": "a1"}, "expires": "number",
        })
    );
}

#[tokio::test]
async fn many_values_are_read_at_once() {
    let seen = run("
        await KV.put('b', '{\"n\":1}', { metadata: 7 });
        await KV.put('a', '2');
        const text = await KV.get(['b', 'a', 'none']);
        const parsed = await KV.get(['b', 'a'], 'json');
        const meta = await KV.getWithMetadata(['b', 'none']);
        const many = Array.from({ length: 101 }, (_, i) => 'k' + i);
        return Response.json({ text: [...text], parsed: [...parsed], meta: [...meta],
            many: await thrown(() => KV.get(many)) });")
    .await;
    assert_eq!(
        seen,
        json!({
            "text": [["b", "{\"n\":1}"], ["a", "2"], ["none", null]],
            "parsed": [["b", {"n": 1}], ["a", 2]],
            "meta": [["b", {"value": "{\"n\":1}", "metadata": 7}], ["none", null]],
            "many": "KV GET_BULK failed: 400 You can request a maximum of 100 keys",
        })
    );
}

#[tokio::test]
async fn limits_are_those_of_kv() {
    let seen = run("
        const put = (key, value, options) => thrown(() => KV.put(key, value, options));
        const whole = new Uint8Array(25 * 1024 * 1024);
        return Response.json([
            await put('k', whole), (await KV.get('k', 'arrayBuffer')).byteLength,
            await put('k', new Uint8Array(25 * 1024 * 1024 + 1)),
            await put('k', 'x', { metadata: 'x'.repeat(1023) }),
            await put('k', 'x', { expirationTtl: 59 }),
            await put('k', 'x', { expiration: 1000 }),
            await put('', 'x'), await put('..', 'x'), await put('x'.repeat(513), 'x'),
            await thrown(() => KV.list({ limit: 1001 })),
            (await KV.get('k', 'arrayBuffer')).byteLength,
        ]);")
    .await;
    assert_eq!(
        seen,
        json!([
            null,
            26_214_400,
            "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.",
            "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.",
            "KV PUT failed: 400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.",
            "KV PUT failed: 400 Invalid expiration of 1000. Please specify integer greater than the \
             current number of seconds since the UNIX epoch.",
            "Key name cannot be empty.",
            "\"..\" is not allowed as a key name.",
            "KV PUT failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512.",
            "KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer less than \
             1000.",
            26_214_400,
        ])
    );
}
