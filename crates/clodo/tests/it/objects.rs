//! Migrations of Durable Objects that somebody else was quicker with.

use crate::support::{
    cloud::Cloud,
    workers::{inputs, target, upload, uploaded},
};
use clodo::Secrets;
use clodo_orchestrator::{Change, DesiredTarget, Platform, PlatformErrorKind};
use serde_json::json;

/// A Worker whose migrations have these tags; each makes a class.
fn room(tags: &[&str]) -> DesiredTarget {
    let class = |tag: &&str| format!("export class C{tag} extends DurableObject {{}}\n");
    let classes: String = tags.iter().map(class).collect();
    let code = format!(
        "import {{ DurableObject }} from 'cloudflare:workers';\n{classes}\
         export default {{ fetch() {{ return new Response('room') }} }}"
    );
    let mut room = target("room", &code);
    let migration = |tag: &&str| json!({ "tag": tag, "new_sqlite_classes": [format!("C{tag}")] });
    room.object_migrations = tags.iter().map(migration).collect();
    room
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_a_killed_process_had_sent_is_gone_on_from() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    uploaded(&platform, &room(&["v1"]), true).await;
    // Planned before that had arrived: as the first upload, with what is migrated and more.
    uploaded(&platform, &room(&["v1"]), true).await;
    uploaded(&platform, &room(&["v1", "v2"]), true).await;
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_migrated_is_left_to_them() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    uploaded(&platform, &room(&["theirs"]), true).await;
    let error = platform.apply(&upload(&room(&["v1"]), true), &inputs()).await.unwrap_err();
    assert_eq!(error.kind(), PlatformErrorKind::Refused, "no tag of ours");
    let Change::Upload(mut foreign) = upload(&room(&["theirs"]), true) else { unreachable!() };
    foreign.mark.owner = "somebody-else".parse().ok();
    let error = platform.apply(&Change::Upload(foreign), &inputs()).await.unwrap_err();
    assert_eq!(error.kind(), PlatformErrorKind::Refused, "no Worker of ours");
    cloud.local.stop().await;
}
