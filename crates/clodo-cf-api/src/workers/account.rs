use crate::endpoint::{Endpoint, Repeat};
use clodo_types::AccountId;
use http::Method;
use serde::{Deserialize, Serialize};

/// What an account sets for all its Workers. A change leaves out what it does not mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSettings {
    /// How they are billed: `standard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_usage_model: Option<String>,
    /// Whether they run where energy is renewable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green_compute: Option<bool>,
}

const SETTINGS: &str = "/accounts/{account}/workers/account-settings";

/// What the account sets for all its Workers.
#[must_use]
pub fn account_settings(account: &AccountId) -> Endpoint<AccountSettings> {
    Endpoint::get(SETTINGS).at("account", account)
}

/// Sets what the account sets for all its Workers.
#[must_use]
pub fn put_account_settings(
    account: &AccountId,
    settings: &AccountSettings,
) -> Endpoint<AccountSettings> {
    Endpoint::new(Method::PUT, SETTINGS, Repeat::Safe).at("account", account).with_json(settings)
}
