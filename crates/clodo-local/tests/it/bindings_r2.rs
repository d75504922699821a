//! `env.BUCKET` on real workerd.

use crate::support::{ACCOUNT, World, binding, version};
use clodo_storage::BucketRef;
use clodo_workerd::ServedBinding;
use serde_json::{Value, json};

const BUCKET: &str = "pictures";

async fn run(body: &str) -> Value {
    let world = World::new().await;
    let at = BucketRef { account: ACCOUNT.parse().unwrap(), name: BUCKET.parse().unwrap() };
    world.data.r2.create(&at).await.unwrap();
    let source = format!(
        "const thrown = async (work) => {{ try {{ return await work(); }} catch (e) {{ return e.message; }} }};
         export default {{ async fetch(request, env) {{ const R2 = env.R2;
           try {{ {body} }} catch (e) {{ return Response.json({{ thrown: e.message }}); }} }} }};"
    );
    let mut worker = version("shop", "v1", &source);
    worker.bindings = vec![binding("R2", ServedBinding::R2 { bucket: BUCKET.into() })];
    world.deploy([worker]);
    world.get("shop.test", "/").await.json()
}

#[tokio::test]
async fn objects_come_back_with_all_they_were_given() {
    let seen = run("
        const expires = new Date(1800000000000);
        const put = await R2.put('a/ü.txt', 'hello', {
            httpMetadata: { contentType: 'text/plain', contentLanguage: 'en', cacheControl: 'no-store',
                contentDisposition: 'inline', contentEncoding: 'identity', cacheExpiry: expires },
            customMetadata: { one: '1', two: 'ü' }, sha256: await crypto.subtle.digest('SHA-256', new TextEncoder().encode('hello')),
        });
        const object = await R2.get('a/ü.txt');
        const head = await R2.head('a/ü.txt');
        const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, '0')).join('');
        return Response.json({
            text: await object.text(), size: object.size, etag: object.etag, key: object.key,
            http: object.httpMetadata, custom: object.customMetadata,
            same: [put.version, object.version, head.version].every((v) => v === put.version),
            md5: hex(head.checksums.md5), sha256: hex(head.checksums.sha256).slice(0, 8),
            uploaded: Math.abs(Date.now() - head.uploaded.getTime()) < 60000,
            class: head.storageClass, httpEtag: head.httpEtag,
            missing: [await R2.get('nope'), await R2.head('nope')],
        });")
    .await;
    assert_eq!(
        seen,
        json!({
            "text": "hello", "size": 5, "etag": "5d41402abc4b2a76b9719d911017c592", "key": "a/ü.txt",
            "http": {"contentType": "text/plain", "contentLanguage": "en", "cacheControl": "no-store",
                "contentDisposition": "inline", "contentEncoding": "identity",
                "cacheExpiry": "2027-01-15T08:00:00.000Z"},
            "custom": {"one": "1", "two": "ü"},
            "same": true,
            "md5": "5d41402abc4b2a76b9719d911017c592", "sha256": "2cf24dba",
            "uploaded": true, "class": "Standard", "httpEtag": "\"5d41402abc4b2a76b9719d911017c592\"",
            "missing": [null, null],
        })
    );
}

