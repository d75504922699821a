use crate::world::{World, ok, unshared};
use std::time::Duration;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

#[tokio::test(start_paused = true)]
async fn ten_thousand_wait_and_the_rest_is_refused_at_once() {
    let mut options = unshared().with_budget(Some("100/10s".parse().unwrap()));
    options.most_calls = 10_100;
    let world = World::answering(options.with_longest_wait(Duration::from_secs(3000)), |_| ok());
    let mut all = JoinSet::new();
    for call in 0..10_100 {
        let world = world.clone();
        all.spawn(async move { world.get(&format!("/zones?page={call}")).await.0 });
    }
    sleep(Duration::from_millis(1)).await;
    let status = world.gateway.status();
    assert_eq!((status.in_gateway, status.waiting), (10_000, 10_000));
    let mut more = JoinSet::new();
    for call in 0..300 {
        let world = world.clone();
        more.spawn(async move { world.get(&format!("/user?page={call}")).await.0 });
    }
    sleep(Duration::from_millis(1)).await;
    let refused = world.gateway.status().calls.refused;
    assert_eq!(refused, 200, "a hundred places were free");
    drop(more);
    let began = Instant::now();
    assert!(all.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(began.elapsed().as_secs().div_ceil(10), 100, "a hundred windows of a hundred calls");
    assert_eq!(world.gateway.status().in_gateway, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_clients_and_tokens_is_counted_in_bounded_memory() {
    let world = World::answering(unshared(), |_| ok());
    for number in 0..3000 {
        let request = crate::world::asks(http::Method::GET, "/zones")
            .header("user-agent", format!("client/{number}"))
            .header("authorization", format!("Bearer {number}"));
        drop(world.send(request.body(clodo_http::Body::empty()).unwrap()).await);
    }
    let status = world.gateway.status();
    assert_eq!(status.calls.total, 3000);
    assert!(status.clients.len() <= 201 && status.budgets.len() <= 1000);
    assert_eq!(status.clients.iter().map(|client| client.calls).sum::<u64>(), 3000);
    assert_eq!(status.clients[0].client, "others");
}
