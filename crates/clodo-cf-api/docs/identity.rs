use clodo_cf_api::{AccountId, Client, identity};
use std::error::Error;

/// Finds out whether the token is good, and what it can reach.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let token = client.send(identity::verify_token()).await?;
    if !token.is_active() {
        return Err(format!("the token is {}", token.status).into());
    }
    let accounts = client.list(identity::list_accounts()).await?;
    assert!(accounts.iter().any(|one| one.id == *account));

    let user = client.send(identity::user()).await?;
    assert!(!user.id.is_empty());
    Ok(())
}
