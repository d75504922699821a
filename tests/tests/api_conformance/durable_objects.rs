use crate::cloud::{Cloud, binding, eventually};
use clodo_cf_api::{
    KnownBinding, Migrations, WorkerUpload, durable_objects,
    triggers::{self, SubdomainChange},
    workers,
};
use clodo_types::WorkerName;

// conformance: durable objects | GET /accounts/{account}/workers/durable_objects/namespaces | documented
// conformance: durable objects | GET /accounts/{account}/workers/durable_objects/namespaces/{namespace}/objects | documented
// conformance: durable objects | migrations in PUT /accounts/{account}/workers/scripts/{script} | documented
#[tokio::test]
async fn a_class_makes_a_namespace() {
    let cloud = Cloud::open().await;
    let worker: WorkerName = cloud.name("room");
    let (client, account) = (&cloud.client, &cloud.account);
    let source = "import { DurableObject } from 'cloudflare:workers';\n\
        export class Room extends DurableObject {\n\
          async count() { const n = (await this.ctx.storage.get('n') ?? 0) + 1; await this.ctx.storage.put('n', n); return n; }\n\
        }\n\
        export default { async fetch(request, env) {\n\
          const room = env.ROOM.get(env.ROOM.idFromName('a'));\n\
          return new Response(String(await room.count())); } };";
    let room = KnownBinding::DurableObjectNamespace {
        class_name: Some("Room".to_owned()),
        dispatch_namespace: None,
        script_name: None,
        environment: None,
        namespace_id: None,
    };
    let upload = WorkerUpload::module_worker("index.js", source)
        .compatible_with("2026-01-01")
        .with_binding(&binding("ROOM"), room)
        .with_migrations(&Migrations::first("v1", ["Room"]));
    client.send(workers::put_script(account, &worker, &upload).unwrap()).await.unwrap();
    let found = eventually(async || {
        let all = client.list(durable_objects::list_namespaces(account)).await.unwrap();
        all.into_iter().find(|one| one.script.as_deref() == Some(worker.as_str()))
    })
    .await;
    assert_eq!(found.class.as_deref(), Some("Room"));
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    client.send(triggers::set_subdomain(account, &worker, on)).await.unwrap();
    let host = cloud.host(&worker).await;
    for want in ["1", "2"] {
        if let Some(answer) = cloud.visit(&host, "/").await {
            assert_eq!(answer, want);
        }
    }
    if !cloud.is_live() {
        let objects = eventually(async || {
            let list = durable_objects::list_objects(account, &found.id);
            Some(client.list(list).await.unwrap()).filter(|all| !all.is_empty())
        })
        .await;
        assert_eq!((objects.len(), objects[0].has_stored_data), (1, true));
    }
    cloud.remove_worker(&worker).await;
}
