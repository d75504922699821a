use crate::cloud::Cloud;
use clodo_cf_api::{
    ApiErrorKind, Client, ClientOptions, ReqwestHttp, ReqwestOptions, identity, tokens,
};
use clodo_types::Secret;
use std::sync::Arc;

// conformance: identity | GET /user/tokens/verify | documented
// conformance: identity | GET /accounts/{account} | documented
// conformance: identity | GET /accounts | documented
#[tokio::test]
async fn a_token_is_verified_and_sees_its_account() {
    let cloud = Cloud::open().await;
    let accounts = cloud.client.list(identity::list_accounts()).await.unwrap();
    assert!(accounts.iter().any(|account| account.id == cloud.account));
    let one = cloud.client.send(identity::account(&cloud.account)).await.unwrap();
    assert_eq!(one.id, cloud.account);
    let owner = match cloud.client.send(tokens::verify(&tokens::TokenOwner::User)).await {
        Ok(status) => {
            assert!(status.is_active());
            tokens::TokenOwner::User
        }
        // A live account's token may belong to the account.
        Err(_) => tokens::TokenOwner::Account(cloud.account.clone()),
    };
    assert!(cloud.client.send(tokens::verify(&owner)).await.unwrap().is_active());
}

// conformance: identity | GET /user | documented
// conformance: identity | GET /memberships | documented
#[tokio::test]
async fn a_person_has_memberships() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let user = cloud.client.send(identity::user()).await.unwrap();
    assert!(!user.id.is_empty());
    let memberships = cloud.client.list(identity::list_memberships()).await.unwrap();
    assert!(memberships.iter().any(|membership| membership.account.id == cloud.account));
}

// conformance: security | a wrong token is refused | documented
#[tokio::test]
async fn a_wrong_token_is_refused_and_not_shown() {
    let cloud = Cloud::open().await;
    let Some(url) = cloud.url() else { return };
    let http = Arc::new(ReqwestHttp::new(&ReqwestOptions::default()).unwrap());
    let base = format!("{url}/client/v4");
    let wrong = ClientOptions::new(base, Secret::new("a-token-that-nobody-gave"));
    let stranger = Client::new(http, wrong).unwrap();
    for _ in 0..3 {
        let error = stranger.list(clodo_cf_api::d1::list_databases(&cloud.account)).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Auth, "{error}");
        assert!(!format!("{error} {error:?}").contains("nobody-gave"));
    }
}

// conformance: identity | GET /accounts/{account}/tokens/permission_groups | documented
// conformance: identity | POST /accounts/{account}/tokens | documented
// conformance: identity | GET /accounts/{account}/tokens | documented
// conformance: identity | GET /accounts/{account}/tokens/{token} | documented
// conformance: identity | PUT /accounts/{account}/tokens/{token} | documented
// conformance: identity | PUT /accounts/{account}/tokens/{token}/value | documented
// conformance: identity | DELETE /accounts/{account}/tokens/{token} | documented
#[tokio::test]
async fn a_token_is_made_used_rolled_and_ended() {
    let cloud = Cloud::open().await;
    let Some(url) = cloud.url() else { return };
    let (client, account) = (&cloud.client, &cloud.account);
    let owner = tokens::TokenOwner::Account(account.clone());
    let groups = client.list(tokens::list_permission_groups(&owner)).await.unwrap();
    let read = groups.iter().find(|group| group.name == "D1 Read").unwrap();
    let policy = tokens::Policy::for_account(account, [read.id.clone()]);
    let mut new = tokens::NewToken::new("suite", vec![policy]);
    let made = client.send(tokens::create_token(&owner, &new)).await.unwrap();
    let id = made.token.id;
    let with = |token: Secret| {
        let http = Arc::new(ReqwestHttp::new(&ReqwestOptions::default()).unwrap());
        Client::new(http, ClientOptions::new(format!("{url}/client/v4"), token)).unwrap()
    };
    let databases = || clodo_cf_api::d1::list_databases(account);
    let narrow = with(made.value.clone());
    narrow.list(databases()).await.unwrap();
    let more = narrow.ensure_queue(account, "not-allowed").await.unwrap_err();
    assert_eq!(more.kind(), ApiErrorKind::Permission, "{more}");
    let rolled = client.send(tokens::roll_token(&owner, &id)).await.unwrap();
    assert_eq!(narrow.list(databases()).await.unwrap_err().kind(), ApiErrorKind::Auth);
    with(rolled.clone()).list(databases()).await.unwrap();
    new.status = Some(tokens::TokenState::Disabled);
    client.send(tokens::put_token(&owner, &id, &new)).await.unwrap();
    let shown = client.send(tokens::token(&owner, &id)).await.unwrap();
    assert_eq!(shown.status, Some(tokens::TokenState::Disabled));
    let all = client.list(tokens::list_tokens(&owner)).await.unwrap();
    assert!(all.iter().any(|token| token.id == id));
    client.send(tokens::delete_token(&owner, &id)).await.unwrap();
    assert!(client.find(tokens::token(&owner, &id)).await.unwrap().is_none());
    assert_eq!(with(rolled).list(databases()).await.unwrap_err().kind(), ApiErrorKind::Auth);
}