#[tokio::test]
async fn ranges_and_conditions_hold_for_small_and_large_bodies() {
    let seen = run("
        const answers = [];
        for (const size of [10, 3000000]) {
            const bytes = new Uint8Array(size).map((_, i) => i % 251);
            await R2.put('k', bytes);
            const etag = (await R2.head('k')).etag;
            const read = async (range) => {
                const object = await R2.get('k', { range });
                return [[...new Uint8Array(await object.arrayBuffer())].slice(0, 4), object.range];
            };
            const whole = new Uint8Array(await (await R2.get('k')).arrayBuffer());
            answers.push([
                whole.length === size && whole.every((b, i) => b === i % 251),
                await read({ offset: 2, length: 3 }), await read({ suffix: 2 }), await read({ offset: size - 1 }),
                await read(new Headers({ range: 'bytes=1-2' })),
                await thrown(() => R2.get('k', { range: { offset: size + 1 } })),
                'body' in await R2.get('k', { onlyIf: { etagMatches: 'other' } }),
                'body' in await R2.get('k', { onlyIf: { etagMatches: etag } }),
                'body' in await R2.get('k', { onlyIf: new Headers({ 'if-none-match': `\"${etag}\"` }) }),
                await R2.put('k', 'new', { onlyIf: { etagDoesNotMatch: '*' } }),
                (await R2.head('k')).etag === etag,
            ]);
        }
        return Response.json(answers);")
    .await;
    for (at, size) in [(0, 10_u64), (1, 3_000_000)] {
        let last = |n: u64| (size - n) % 251;
        assert_eq!(
            seen[at],
            json!([
                true,
                [[2, 3, 4], {"offset": 2, "length": 3}],
                [[last(2), last(1)], {"offset": size - 2, "length": 2}],
                [[last(1)], {"offset": size - 1, "length": 1}],
                [[1, 2], {"offset": 1, "length": 2}],
                "get: The requested range is not satisfiable (10039)",
                false, true, false, null, true,
            ]),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn listings_fold_at_a_delimiter() {
    let seen = run("
        for (const key of ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'é/1'])
            await R2.put(key, key, { customMetadata: { key }, httpMetadata: { contentType: 'x/y' } });
        const keys = (page) => [page.objects.map((o) => o.key), page.delimitedPrefixes, page.truncated];
        const paged = [];
        let cursor;
        do {
            const page = await R2.list({ delimiter: '/', limit: 1, cursor });
            paged.push(...page.objects.map((o) => o.key), ...page.delimitedPrefixes);
            cursor = page.truncated ? page.cursor : undefined;
        } while (cursor);
        const included = (await R2.list({ limit: 1, include: ['customMetadata'] })).objects[0];
        return Response.json({
            all: keys(await R2.list()), folded: keys(await R2.list({ delimiter: '/' })),
            inner: keys(await R2.list({ prefix: 'b/', delimiter: '/' })),
            after: keys(await R2.list({ startAfter: 'b/2' })), paged,
            included: [included.customMetadata, included.httpMetadata ?? null],
        });")
    .await;
    assert_eq!(
        seen,
        json!({
            "all": [["a", "b/1", "b/2", "b/c/3", "d", "é/1"], [], false],
            "folded": [["a", "d"], ["b/", "é/"], false],
            "inner": [["b/1", "b/2"], ["b/c/"], false],
            "after": [["b/c/3", "d", "é/1"], [], false],
            "paged": ["a", "b/", "d", "é/"],
            "included": [{"key": "a"}, null],
        })
    );
}

#[tokio::test]
async fn parts_become_one_object() {
    let seen = run("
        const size = 5 * 1024 * 1024;
        const part = (n) => new Uint8Array(size).fill(n);
        const upload = await R2.createMultipartUpload('big', { customMetadata: { a: 'b' } });
        const same = R2.resumeMultipartUpload('big', upload.uploadId);
        const two = await same.uploadPart(2, part(2));
        await upload.uploadPart(1, part(9));
        const one = await upload.uploadPart(1, part(1));
        const three = await upload.uploadPart(3, 'end');
        const early = await R2.head('big');
        const wrong = await thrown(() => upload.complete([one, { partNumber: 2, etag: 'x' }]));
        const object = await upload.complete([one, two, three]);
        const seam = new Uint8Array(await (await R2.get('big', { range: { offset: size - 1, length: size + 2 } })).arrayBuffer());
        const again = await thrown(() => upload.complete([one]));
        const aborted = await R2.createMultipartUpload('other');
        await aborted.uploadPart(1, 'x');
        await aborted.abort();
        const small = await R2.createMultipartUpload('small');
        const parts = [await small.uploadPart(1, 'x'), await small.uploadPart(2, 'y')];
        return Response.json({
            early, wrong, size: object.size, etag: object.etag.slice(-2), custom: (await R2.head('big')).customMetadata,
            seam: [seam.length, seam[0], seam[1], seam[size], seam[size + 1]], again,
            aborted: await thrown(() => aborted.uploadPart(2, 'x')), small: await thrown(() => small.complete(parts)),
            keys: (await R2.list()).objects.map((o) => o.key),
        });")
    .await;
    let size = 5 * 1024 * 1024;
    assert_eq!(
        seen,
        json!({
            "early": null,
            "wrong": "completeMultipartUpload: One or more of the specified parts could not be found. (10025)",
            "size": 2 * size + 3, "etag": "-3", "custom": {"a": "b"},
            "seam": [size + 2, 1, 2, 2, 101],
            "again": "completeMultipartUpload: The specified multipart upload does not exist. (10024)",
            "aborted": "uploadPart: The specified multipart upload does not exist. (10024)",
            "small": "completeMultipartUpload: Your proposed upload is smaller than the minimum allowed object size. (10011)",
            "keys": ["big"],
        })
    );
}

#[tokio::test]
async fn bodies_stream_and_digests_are_checked() {
    let seen = run("
        const { readable, writable } = new FixedLengthStream(2000000);
        const writing = (async () => {
            const writer = writable.getWriter();
            for (let i = 0; i < 20; i++) await writer.write(new Uint8Array(100000).fill(i));
            await writer.close();
        })();
        await R2.put('streamed', readable);
        await writing;
        const object = await R2.get('streamed');
        let sum = 0, total = 0;
        for await (const chunk of object.body) { total += chunk.length; for (const b of chunk) sum += b; }
        const digest = await thrown(() => R2.put('bad', 'x', { md5: new Uint8Array(16) }));
        await R2.put('x', '1');
        await R2.delete(['streamed', 'x', 'never']);
        return Response.json({ total, sum, digest: digest.split('\\n')[0],
            bad: await R2.head('bad'), keys: (await R2.list()).objects.length,
            name: await thrown(() => R2.put('k'.repeat(1025), 'x')),
            meta: await thrown(() => R2.put('m', 'x', { customMetadata: { a: 'x'.repeat(9000) } })) });")
    .await;
    assert_eq!(
        seen,
        json!({
            "total": 2_000_000, "sum": 19_000_000,
            "digest": "put: The MD5 checksum you specified did not match what we received.",
            "bad": null, "keys": 0,
            "name": "put: The specified object name is not valid. (10020)",
            "meta": "put: Your metadata headers exceed the maximum allowed metadata size. (10012)",
        })
    );
}

// conformance: r2 | `ssecKey` of the binding's `put`, `get` and multipart uploads | documented
#[tokio::test]
async fn a_customers_key_locks_an_object() {
    let seen = run("
        const key = '11'.repeat(32), other = '22'.repeat(32);
        const put = await R2.put('k', 'secret', { ssecKey: key });
        const upload = await R2.createMultipartUpload('m', { ssecKey: key });
        const part = await upload.uploadPart(1, 'part', { ssecKey: key });
        await upload.complete([part]);
        return Response.json({
            md5: put.ssecKeyMd5, head: (await R2.head('k')).ssecKeyMd5,
            got: await (await R2.get('k', { ssecKey: key })).text(),
            bytes: await (await R2.get('k', { ssecKey: new Uint8Array(32).fill(0x11).buffer })).text(),
            none: await thrown(() => R2.get('k')),
            wrong: await thrown(() => R2.get('k', { ssecKey: other })),
            part: await (await R2.get('m', { ssecKey: key })).text(),
        });")
    .await;
    assert_eq!(seen["md5"].as_str().map(str::len), Some(32), "{seen}");
    assert_eq!(seen["md5"], seen["head"], "{seen}");
    assert_eq!(seen["got"], "secret", "{seen}");
    assert_eq!((&seen["bytes"], &seen["part"]), (&json!("secret"), &json!("part")), "{seen}");
    assert!(seen["none"].as_str().unwrap().contains("(10026)"), "{seen}");
    assert!(seen["wrong"].as_str().unwrap().contains("(10026)"), "{seen}");
}
