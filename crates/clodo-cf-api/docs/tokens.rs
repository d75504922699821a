use clodo_cf_api::{
    AccountId, Client,
    tokens::{self, NewToken, Policy, TokenOwner},
};
use std::error::Error;

/// Makes a token that may read D1 for an hour's work, gives it a new value, and ends it.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let owner = TokenOwner::Account(account.clone());
    let groups = client.list(tokens::list_permission_groups(&owner)).await?;
    let read = groups.iter().find(|group| group.name == "D1 Read").ok_or("no such group")?;

    let policy = Policy::for_account(account, [read.id.clone()]);
    let mut new = NewToken::new("report", vec![policy]);
    new.expires_on = Some("2099-01-01T00:00:00Z".to_owned());
    let made = client.send(tokens::create_token(&owner, &new)).await?;

    // The old value is refused from now on.
    let value = client.send(tokens::roll_token(&owner, &made.token.id)).await?;
    assert_ne!(value.expose(), made.value.expose());

    client.send(tokens::delete_token(&owner, &made.token.id)).await?;
    Ok(())
}
