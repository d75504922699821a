//! DNS records and zones.

use crate::api_support::{Answer, Api};
use serde_json::{Value, json};

async fn zone() -> (Api, String) {
    let api = Api::new().await;
    let zones = api.get("/zones?name=acme.test").await.result();
    let records = format!("/zones/{}/dns_records", zones[0]["id"].as_str().unwrap());
    (api, records)
}

fn record(kind: &str, name: &str, content: &str) -> Value {
    json!({ "type": kind, "name": name, "content": content })
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

// conformance: dns | POST /zones/{zone}/dns_records | documented
// conformance: dns | PUT /zones/{zone}/dns_records/{record} | documented
// conformance: dns | PATCH /zones/{zone}/dns_records/{record} | documented
// conformance: dns | GET /zones/{zone}/dns_records/{record} | documented
// conformance: dns | DELETE /zones/{zone}/dns_records/{record} | documented
#[tokio::test]
async fn a_put_replaces_a_record_and_a_patch_changes_it() {
    let (api, records) = zone().await;
    let mut first = record("A", "www", "192.0.2.1");
    first["comment"] = json!("the shop");
    let made = api.json("POST", &records, first).await.result();
    let one = format!("{records}/{}", made["id"].as_str().unwrap());
    let patched = api.json("PATCH", &one, json!({ "content": "192.0.2.2" })).await.result();
    assert_eq!(
        (&patched["content"], &patched["comment"]),
        (&json!("192.0.2.2"), &json!("the shop"))
    );
    let put = api.json("PUT", &one, record("AAAA", "www.acme.test", "2001:db8::1")).await.result();
    assert_eq!(
        (&put["id"], &put["type"], &put["comment"]),
        (&made["id"], &json!("AAAA"), &Value::Null)
    );
    assert_eq!(api.get(&one).await.result(), put);
    assert_eq!(api.delete(&one).await.result(), json!({ "id": made["id"] }));
    assert_eq!(api.get(&one).await.error(), (404, 81044));
}

// conformance: dns | refusals of records that make no sense | guessed: the inner codes of the error chain, since the documentation lists the outer ones only
// conformance: dns | conflicts between records of one name (81053, 81058) | documented
#[tokio::test]
async fn a_record_that_makes_no_sense_is_refused_with_its_reason() {
    let (api, records) = zone().await;
    api.json("POST", &records, record("A", "www", "192.0.2.1")).await.result();
    for (bad, inner) in [
        (record("A", "x", "2001:db8::1"), 9005),
        (record("A", "x", "999.1.1.1"), 9005),
        (record("AAAA", "x", "192.0.2.1"), 9006),
        (record("CNAME", "x", "two words"), 9007),
        (record("MX", "x", "mail.acme.test"), 9102),
        (record("TXT", "x", ""), 9002),
        (json!({ "type": "TXT", "name": "x", "content": "y", "proxied": true }), 9004),
        (json!({ "type": "A", "name": "x", "content": "192.0.2.9", "ttl": 5 }), 9021),
        (json!({ "name": "x", "content": "192.0.2.9" }), 9000),
    ] {
        let answer = api.json("POST", &records, bad.clone()).await;
        assert_eq!(answer.error(), (400, 1004), "{bad}");
        assert_eq!(answer.json()["errors"][0]["error_chain"][0]["code"], inner, "{bad}");
    }
    let cname = record("CNAME", "www", "acme.test");
    assert_eq!(api.json("POST", &records, cname).await.error(), (400, 81053));
    let same = record("A", "WWW.acme.test.", "192.0.2.1");
    assert_eq!(api.json("POST", &records, same).await.error(), (400, 81058));
    for bad in ["", "[]", "{\"type\":7}", "nonsense"] {
        assert_eq!(api.raw("POST", &records, bad).await.status, 400, "{bad}");
    }
}

// conformance: dns | POST /zones/{zone}/dns_records/batch | documented
#[tokio::test]
async fn a_batch_happens_whole_or_not_at_all() {
    let (api, records) = zone().await;
    let a = api.json("POST", &records, record("A", "a", "192.0.2.1")).await.result();
    let b = api.json("POST", &records, record("A", "b", "192.0.2.2")).await.result();
    let batch = format!("{records}/batch");
    let bad = json!({ "deletes": [{ "id": a["id"] }], "posts": [record("A", "c", "no address")] });
    assert_eq!(api.json("POST", &batch, bad).await.error(), (400, 1004));
    assert_eq!(names(&api.get(&records).await.result()), ["a.acme.test", "b.acme.test"]);
    // A name that the batch itself sets free can be taken by it.
    let wanted = json!({
        "deletes": [{ "id": a["id"] }],
        "patches": [{ "id": b["id"], "comment": "kept" }],
        "posts": [record("CNAME", "a", "b.acme.test")],
    });
    let done = api.json("POST", &batch, wanted).await.result();
    assert_eq!(done["deletes"][0]["id"], a["id"]);
    assert_eq!((&done["patches"][0]["comment"], &done["puts"]), (&json!("kept"), &json!([])));
    let listed = api.get(&format!("{records}?order=name&direction=desc")).await.result();
    assert_eq!(names(&listed), ["b.acme.test", "a.acme.test"]);
    assert_eq!(listed[1]["type"], "CNAME");
}

// conformance: dns | GET /zones/{zone}/dns_records | documented
#[tokio::test]
async fn a_list_is_filtered_as_its_query_says() {
    let (api, records) = zone().await;
    for (kind, name, content) in
        [("A", "www", "192.0.2.1"), ("A", "api", "192.0.2.2"), ("TXT", "www", "hello world")]
    {
        api.json("POST", &records, record(kind, name, content)).await.result();
    }
    for (query, expected) in [
        ("type=TXT", 1),
        ("name=www.acme.test", 2),
        ("name.startswith=api", 1),
        ("content.contains=192.0&type=A", 2),
        ("match=any&type=TXT&name=api.acme.test", 2),
        ("search=hello", 1),
        ("type=MX", 0),
        ("per_page=2&page=2", 1),
        ("per_page=2&page=9", 0),
    ] {
        let found = api.get(&format!("{records}?{query}")).await.result();
        assert_eq!(found.as_array().unwrap().len(), expected, "{query}");
    }
}

// conformance: dns | GET /zones/{zone}/dns_records/export | documented
#[tokio::test]
async fn a_zone_file_quotes_what_it_must() {
    let (api, records) = zone().await;
    let long = "x".repeat(300);
    for wanted in [
        record("CNAME", "www", "acme.test"),
        record("TXT", "@", "say \"hi\" \\ é"),
        record("TXT", "long", &long),
        json!({ "type": "MX", "name": "@", "content": "mail.acme.test", "priority": 10 }),
        json!({
            "type": "SRV", "name": "_sip._tcp", "priority": 1,
            "data": { "weight": 5, "port": 5060, "target": "sip.acme.test" },
        }),
        json!({ "type": "A", "name": "p", "content": "192.0.2.1", "proxied": true, "comment": "a\nb" }),
    ] {
        api.json("POST", &records, wanted).await.result();
    }
    let answer = api.get(&format!("{records}/export")).await;
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    let lines: Vec<&str> = text.lines().skip(4).collect();
    let long =
        format!("long.acme.test.\t1\tIN\tTXT\t\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45));
    assert_eq!(
        lines,
        [
            "www.acme.test.\t1\tIN\tCNAME\tacme.test. ; cf_tags=cf-proxied:false",
            "acme.test.\t1\tIN\tTXT\t\"say \\\"hi\\\" \\\\ \\195\\169\"",
            long.as_str(),
            "acme.test.\t1\tIN\tMX\t10 mail.acme.test.",
            "_sip._tcp.acme.test.\t1\tIN\tSRV\t1 5 5060 sip.acme.test.",
            "p.acme.test.\t1\tIN\tA\t192.0.2.1 ; a b cf_tags=cf-proxied:true",
        ]
    );
}

/// Sends a form with a file of records.
async fn imported(api: &Api, records: &str, file: &str, proxied: &str) -> Answer {
    let part = |name: &str, value: &str| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        format!("{head}{value}\r\n")
    };
    let body = part("file", file) + &part("proxied", proxied) + "--x--\r\n";
    typed(api, records, "multipart/form-data; boundary=x", &body).await
}

async fn typed(api: &Api, records: &str, content_type: &str, body: &str) -> Answer {
    let request = api.request("POST", &format!("{records}/import"));
    let request = request.header("content-type", content_type);
    api.send(request.body(body.to_owned().into()).unwrap()).await
}

// conformance: dns | POST /zones/{zone}/dns_records/import | documented
// conformance: dns | import: what cannot be made is named in the messages, all else is made | documented
// conformance: dns | import: SOA and the zone's own NS are counted and not made; a file that cannot be read is code 1004 | guessed: the count takes all lines of the file and the code is 1004, since the documentation names neither
#[tokio::test]
async fn a_zone_file_is_imported_record_by_record() {
    let (api, records) = zone().await;
    api.json("POST", &records, record("CNAME", "taken", "acme.test")).await.result();
    let file = "$TTL 300\n@ IN SOA ns.acme.test. admin.acme.test. 1 2 3 4 5\n@ NS ns.acme.test.\n\
        www A 192.0.2.1 ; the shop cf_tags=team:web,cf-proxied:true\n\
        old A 192.0.2.2 ; cf_tags=cf-proxied:false\ntaken A 192.0.2.3\nmail MX 10 mx\n\
        note TXT \"a; b\" \"c\"\nelsewhere.test. A 192.0.2.4\n";
    let answer = imported(&api, &records, file, "true").await;
    let result = answer.json()["result"].clone();
    assert_eq!(
        result,
        json!({
            "recs_added": 4, "total_records_parsed": 8,
            "recs_added_by_type": { "A": 2, "MX": 1, "TXT": 1 },
        })
    );
    let messages = answer.json()["messages"].clone();
    assert_eq!(messages[0]["code"], 81053);
    assert!(messages[0]["message"].as_str().unwrap().starts_with("taken.acme.test: "));
    assert_eq!(messages.as_array().unwrap().len(), 2, "{messages}");
    let listed = api.get(&format!("{records}?name=www.acme.test")).await.result();
    assert_eq!(
        (&listed[0]["proxied"], &listed[0]["ttl"], &listed[0]["comment"], &listed[0]["tags"]),
        (&json!(true), &json!(1), &json!("the shop"), &json!(["team:web"]))
    );
    let listed = api.get(&format!("{records}?name=old.acme.test")).await.result();
    assert_eq!((&listed[0]["proxied"], &listed[0]["ttl"]), (&json!(false), &json!(300)));
    // Once more: every record says why it was not made.
    let again = imported(&api, &records, file, "true").await.json();
    assert_eq!(again["result"]["recs_added"], 0);
    assert_eq!(again["messages"].as_array().unwrap().len(), 6);
    // What is exported can be imported into another zone of that name.
    let export = api.get(&format!("{records}/export")).await;
    for entry in api.get(&records).await.result().as_array().unwrap() {
        api.delete(&format!("{records}/{}", entry["id"].as_str().unwrap())).await.result();
    }
    let text = std::str::from_utf8(&export.bytes).unwrap();
    let back = imported(&api, &records, text, "false").await.json();
    assert_eq!((&back["result"]["recs_added"], &back["messages"]), (&json!(5), &json!([])));
    let export_of = api.get(&format!("{records}/export")).await;
    assert_eq!(export_of.bytes, export.bytes);
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_changes_nothing() {
    let (api, records) = zone().await;
    let large = "; comment\n".repeat(30_000);
    for file in ["a A 192.0.2.1\n$INCLUDE b", "a A 192.0.2.1\n\"", large.as_str()] {
        let answer = imported(&api, &records, file, "false").await;
        assert_eq!(answer.error(), (400, 1004));
    }
    for (content_type, body) in [
        ("application/json", "{}"),
        ("multipart/form-data; boundary=x", "--x--\r\n"),
        ("multipart/form-data; boundary=x", "no form"),
    ] {
        let answer = typed(&api, &records, content_type, body).await;
        assert_eq!(answer.error(), (400, 1004), "{body}");
    }
    assert!(names(&api.get(&records).await.result()).is_empty());
}

// conformance: zones | PATCH /zones/{zone} | documented
// conformance: zones | POST /zones/{zone}/purge_cache | documented
// conformance: zones | purge_cache: at most 100 things | guessed: the code, since only the number 100 is documented
#[tokio::test]
async fn a_zone_is_paused_and_its_cache_purged() {
    let (api, records) = zone().await;
    let zone = records.trim_end_matches("/dns_records");
    let paused = api.json("PATCH", zone, json!({ "paused": true })).await.result();
    assert_eq!(paused["paused"], true);
    assert_eq!(api.get(zone).await.result()["paused"], true);
    assert_eq!(api.json("PATCH", zone, json!({})).await.result()["paused"], true);
    let purge = format!("{zone}/purge_cache");
    for good in [json!({ "purge_everything": true }), json!({ "hosts": ["www.acme.test"] })] {
        let purged = api.json("POST", &purge, good).await.result();
        assert!(zone.ends_with(purged["id"].as_str().unwrap()));
    }
    let both = json!({ "purge_everything": true, "tags": ["a"] });
    for bad in [json!({}), json!({ "files": [] }), both, json!({ "purge_everything": false })] {
        assert_eq!(api.json("POST", &purge, bad.clone()).await.error(), (400, 1012), "{bad}");
    }
    let many: Vec<String> = (0..101).map(|n| format!("https://acme.test/{n}")).collect();
    assert_eq!(api.json("POST", &purge, json!({ "files": many })).await.error(), (400, 1094));
}

// conformance: zones | POST /zones | documented
// conformance: zones | GET /zones | documented
// conformance: zones | GET /zones/{zone} | documented
// conformance: zones | DELETE /zones/{zone} | documented
#[tokio::test]
async fn a_zone_comes_and_goes_with_its_records() {
    let api = Api::new().await;
    let wanted = json!({ "name": "new.test", "account": { "id": api.account } });
    let made = api.json("POST", "/zones", wanted.clone()).await.result();
    assert_eq!((&made["name"], &made["status"]), (&json!("new.test"), &json!("active")));
    assert_eq!(api.json("POST", "/zones", wanted).await.error(), (400, 1061));
    let one = format!("/zones/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&one).await.result()["account"]["id"], json!(api.account));
    let listed = api.get("/zones").await.result();
    assert_eq!(names(&listed).len(), 3);
    api.delete(&one).await.result();
    assert_eq!(api.get(&one).await.status, 403);
    for bad in
        [json!({ "name": "x" }), json!({ "name": "no zone", "account": { "id": api.account } })]
    {
        assert_eq!(api.json("POST", "/zones", bad).await.status, 400);
    }
}
